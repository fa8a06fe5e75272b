"""The live half of the testbed: actors as processes of this machine, talking over the loopback interface.

`firmware_app.runtime` runs actors in a process, `process.py` is that process, `roles.py` says who plays in it;
`deployment.py` writes what a whole grid of processes needs, `supervisor.py` keeps them running, `watching.py` reads
what they report, `up.py` puts these together for the command.
"""
