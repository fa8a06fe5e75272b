"""What the board keeps through power cuts, full disks and damaged cards.

device_store.py   the front: rows in and out, what waits in memory, what happens when the disk fails
params.py         `[store]` of the configuration: days, quota, how often the disk is written
rows.py           one dataclass a table: what is kept
tables.py         dataclass -> SQL and back
database.py       the SQLite file and its transactions
ring.py           who leaves when room is needed, and how many days fit
outbox.py         what the tier and the operator must still get
opening.py        check at start, salvage of a damaged file
replacement.py    a new file in the place of a damaged one, so that a power cut leaves one of the two
written.py        bytes written to the disk, by UTC day
state.py          the light client's and wallet's file, opened and salvaged likewise
settings.py       settings and configuration documents: TinyDB over `files.py`
files.py          the system calls by which small files change
"""
