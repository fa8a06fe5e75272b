"""The recipe of a device's root; `install` and `make-base` are shell, `unpack.py` runs on the root alone."""
