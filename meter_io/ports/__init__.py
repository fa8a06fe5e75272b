"""Serial lines and sockets: the only I/O of this package."""
