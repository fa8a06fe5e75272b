"""The device's configuration: one typed TOML document, in which every key is known and every mistake has a line."""
