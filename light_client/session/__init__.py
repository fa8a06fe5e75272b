"""Actors without I/O: what happens to them, and what they ask their driver to do."""
