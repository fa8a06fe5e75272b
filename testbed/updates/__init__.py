"""Updates played on an emulated board: good ones, broken ones, forged ones, and the power that fails meanwhile.

`releases.py` makes the updates out of the card itself, `sticks.py` puts them onto sticks and these into the board,
`play.py` plays the acts and judges each.
"""
