"""The live half of the testbed: actors as processes of this machine, talking over the loopback interface.

`driver.py` runs actors in a process, `process.py` is that process, `deployment.py` writes what a whole grid of them
needs, `supervisor.py` keeps them running, `up.py` is what people start.
"""
