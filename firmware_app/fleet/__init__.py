"""Configuration that the operator pushes: what a bundle is, what must hold of it, and how a board takes it over.

document.py       a configuration document as a tree, its canonical bytes, its TOML
change.py         a delta: what it sets and unsets, applied and found
selector.py       which devices are meant; selector_text.py reads and writes it for people
plan.py           waves, abort threshold, health gate
key_set.py        who may sign what, and how that changes
envelope.py       signed bytes
bundle.py         what is signed
ownership.py      which keys of the document need whose signatures, and which no bundle may hold
verification.py   the rules of a bundle in their order
agent.py          staged, on trial, committed or rolled back: a state machine without I/O; events.py is its contract
memory.py         what the agent keeps, in one piece; memory_file.py puts it on the disk
folder.py         bundles and key sets on a stick
report.py         what the device reports, and how often
topics.py         the table of MQTT topics
letters.py        letters out of the device's outbox, and receipts for them
telemetry.py      presence, health and alarms
enrolling.py      ticket, request and grant: how a device gets its certificate
"""
