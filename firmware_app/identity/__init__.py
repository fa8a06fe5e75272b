"""The key that the grid operator knows a device by: who can sign with it, and where it lies.

`identity.py` is the port, with a secret in memory behind it; `pkcs11.py` is a key that never leaves its chip.
"""
