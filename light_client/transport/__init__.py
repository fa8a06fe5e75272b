"""Messages between actors over ZeroMQ, encrypted and authenticated by CURVE.

`node.py` is what a driver uses; `server.py` and `client.py` are its two kinds of socket, `admission.py` says who may
connect and what he is called, `keys.py` holds the keys, `limits.py` the bounds.
Why this transport, and what it does not protect from: docs/adr/0006-transport.md.
"""
