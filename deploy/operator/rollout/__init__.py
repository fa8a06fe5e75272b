"""How a bundle spreads over a fleet: waves, thresholds, and what became of each device.

outcomes.py  what can become of a device in a rollout: a table of transitions, and how a report is read
engine.py    one rollout as a state machine without I/O
desired.py   which bundle lies in a device's topic, where several rollouts concern it
"""
