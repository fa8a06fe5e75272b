"""The one script of what goes wrong in a fleet, the same in every mode: lines of `HOME:KIND@SECOND+DURATION`.

    101:down@43200+1800     from noon on the board of home 101 has no power for half an hour
    102:cut@46800+900       home 102 has no network
    102:reset@47700+60      its board begins anew, and should be back within a minute; nobody waits for it
    103:silence@50400+600   the meter of home 103 says nothing; every accident of a virtual meter has its name here

Seconds count from midnight of the day that is traded, in its own time. `#` begins a remark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

from testbed.cast import Cast
from testbed.fleet.virtual_meters.script import Fault, FaultKind, Script
from testbed.network.faults import Crash, Faults, Partition
from testbed.scenarios.model import DAY_S

_LONGEST_S: Final = 1_800
_DRAWN_METER: Final = (FaultKind.SILENCE, FaultKind.NOISE, FaultKind.FALSE_ZERO, FaultKind.TRUNCATED)
"""Accidents of meters that a drawn script has: each is over by itself, and forgiven by the guard soon after."""


class Kind(Enum):
    """What happens to a board."""

    DOWN = "down"
    """It loses power, without a warning, and starts again from its storage."""
    CUT = "cut"
    """It loses its network."""
    RESET = "reset"
    """It begins anew at once, without a warning."""


LETHAL: Final = frozenset({Kind.DOWN, Kind.RESET})
"""After these a board lives another life."""


class FaultScriptError(Exception):
    """The script cannot be played; one sentence that says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFault:
    """One accident of a board.

    Attributes:
        home_id: whose.
        kind: what.
        start_ms, end_ms: from when until when, ms since midnight.
    """

    home_id: int
    kind: Kind
    start_ms: int
    end_ms: int

    def __str__(self) -> str:
        length_ms = self.end_ms - self.start_ms
        return f"{self.home_id}:{self.kind.value}@{self.start_ms / 1_000:g}+{length_ms / 1_000:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetScript:
    """Everything that goes wrong.

    Attributes:
        boards: accidents of boards, in the order of their beginnings.
        meters: home -> accidents of its meter.
    """

    boards: tuple[BoardFault, ...] = ()
    meters: tuple[tuple[int, Fault], ...] = ()

    @classmethod
    def parse(cls, text: str, homes: Iterable[int]) -> FleetScript:
        """Read a script.

        Args:
            homes: those that there are.

        Raises:
            FaultScriptError: a line is of another form, or names a home that is not there.
        """
        known, boards, meters = set(homes), list[BoardFault](), list[tuple[int, Fault]]()
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].strip()
            if not words:
                continue
            home, _, what = words.partition(":")
            if not home.isdecimal() or int(home) not in known:
                homes_ = ", ".join(map(str, sorted(known)[:8]))
                raise FaultScriptError(f"line {number}: there is no home {home!r}, only {homes_}, ...")
            boards_fault = _board_fault(number, int(home), what)
            if boards_fault is not None:
                boards.append(boards_fault)
            else:
                meters.append((int(home), _meter_fault(number, what)))
        boards.sort(key=lambda fault: fault.start_ms)
        return cls(boards=tuple(boards), meters=tuple(meters))

    @classmethod
    def drawn(cls, seed: int, homes: Iterable[int], *, from_ms: int, to_ms: int) -> FleetScript:
        """One accident of each home, board or meter in turn, at a time drawn from a seed.

        Args:
            from_ms, to_ms: within which all of it happens, ms since midnight.
        """
        chance = Random(f"{seed}/boards")  # noqa: S311 - a test wants repeatable chance
        boards, meters = list[BoardFault](), list[tuple[int, Fault]]()
        longest_ms = min(_LONGEST_S * 1_000, (to_ms - from_ms) // 4)
        for place, home_id in enumerate(homes):
            start_ms = chance.randrange(from_ms, to_ms - longest_ms)
            end_ms = start_ms + longest_ms // 2 + chance.randrange(longest_ms // 2)
            match place % 3:
                case 0 | 1 as which:
                    kind = (Kind.DOWN, Kind.CUT)[which]
                    boards.append(BoardFault(home_id=home_id, kind=kind, start_ms=start_ms, end_ms=end_ms))
                case _:
                    accident = Fault(kind=chance.choice(_DRAWN_METER), start_ms=start_ms, end_ms=end_ms)
                    meters.append((home_id, accident))
        boards.sort(key=lambda fault: fault.start_ms)
        return cls(boards=tuple(boards), meters=tuple(meters))

    def lines(self) -> Iterator[str]:
        """The script again."""
        yield from map(str, self.boards)
        yield from (f"{home_id}:{fault}" for home_id, fault in self.meters)

    def of_meter(self, home_id: int, *, shift_ms: int) -> Script:
        """What happens to one meter.

        Args:
            shift_ms: from midnight to the moment that the meter's own script counts from.
        """
        return Script(
            Fault(kind=fault.kind, start_ms=max(0, fault.start_ms - shift_ms), end_ms=fault.end_ms - shift_ms)
            for home, fault in self.meters
            if home == home_id and fault.end_ms > shift_ms
        )

    def simulated(self, cast: Cast) -> Faults:
        """What happens to the boards, as the simulation plays it."""
        names = {home_id: name for name, home_id in cast.meter_names.items()}
        midnight = midnight_ms(cast)
        everybody = frozenset((*cast.miner_names, *cast.solver_names, "dso"))
        crashes = tuple(
            Crash(
                node=names[fault.home_id],
                at_ms=midnight + fault.start_ms,
                down_ms=fault.end_ms - fault.start_ms,
            )
            for fault in self.boards
            if fault.kind in LETHAL
        )
        cuts = tuple(
            Partition(
                groups=(frozenset({names[fault.home_id]}), everybody),
                from_ms=midnight + fault.start_ms,
                to_ms=midnight + fault.end_ms,
            )
            for fault in self.boards
            if fault.kind is Kind.CUT
        )
        return Faults(crashes=crashes, partitions=cuts)


def midnight_ms(cast: Cast) -> int:
    """When the day begins that the scenario, or the part of it that is played, belongs to, UTC ms."""
    scenario = cast.scenario
    return scenario.first_interval * scenario.interval_s // DAY_S * DAY_S * 1_000


def _board_fault(number: int, home_id: int, what: str) -> BoardFault | None:
    """A board's accident, or None for a word that is no kind of these."""
    word, _, when = what.partition("@")
    if word not in {kind.value for kind in Kind}:
        return None
    times = _parsed(number, f"{FaultKind.SILENCE.value}@{when}", what)
    return BoardFault(home_id=home_id, kind=Kind(word), start_ms=times.start_ms, end_ms=times.end_ms)


def _meter_fault(number: int, what: str) -> Fault:
    return _parsed(number, what, what)


def _parsed(number: int, text: str, shown: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        kinds = ", ".join(kind.value for kind in (*Kind, *FaultKind))
        raise FaultScriptError(
            f"line {number}: {shown!r} is not KIND@SECOND+DURATION with a kind of {kinds}"
        ) from error
