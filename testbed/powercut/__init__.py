"""Power cuts, replayed at every point: what the device writes is recorded, cut, torn and reopened.

vfs.py          between SQLite and the disk: the very library that the device uses, its program unchanged
log.py          what happened to a folder, in order: writes, syncs, renames, and what was acknowledged between them
states.py       what may be on the disk when the power fails after n of these operations
subjects.py     what is put to the proof: ring, outbox, settings, state with wallet, salvage
campaign.py     cuts each subject everywhere and asks whether what is reopened keeps its promises
"""
