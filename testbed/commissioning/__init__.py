"""A board's first start and its last: what it takes from the card, what it makes itself, and what a reset leaves.

`fleet.py` is the operator whose ticket lies on the card, `play.py` plays the steps and judges each, `traces.py` looks
for secrets in the card's raw bytes.
"""
