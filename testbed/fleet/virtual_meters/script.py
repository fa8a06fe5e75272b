"""What goes wrong with a virtual meter, and when: a timeline that can be written down, or drawn from a seed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from testbed.scenarios.chance import Chance


class FaultKind(Enum):
    """One thing that goes wrong."""

    UNPLUG = "unplug"
    """The port disappears with its name, and comes back under the same one."""
    RENUMBER = "renumber"
    """The port disappears, and comes back at once as another device behind the same stable name."""
    SILENCE = "silence"
    """The meter says nothing."""
    NOISE = "noise"
    """Bits flip on the wire."""
    LATE = "late"
    """Answers come later than a reader waits for them."""
    TRUNCATED = "truncated"
    """Answers break off in the middle."""
    WRONG_SLAVE = "wrong-slave"
    """Another address answers (Modbus)."""
    RESET = "reset"
    """Both counters start again from 0, for good."""
    FALSE_ZERO = "false-zero"
    """Both counters read 0 for a while."""
    FROZEN = "frozen"
    """The counters stand for a while, then show what they counted meanwhile."""
    BACK_STEP = "back-step"
    """The counters read 0.1 kWh less for a while."""
    JUMP = "jump"
    """The counters read 777 kWh more for a while."""
    SCALED = "scaled"
    """The counters read a thousandfold for a while."""
    WRONG_SIGN = "wrong-sign"
    """Power has the wrong sign for a while."""


WIRE: Final = frozenset(
    (FaultKind.SILENCE, FaultKind.NOISE, FaultKind.LATE, FaultKind.TRUNCATED, FaultKind.WRONG_SLAVE)
)
"""Those that only delay or damage bytes."""
PORT: Final = frozenset((FaultKind.UNPLUG, FaultKind.RENUMBER))
"""Those of the adapter, and so of every meter behind it."""
_LONGEST_MS: Final = {FaultKind.BACK_STEP: 60_000, FaultKind.JUMP: 60_000}
"""What lasts longer than this is no accident any more: the counter has caught up, or counts on from there."""
_FORM: Final = re.compile(r"([a-z-]+)@([0-9]+(?:\.[0-9]+)?)(?:\+([0-9]+(?:\.[0-9]+)?))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        kind: what.
        start_ms: from when, milliseconds since the script's beginning.
        end_ms: until when, not included; a RESET lasts whatever it says.
    """

    kind: FaultKind
    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_ms < self.end_ms:
            raise ValueError(
                f"a fault begins at 0 or later and then ends, got {self.start_ms}, {self.end_ms}"
            )

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `false-zero@60+30`: at 60 s for 30 s; without a duration, for 1 s.

        Raises:
            ValueError: the text is not of this form; the sentence says what is.
        """
        match = _FORM.fullmatch(text)
        kinds = {kind.value: kind for kind in FaultKind}
        if match is None or match[1] not in kinds:
            raise ValueError(f"a fault looks like false-zero@60+30 (one of {', '.join(kinds)}), got {text!r}")
        start_ms, length_ms = (round(float(part or "1") * 1_000) for part in match.groups()[1:])
        return cls(kind=kinds[match[1]], start_ms=start_ms, end_ms=start_ms + max(1, length_ms))

    def __str__(self) -> str:
        return f"{self.kind.value}@{self.start_ms / 1_000:g}+{(self.end_ms - self.start_ms) / 1_000:g}"


class Script:
    """All faults of one meter, by kind."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.start_ms))
        self._by_kind = {
            kind: tuple(fault for fault in self.faults if fault.kind is kind) for kind in FaultKind
        }

    def active(self, kind: FaultKind, at_ms: int) -> Fault | None:
        """The fault of a kind that holds at an instant, or None."""
        for fault in self._by_kind[kind]:
            if fault.start_ms <= at_ms < fault.end_ms:
                return fault
        return None

    def latest(self, kind: FaultKind, at_ms: int) -> Fault | None:
        """The last fault of a kind that has begun, over or not."""
        begun = [fault for fault in self._by_kind[kind] if fault.start_ms <= at_ms]
        return begun[-1] if begun else None

    def touches(self, start_ms: int, end_ms: int) -> bool:
        """Whether anything is wrong between two instants."""
        return any(fault.start_ms < end_ms and start_ms < fault.end_ms for fault in self.faults)


def random_script(
    seed: int, kinds: Iterable[FaultKind], *, duration_ms: int, faults: int, rest_ms: int = 1_800_000
) -> Script:
    """Draw faults one after the other, spread over a time, with at least `rest_ms` between them to recover.

    Args:
        seed: the same one gives the same script.
        kinds: to choose from.
        duration_ms: length of the whole.
        faults: how many.
        rest_ms: quiet time after each.
    """
    chance, choices = Chance(seed), sorted(kinds, key=lambda kind: kind.value)
    slot_ms = duration_ms // max(1, faults)
    longest_ms = min(900_000, slot_ms - rest_ms)
    if longest_ms < 1_000:
        raise ValueError(f"{faults} faults do not fit into {duration_ms} ms with {rest_ms} ms of rest")
    drawn = []
    for number in range(faults):
        kind = choices[chance.below(len(choices), "kind", number)]
        most_ms = min(longest_ms, _LONGEST_MS.get(kind, longest_ms))
        length_ms = 1_000 + chance.below(most_ms - 999, "length", number)
        free_ms = slot_ms - rest_ms - length_ms
        start_ms = number * slot_ms + chance.below(free_ms + 1, "start", number)
        drawn.append(Fault(kind=kind, start_ms=start_ms, end_ms=start_ms + length_ms))
    return Script(drawn)
