"""What the operator's desk knows, in one folder: devices, bundles, rollouts, what devices said, and who did what.

folder.py    the folder: its settings, its files, and the lock of the one program that serves it
schema.py    the tables, step by step as they grew
database.py  the one SQLite file and its transactions; many commands and one service share it
devices.py   devices: known, expected, enrolled, revoked; what they reported last
papers.py    key sets and bundles
rollouts.py  rollouts and what became of each device
inbox.py     letters, health and alarms, as long as they are kept
audit.py     who did what: a chain of hashes with a signed head
"""
