"""What can become of one device in one rollout, as a table; and which turn its own words amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Final

from firmware_app.fleet.memory import Phase


class Outcome(StrEnum):
    """Where a device stands in a rollout."""

    WAITING = "waiting"
    """Its wave has not begun: nothing was sent."""
    SENT = "sent"
    """The bundle lies in its topic, and it was connected; it has said nothing of it yet."""
    AWAY = "away"
    """The bundle lies in its topic; it is not connected, and takes it up when it comes back."""
    APPLYING = "applying"
    """It has taken the bundle up and must show that it is well with it."""
    HEALTHY = "healthy"
    """It keeps the configuration."""
    ROLLED_BACK = "rolled back"
    """It went back to the configuration before, by itself."""
    REFUSED = "refused"
    """It does not take the bundle: a rule is against it."""
    LOST = "lost"
    """It was connected when its turn came, and has not shown in time what became of it: counts as failed."""
    WITHDRAWN = "withdrawn"
    """The rollout ended before it took the bundle; nothing lies in its topic any more."""


class Turn(Enum):
    """What happens to a device."""

    REACHED = auto()
    """Its wave begins, and it is connected."""
    REACHED_AWAY = auto()
    """Its wave begins, and it is not."""
    CAME = auto()
    """It connects."""
    TOOK = auto()
    """It reports that it takes the bundle over."""
    PROVED = auto()
    """It reports that it keeps the configuration."""
    WENT_BACK = auto()
    """It reports that it rolled the bundle back."""
    REFUSED = auto()
    """It reports that it refuses the bundle."""
    OVERDUE = auto()
    """Its time is over."""
    ENDED = auto()
    """The rollout was aborted, or the bundle has expired."""


_O, _T = Outcome, Turn

TRANSITIONS: Final[Mapping[tuple[Outcome, Turn], Outcome]] = {
    (_O.WAITING, _T.REACHED): _O.SENT,
    (_O.WAITING, _T.REACHED_AWAY): _O.AWAY,
    (_O.WAITING, _T.ENDED): _O.WITHDRAWN,
    (_O.AWAY, _T.CAME): _O.SENT,
    (_O.AWAY, _T.ENDED): _O.WITHDRAWN,
    (_O.SENT, _T.ENDED): _O.WITHDRAWN,
    (_O.SENT, _T.OVERDUE): _O.LOST,
    (_O.APPLYING, _T.OVERDUE): _O.LOST,
    # Whatever was thought of it: its own word holds, also when it comes late, or by a stick.
    **{
        (before, turn): after
        for before in (_O.WAITING, _O.SENT, _O.AWAY, _O.APPLYING, _O.LOST, _O.WITHDRAWN, _O.REFUSED)
        for turn, after in (
            (_T.TOOK, _O.APPLYING),
            (_T.PROVED, _O.HEALTHY),
            (_T.WENT_BACK, _O.ROLLED_BACK),
            (_T.REFUSED, _O.REFUSED),
        )
        if (before, turn) not in {(_O.WAITING, _T.TOOK), (_O.APPLYING, _T.TOOK), (_O.REFUSED, _T.REFUSED)}
    },
}
"""Everything else is not for this outcome, and changes nothing."""

FAILED: Final = frozenset({Outcome.ROLLED_BACK, Outcome.REFUSED, Outcome.LOST})
"""What the abort threshold counts."""
OPEN: Final = frozenset({Outcome.SENT, Outcome.AWAY, Outcome.APPLYING, Outcome.LOST})
"""The bundle has to lie in the device's topic."""
PENDING: Final = frozenset({Outcome.SENT, Outcome.APPLYING})
"""A wave waits for these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was heard last of a device, as far as rollouts ask."""

    connected: bool = False
    hash: str = ""
    """Of the bundle that it runs by, hexadecimal."""
    next_hash: str = ""
    phase: str = ""
    failed_hash: str = ""
    failed_reason: str = ""
    refused_hash: str = ""
    refused_reason: str = ""
    fetching_hash: str = ""
    """Of the bundle whose files it fetches."""

    def turn(self, bundle: str) -> tuple[Turn, str] | None:
        """What it amounts to for a bundle, with the reason; None where it says nothing of it."""
        if self.next_hash == bundle:
            return Turn.TOOK, ""
        if self.hash == bundle:
            return Turn.PROVED, ""
        if self.failed_hash == bundle:
            return Turn.WENT_BACK, self.failed_reason
        if self.refused_hash == bundle:
            return Turn.REFUSED, self.refused_reason
        return None


def sight_of(reported: Mapping[str, Any], *, connected: bool) -> Sight:
    """Read a reported document whose form was checked."""

    def part(name: str, key: str) -> str:
        found = reported.get(name)
        return str(found.get(key) or "") if isinstance(found, Mapping) else ""

    return Sight(
        connected=connected,
        hash=part("version", "hash"),
        next_hash=part("next", "hash") if reported.get("state") != Phase.SETTLED else "",
        phase=str(reported.get("state") or ""),
        failed_hash=part("failed", "hash"),
        failed_reason=part("failed", "reason"),
        refused_hash=str(reported.get("last_refused") or ""),
        refused_reason=str(reported.get("last_refusal") or ""),
        fetching_hash=str(reported.get("fetching") or ""),
    )
