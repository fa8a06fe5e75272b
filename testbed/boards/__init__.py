"""Fleets of whole devices beside a live tier: `gridlight-testbed up --fleet N --mode process|container`.

Each board is the program that runs on real ones, with a configuration, keys, a data folder and a virtual meter behind a
pseudo terminal of its own. `housing.py` says what a board runs in; `processes.py` and `containers.py` are two such
places. `faults.py` reads the one script of what goes wrong, which the simulation plays too (`inprocess.py`), `fleet.py`
plays it, `verdict.py` says whether every meter ended verified, and `room.py` how many fit on this machine.
"""
