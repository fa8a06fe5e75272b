"""A week of mishaps for one real device beside a live tier: `gridlight-testbed week`.

`mishaps.py` is the script, `playing.py` lets it happen to a `board.py`, `left.py` collects what everybody has left, and
`promises.py` holds it against each other. `page.py` draws it.
"""
