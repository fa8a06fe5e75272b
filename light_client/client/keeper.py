"""When the trusted header goes to disk: at turns and alarms at once, else every now and then, since flash wears out.

A floor that is a little lower after a power cut is still a floor, so what comes now and then may wait for company.
"""

from __future__ import annotations

from light_client.client.belief import Belief
from light_client.session.actor import Write
from light_client.store import trust


class Keeper:
    """Knows what is on disk."""

    def __init__(self, belief: Belief, persist_ms: int) -> None:
        self._belief = belief
        self._persist_ms = persist_ms
        self._kept_ms = belief.trusted.time_ms
        """Time of the header on disk."""

    def if_due(self) -> list[Write]:
        """The write that is due, if one is."""
        trusted = self._belief.trusted
        turned = trusted.committee != trusted.signers
        if not turned and trusted.time_ms < self._kept_ms + self._persist_ms:
            return []
        return self._write(may_wait=not turned)

    def now(self) -> list[Write]:
        """The write that brings the disk up to date; none if it is."""
        return self._write(may_wait=False)

    def _write(self, *, may_wait: bool) -> list[Write]:
        trusted = self._belief.trusted
        if trusted.time_ms == self._kept_ms or trusted.header is None:
            return []
        self._kept_ms = trusted.time_ms
        return [trust.remember((*self._belief.turns, trusted), may_wait=may_wait)]
