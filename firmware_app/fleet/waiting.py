"""What waits for something, in memory: few, in two lines, so that no forgery pushes out a genuine bundle."""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_app.fleet.attachment import HERE_RULE, Attachment
from firmware_app.fleet.bundle import bundle_from_bytes
from firmware_app.fleet.envelope import read_envelope

MAX_WAITING: Final = 4
"""Of each of two sorts: known to be genuine, and not."""


class Waiting:
    """What waits, and what it waits for."""

    def __init__(self) -> None:
        self._genuine: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._strange: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._wanted: dict[bytes, tuple[Attachment, ...]] = {}
        self.missing = ""
        """What the last of them waits for; empty if none does."""
        self._said = ""

    @property
    def all(self) -> tuple[bytes, ...]:
        """Everything that waits, the genuine first."""
        return (*self._genuine, *self._strange)

    @property
    def wanted(self) -> tuple[Attachment, ...]:
        """Files that genuine bundles wait for, each once, the oldest bundle's first."""
        rows = [self._wanted[raw] for raw in self._genuine if raw in self._wanted]
        return tuple(dict.fromkeys(attachment for row in rows for attachment in row))

    def put(self, raw: bytes, missing: str, *, rule: str = "", genuine: bool = True) -> bool:
        """Let it wait; returns whether what is waited for is something else than the last time.

        Args:
            rule: that could not be decided.
            genuine: whether it is known who signed it.
        """
        line = self._genuine if genuine else self._strange
        if raw not in line:
            line.append(raw)
        if rule == HERE_RULE:
            self._wanted[raw] = bundle_from_bytes(read_envelope(raw).body).attachments
        self._wanted = {kept: files for kept, files in self._wanted.items() if kept in self._genuine}
        is_news, self.missing, self._said = self._said != missing, missing, missing
        return is_news

    def empty(self) -> tuple[bytes, ...]:
        """Take everything out."""
        everything = self.all
        self._genuine.clear()
        self._strange.clear()
        self._wanted.clear()
        self.missing = ""
        return everything

    def forget_fetching(self) -> bool:
        """Take out what waits for files, since nobody offers it any more; returns whether there was any."""
        gone = tuple(self._wanted)
        for raw in gone:
            self._genuine.remove(raw)
        self._wanted.clear()
        if gone:
            self.missing = ""
        return bool(gone)

    def fetching(self) -> bytes:
        """The oldest bundle that waits for files; empty if none does."""
        return next((raw for raw in self._genuine if raw in self._wanted), b"")
