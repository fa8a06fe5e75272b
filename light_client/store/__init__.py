"""Durable values: what an actor finds again after a crash. `sqlite.py` keeps them in a file, `memory.py` in memory."""
