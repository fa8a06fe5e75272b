"""The light client: what a meter believes, what it asks whom, and how it stands."""
