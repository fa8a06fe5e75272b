"""Emulated meters and homes."""
