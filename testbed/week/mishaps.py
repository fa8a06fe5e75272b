"""What can go wrong in a week, and when: a script that can be written down.

| mishap         | what is done                                                     | until                      |
|----------------|------------------------------------------------------------------|----------------------------|
| power-cut      | SIGKILL, half a write is left in both logs, switched on again    | at once                    |
| disk-full      | no file grows beyond the length of the shorter log               | the end of the mishap      |
| disk-dead      | nothing at all can be written                                    | the end of the mishap      |
| card-full      | the board's card is really full: ENOSPC                          | room is made on it         |
| card-failed    | the card is read-only, files that are open too: EROFS            | power cut, checked, back in|
| clock-ahead    | somebody sets the wall clock a day ahead                         | it is put right at the end |
| clock-back     | or a day back                                                    | likewise                   |
| tier-gone      | all lines to miners and DSO are cut                              | the end of the mishap      |
| broker-gone    | the operator's broker is ended                                   | it is started again        |
| unplugged      | the meter's adapter is pulled out                                | it is plugged in again     |
| page-of-history| SIGKILL, a page of the history becomes rubbish, switched on again| at once                    |
| page-of-market | the same with orders, wallet and trusted headers                 | at once                    |

Written `KIND@INTERVAL+INTERVALS`, counted from the first interval of the run: `tier-gone@288+96`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from testbed.fleet.virtual_meters.script import Fault, FaultKind, Script

_FORM: Final = re.compile(r"([a-z-]+)@([0-9]+)(?:\+([0-9]+))?")


class Kind(Enum):
    """One kind of mishap."""

    POWER_CUT = "power-cut"
    DISK_FULL = "disk-full"
    DISK_DEAD = "disk-dead"
    CARD_FULL = "card-full"
    CARD_FAILED = "card-failed"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BACK = "clock-back"
    TIER_GONE = "tier-gone"
    BROKER_GONE = "broker-gone"
    UNPLUGGED = "unplugged"
    PAGE_OF_HISTORY = "page-of-history"
    PAGE_OF_MARKET = "page-of-market"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """Something that goes wrong.

    Attributes:
        kind: what.
        first: in the midst of which interval it begins, counted from the first of the run.
        intervals: how long it lasts; what is over at once lasts 0.
    """

    kind: Kind
    first: int
    intervals: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tier-gone@288+96`.

        Raises:
            ValueError: the text is not of this form; the sentence says what is.
        """
        match = _FORM.fullmatch(text)
        kinds = {kind.value: kind for kind in Kind}
        if match is None or match[1] not in kinds:
            raise ValueError(
                f"a mishap looks like tier-gone@288+96 (one of {', '.join(kinds)}), got {text!r}"
            )
        return cls(kind=kinds[match[1]], first=int(match[2]), intervals=int(match[3] or 0))

    def __str__(self) -> str:
        return f"{self.kind.value}@{self.first}" + (f"+{self.intervals}" if self.intervals else "")

    def begins_ms(self, first_ms: int, length_ms: int) -> int:
        """When it begins, UTC ms: in the middle of an interval, when nothing is quiet on purpose."""
        return first_ms + self.first * length_ms + length_ms // 2

    def ends_ms(self, first_ms: int, length_ms: int) -> int:
        """When it is over, UTC ms."""
        return self.begins_ms(first_ms, length_ms) + self.intervals * length_ms


WEEK: Final = tuple(
    map(
        Mishap.parse,
        (
            *("card-full@20+8", "power-cut@40", "power-cut@49", "power-cut@50", "card-failed@70+8"),
            *("disk-full@130+8", "disk-dead@150+8", "power-cut@170", "card-full@180+8", "card-failed@200+8"),
            *("clock-ahead@230+4", "clock-back@250+4"),
            *("tier-gone@288+96", "power-cut@330", "broker-gone@395+10", "power-cut@400"),
            *("unplugged@420+12", "power-cut@425"),
            *("page-of-history@500", "page-of-market@520"),
        ),
    )
)
"""Seven days of 96 intervals; the last one is quiet, so that everything can come back by itself."""
ON_CARD: Final = frozenset({Kind.CARD_FULL, Kind.CARD_FAILED})
"""What takes a card of the board's own, see `card.py`."""


def faults_of(mishaps: Iterable[Mishap], *, first_ms: int, length_ms: int, plugged_ms: int) -> Script:
    """The meter's part in it, on the meter's own time, which begins when it is plugged in."""
    return Script(
        Fault(
            kind=FaultKind.UNPLUG,
            start_ms=each.begins_ms(first_ms, length_ms) - plugged_ms,
            end_ms=each.ends_ms(first_ms, length_ms) - plugged_ms,
        )
        for each in mishaps
        if each.kind is Kind.UNPLUGGED
    )
