"""What a week of mishaps must never cost, each held against somebody else's record than the device's own.

| promise              | broken if                                                                                     |
|----------------------|-----------------------------------------------------------------------------------------------|
| no double offer      | the chain took two offers of one address; or more energy for an interval than flowed in it    |
| no lost trade        | a final trade of the chain is not on the device, or is another there; or it has one too many  |
| no untold gap        | an interval is missing, twice, or not measured without a reason; or no reading came for long  |
|                      | and no event says why                                                                         |
| no wrong energy      | an interval that counts as measured is not what flowed; where somebody set the clock, signed  |
|                      | time may be a minute off                                                                      |
| no lost report       | a day's report never reached the grid operator, or by it and the trades of its grants the     |
|                      | operator makes another sum of the day than the device                                         |
| no hand              | it did not offer again by itself soon after a mishap, did not come back to the broker, or did |
|                      | not end when it was asked to                                                                  |

The homes of the scenario live the same day again and again, and the device has learnt it to the joule: who offers more
than flows has counted something twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from light_client.rules.units import LOT_J, Side
from meter_io.span import Basis
from testbed.week.left import Left
from testbed.week.mishaps import Kind, Mishap

_TOLERANCE_J: Final = 72_000
"""A meter shows whole watt hours, and two clocks of a hurried run differ by some real milliseconds."""
_SIGNED_TIME_MS: Final = 60_000
"""How far signed time may be off: `[clock] rescue_spread_ms` as shipped."""
_SILENCE_MS: Final = 600_000
"""Readings come every half minute here; a start takes some minutes of the hurried time."""
_BACK_INTERVALS: Final = 12
"""So soon after a mishap the device has to offer again, intervals: a decision, a grant and a gate lie in between."""
_TELLING: Final = (
    *("meter.silent", "meter.back", "meter.account-lost"),
    *("store.cut-off", "store.failing", "store.resumed", "store.salvaged", "store.damaged"),
    *("clock.closed", "clock.jumped", "part.failed", "market.salvaged"),
)
_TOLD_INTERVALS: Final = 3
"""So soon after a mishap what it was is on record: a start takes some of the hurried time."""
_NOTHING_LOST: Final = "none that can be counted"


class Promise(NamedTuple):
    """One of them, and how it stands."""

    name: str
    checked: int
    """How many things were held against it."""
    broken: tuple[str, ...]
    """A sentence for each time."""


class Played(NamedTuple):
    """A mishap that happened."""

    mishap: Mishap
    begun_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What was played."""

    first: int
    last: int
    """Intervals of the run, inclusive."""
    interval_s: int
    mishaps: tuple[Played, ...]
    code: int
    """With which the device ended when it was asked to."""
    missed: tuple[str, ...] = ()
    """Mishaps of the broker after which the device never came back to it, as a watcher there heard it."""

    @property
    def length_ms(self) -> int:
        """Of an interval."""
        return self.interval_s * 1_000


def promises(left: Left, week: Week) -> tuple[Promise, ...]:
    """All promises."""
    return (
        Promise("no double offer", len(left.posted), tuple(_offered_twice(left))),
        Promise("no lost trade", len(left.trades), tuple(_other_trades(left, week))),
        Promise("no untold gap", len(left.intervals), tuple(_untold_gaps(left, week))),
        Promise("no wrong energy", _measured(left), tuple(_wrong_energies(left, week))),
        Promise("no lost report", len(left.days), tuple(_other_days(left))),
        Promise("no hand", len(week.mishaps), tuple(_hands(left, week))),
    )


def _offered_twice(left: Left) -> Iterable[str]:
    by_address = Counter(offer.address for _, offer in left.posted)
    yield from (f"address {one.hex()} made {count} offers" for one, count in by_address.items() if count > 1)
    offered: Counter[tuple[Side, int]] = Counter()
    for _, offer in left.posted:
        ((first, last),) = offer.ranges
        if first != last:
            yield f"offer {offer.offer_id} is for {first} to {last}, and there is no battery"
        offered[offer.side, first] += offer.remaining_j
    for (side, interval), energy_j in sorted(offered.items()):
        import_j, export_j = left.flows.get(interval, (0, 0))
        flowed_j = export_j if side is Side.SELL else import_j
        if energy_j > flowed_j + LOT_J:
            yield f"interval {interval}: {energy_j} J offered ({side.name}), {flowed_j} J flowed"


def _other_trades(left: Left, week: Week) -> Iterable[str]:
    """Trades that chain and device do not agree about; those of the very end may still be on their way."""
    final = {(one.offer_id, one.interval): (one.energy_j, one.amount_uc) for one in left.trades}
    for (offer, interval), what in final.items():
        known = left.known_trades.get((offer, interval))
        if known is None and interval < week.last:
            yield f"trade of offer {offer} in interval {interval} is on no record"
        elif known not in (None, what):
            yield f"trade of offer {offer} in interval {interval} is {known} on record, {what} on the chain"
    for offer, interval in left.known_trades.keys() - final.keys():
        yield f"trade of offer {offer} in interval {interval} is on record, and not on the chain"


def _untold_gaps(left: Left, week: Week) -> Iterable[str]:
    rows = {row.interval: row for row in left.intervals}
    if len(rows) != len(left.intervals):
        yield f"{len(left.intervals) - len(rows)} intervals were counted twice"
    if _is_excused(left, "intervals"):
        return
    for interval in range(week.first, week.last):
        row = rows.get(interval)
        if row is None:
            yield f"interval {interval} is missing"
        elif row.basis is not Basis.MEASURED and not row.reason:
            yield f"interval {interval} is {row.basis.value}, and nothing says why"
    if not _is_excused(left, "readings"):
        yield from _silences(left, week)


def _silences(left: Left, week: Week) -> Iterable[str]:
    """Stretches without a reading that no event lies in, or close to."""
    told = sorted(one.at_ms for one in left.events if one.at_ms is not None and one.name in _TELLING)
    begin_ms, end_ms = week.first * week.length_ms, week.last * week.length_ms
    readings = [begin_ms, *(at_ms for at_ms in left.readings_ms if begin_ms < at_ms < end_ms), end_ms]
    for before_ms, after_ms in pairwise(readings):
        if after_ms - before_ms > _SILENCE_MS and not _any_in(
            told, before_ms - week.length_ms, after_ms + week.length_ms
        ):
            yield f"no reading for {(after_ms - before_ms) // 1_000} s from {before_ms} on, and nothing says why"


def _any_in(times_ms: Sequence[int], from_ms: int, to_ms: int) -> bool:
    at = bisect_right(times_ms, from_ms)
    return at < len(times_ms) and times_ms[at] <= to_ms


def _is_excused(left: Left, table: str) -> bool:
    """Whether a salvage is on record that says that rows of this kind are missing."""
    told = (one.detail.partition("lost at least: ")[2] for one in left.events if one.name == "store.salvaged")
    return any(table in lost and _NOTHING_LOST not in lost for lost in told)


def _measured(left: Left) -> int:
    return sum(row.basis is Basis.MEASURED for row in left.intervals)


def _wrong_energies(left: Left, week: Week) -> Iterable[str]:
    doubtful = set(_with_a_set_clock(week))
    for row in left.intervals:
        true = left.flows.get(row.interval)
        if true is None or row.basis is not Basis.MEASURED:
            continue
        for what, told_j, true_j in zip(
            ("import", "export"), (row.import_j, row.export_j), true, strict=True
        ):
            shift_j = true_j * _SIGNED_TIME_MS // week.length_ms if row.interval in doubtful else 0
            if told_j is None or abs(told_j - true_j) > _TOLERANCE_J + shift_j:
                yield f"interval {row.interval}: {what} of {told_j} J measured, {true_j} J flowed"


def _other_days(left: Left) -> Iterable[str]:
    for day, theirs, ours in left.days:
        if theirs is None:
            yield f"the report of day {day} never reached the operator"
        elif ours is None and not _is_excused(left, "settlements"):
            yield f"day {day} is not added up on the device"
        elif ours is not None and ours != theirs:
            yield f"day {day}: the device has {ours}, the operator {theirs}"


def _with_a_set_clock(week: Week) -> Iterable[int]:
    """Intervals in which the time may rest on nothing better than headers that were signed a while ago."""
    for played in week.mishaps:
        if played.mishap.kind in (Kind.CLOCK_AHEAD, Kind.CLOCK_BACK):
            yield from range(played.begun_ms // week.length_ms, played.ended_ms // week.length_ms + 2)


def _hands(left: Left, week: Week) -> Iterable[str]:
    if week.code != 0:
        yield f"the device ended with {week.code} when it was asked to end"
    yield from (f"after {mishap} it never came back to the broker" for mishap in week.missed)
    for played in week.mishaps:
        after = back_after(left, week, played)
        rest = week.last - played.ended_ms // week.length_ms
        if after is None and rest > _BACK_INTERVALS:
            yield f"after {played.mishap} it never offered again"
        elif after is not None and after > _BACK_INTERVALS and not _overtaken(week, played, after):
            yield f"after {played.mishap} it took {after} intervals to offer again"


def back_after(left: Left, week: Week, played: Played) -> int | None:
    """How many intervals after the end of a mishap the chain took an offer of the device again; None: never."""
    later = [at_ms for at_ms, _ in left.posted if at_ms >= played.ended_ms]
    return (min(later) - played.ended_ms) // week.length_ms if later else None


def on_record(left: Left, week: Week, played: Played) -> tuple[str, ...]:
    """Names of events from the beginning of a mishap to soon after its end, in the order of the alphabet."""
    until_ms = played.ended_ms + _TOLD_INTERVALS * week.length_ms
    events = (one for one in left.events if one.at_ms is not None and played.begun_ms <= one.at_ms < until_ms)
    return tuple(sorted({event.name for event in events}))


def _overtaken(week: Week, played: Played, intervals: int) -> bool:
    """Whether another mishap held it up meanwhile."""
    until_ms = played.ended_ms + intervals * week.length_ms
    return any(
        other.begun_ms < until_ms and played.ended_ms < other.ended_ms + week.length_ms
        for other in week.mishaps
        if other is not played
    )
