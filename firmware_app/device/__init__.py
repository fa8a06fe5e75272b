"""The whole device as one actor: what it may do when, and what happens at the end of each interval."""
