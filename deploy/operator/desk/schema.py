"""The tables of the desk's file, step by step: a file of an older format is brought forward when it is opened.

A step is never changed once it was released: what comes later is a step of its own, appended.
"""

from __future__ import annotations

from typing import Final

_FIRST: Final = (
    "CREATE TABLE documents (hash BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE devices (
        name TEXT PRIMARY KEY, state TEXT NOT NULL, board TEXT NOT NULL, feeder INTEGER NOT NULL, labels TEXT NOT NULL,
        firmware TEXT NOT NULL, document BLOB, own BLOB, certificate BLOB, request BLOB, token BLOB,
        token_until_ms INTEGER,
        added_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
        online INTEGER NOT NULL DEFAULT 0, online_since_ms INTEGER, heard_ms INTEGER,
        reported TEXT, hash TEXT, next_hash TEXT, failed_hash TEXT, key_set INTEGER, version INTEGER, phase TEXT,
        problem TEXT, health TEXT, health_ms INTEGER, desired BLOB NOT NULL DEFAULT x''
    ) STRICT""",
    "CREATE INDEX devices_by_feeder ON devices (feeder)",
    "CREATE INDEX devices_with_token ON devices (token_until_ms) WHERE token IS NOT NULL",
    """CREATE TABLE key_sets (version INTEGER PRIMARY KEY, envelope BLOB NOT NULL, added_ms INTEGER NOT NULL) STRICT""",
    """CREATE TABLE bundles (
        hash BLOB PRIMARY KEY, key_set INTEGER NOT NULL, version INTEGER NOT NULL, envelope BLOB NOT NULL,
        undoes BLOB, added_ms INTEGER NOT NULL, UNIQUE (key_set, version)
    ) STRICT""",
    """CREATE TABLE rollouts (
        id INTEGER PRIMARY KEY, hash BLOB NOT NULL REFERENCES bundles, standing TEXT NOT NULL, wave INTEGER NOT NULL,
        reason TEXT NOT NULL, asked TEXT NOT NULL DEFAULT '', asked_by TEXT NOT NULL DEFAULT '',
        asked_why TEXT NOT NULL DEFAULT '', started_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, ended_ms INTEGER
    ) STRICT""",
    """CREATE TABLE outcomes (
        rollout INTEGER NOT NULL REFERENCES rollouts, place INTEGER NOT NULL, device TEXT NOT NULL REFERENCES devices,
        outcome TEXT NOT NULL, reason TEXT NOT NULL, sent_ms INTEGER, until_ms INTEGER, before BLOB,
        changed_ms INTEGER NOT NULL,
        PRIMARY KEY (rollout, place), UNIQUE (device, rollout)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE letters (
        device TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER, heard_ms INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY (device, key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX letters_by_age ON letters (heard_ms)",
    """CREATE TABLE alarms (
        device TEXT NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL, sentence TEXT NOT NULL,
        since_ms INTEGER NOT NULL, ended_ms INTEGER, PRIMARY KEY (device, code, since_ms)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX alarms_open ON alarms (ended_ms)",
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, at_ms INTEGER NOT NULL, what TEXT NOT NULL, sentence TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX history_by_device ON history (device, id)",
    "CREATE INDEX history_by_age ON history (at_ms)",
    """CREATE TABLE audit (
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL,
        hash BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE audit_head (
        only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE figures (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",
)

_RENEWALS: Final = (
    "ALTER TABLE devices ADD COLUMN certificate_until_ms INTEGER",
    "ALTER TABLE devices ADD COLUMN next_certificate BLOB",
    "ALTER TABLE devices ADD COLUMN next_request BLOB",
)

STEPS: Final = (_FIRST, _RENEWALS)
"""Each brings the file to the next format: format N is what N steps made."""
