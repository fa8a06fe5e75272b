"""The grid of `deploy/compose/compose.yaml`: a tier in a container, and meters that come by themselves.

What they share is one folder. `places.py` says what lies where in it, `meter.py` is a meter's side, `neighbours.py` the
tier's view of the meters, `management.py` the broker's papers, and `tier.py` puts everything together.
"""
