"""The list of what is wrong as people want it: worst first, causes without their consequences, nothing that flaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from firmware_app.status.conditions import CONDITIONS, Condition
from firmware_app.status.findings import Finding
from firmware_app.status.snapshot import MAX_LISTED, Notice, Snapshot

_WORST_FIRST: Final = ("failure", "warning")


class Health:
    """Remembers since when each condition holds."""

    def __init__(self, conditions: tuple[Condition, ...] = CONDITIONS) -> None:
        """Begin with nothing found."""
        self._conditions = conditions
        self._since: dict[tuple[str, str], int] = {}

    def look(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with its notices; to be called about once a second, by its monotonic clock."""
        now_ms = snapshot.made_monotonic_ms
        found = [
            (condition, finding) for condition in self._conditions for finding in condition.find(snapshot)
        ]
        keys = {(condition.code, finding.subject) for condition, finding in found}
        self._since = {key: self._since.get(key, now_ms) for key in keys}
        shown = [
            self._notice(condition, finding, now_ms)
            for condition, finding in found
            if self._is_due(condition, finding, now_ms) and not _is_consequence(condition, finding, keys)
        ]
        shown.sort(key=lambda notice: _WORST_FIRST.index(notice.severity))
        return replace(snapshot, notices=tuple(shown[:MAX_LISTED]))

    def _is_due(self, condition: Condition, finding: Finding, now_ms: int) -> bool:
        return now_ms - self._since[condition.code, finding.subject] >= condition.after_ms

    def _notice(self, condition: Condition, finding: Finding, now_ms: int) -> Notice:
        return Notice(
            code=condition.code,
            severity=condition.severity,
            subject=finding.subject,
            since_ago_ms=now_ms - self._since[condition.code, finding.subject],
            sentence=finding.sentence,
            next=finding.next,
        )


def _is_consequence(condition: Condition, finding: Finding, found: set[tuple[str, str]]) -> bool:
    """Whether a root cause holds, of the same subject or of the whole device.

    It hides the consequence from its first moment on, even while it is too young to be shown itself.
    """
    return any(
        code in condition.root_causes and (not subject or not finding.subject or subject == finding.subject)
        for code, subject in found
    )
