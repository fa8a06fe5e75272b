"""The one long-running program: it hears the devices, drives the rollouts, and shows how they stand.

wire.py       what comes from the broker and what goes to it
hearing.py    reading what devices say: every byte is a stranger's
collector.py  from what was heard to what is written
enrolment.py  certificate requests under one-time tokens, and their answers
service.py    one turn: heard and asked, written in one transaction, then sent
mqtt.py       a real broker
loop.py       turn after turn, until it is told to stop
"""
