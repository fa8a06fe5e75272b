"""What the fleet looks like in a browser, and its figures for Prometheus: read only, on this machine alone.

server.py   four addresses and nothing else
style.py    the sheet and the one small script
fleet.py    the page of the fleet: what needs a person, rollouts, the map by feeder
device.py   the page of one device
rollout.py  the page of one rollout
markup.py   the pieces that pages are made of
metrics.py  the figures
"""
