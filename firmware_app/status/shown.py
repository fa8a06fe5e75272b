"""What is shown at the moment: the newest snapshot and its age. The device puts it in, page and socket take it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_app.status.document import to_document
from firmware_app.status.health import Health
from firmware_app.status.snapshot import SCHEMA, Snapshot


class Shown:
    """Holds the newest snapshot.

    The device calls `update` about once a second; if it hangs, what it said last goes on being shown, with its age.
    """

    def __init__(self, monotonic_ms: Callable[[], int], health: Health | None = None) -> None:
        """Begin with nothing to show."""
        self._monotonic_ms = monotonic_ms
        self._health = health or Health()
        self._snapshot: Snapshot | None = None
        self.problem = "the service is starting"
        """Why there is no snapshot."""

    def update(self, snapshot: Snapshot) -> Snapshot:
        """Show a snapshot, with the notices that follow from it; returns it as it is shown."""
        self._snapshot = self._health.look(snapshot)
        return self._snapshot

    def fail(self, problem: str) -> None:
        """Say why no snapshot can be made; the last one goes on being shown."""
        self.problem = problem

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one; None before the first."""
        return self._snapshot

    @property
    def age_ms(self) -> int:
        """How old it is; 0 before the first."""
        return 0 if self._snapshot is None else self._monotonic_ms() - self._snapshot.made_monotonic_ms

    def document(self) -> dict[str, Any] | None:
        """The newest snapshot as `gridlight.status/1`, with its age; None before the first."""
        if self._snapshot is None:
            return None
        return {"schema": SCHEMA, "age_ms": self.age_ms, **to_document(self._snapshot)}
