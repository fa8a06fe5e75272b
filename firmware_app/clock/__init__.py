"""Whether the board's clock may be believed, and what time it is if so."""
