"""The simulated world: links, faults, virtual time, storage; runs the same actors as the live driver."""
