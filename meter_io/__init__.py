"""Meters: readings out of serial lines and sockets. Knows nothing of ledgers."""
