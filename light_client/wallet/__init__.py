"""Keys that never leave the meter: hardened derivation, one fresh address per offer."""
