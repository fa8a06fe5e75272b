"""A home with an electricity meter: what truly flows there, what the meter says, and whether it is to be believed.

The meter stands behind a wire without I/O and is read as a board reads it: bus scheduler, parser, counter guard,
interval book. Nothing is read ahead: the wire is run up to the moment at which somebody asks.

When is a home *suspect*? From the arrival of a reading that is not good, or from the moment at which three readings in
a row are missing, until the next good reading. At the beginning nothing is known, and so it is suspect, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from meter_io.account import Entry, MeterAccount
from meter_io.guard import EXPORT_WH, IMPORT_WH, GuardParams
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId, Quality
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.lone import polled_wire, pushing_wire
from testbed.fleet.virtual_meters.script import Script
from testbed.fleet.virtual_meters.watch import Breach, Watch
from testbed.scenarios.metering import MeterProtocol

MISSED: Final = 3
"""Readings in a row without which nobody knows any more what the meter shows."""
_REPLY_MS: Final = 1_000
_LEAST_CONNECTION_W: Final = 65_000

NewAccount = Callable[[MeterId, GuardParams, int, int], MeterAccount]
"""Makes the account of a meter: name, guard, length of an interval (s), longest straight line (ms)."""


def guarded(meter: MeterId, params: GuardParams, interval_s: int, straight_ms: int) -> MeterAccount:
    """The account that a board keeps."""
    return MeterAccount(meter, params, interval_s=interval_s, straight_ms=straight_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """How one home is metered.

    Attributes:
        protocol: what its meter speaks; not MIXED.
        every_ms: from one reading to the next.
        faults: of meter and line, in ms since the household's beginning.
        port: of the adapter, likewise.
        seed: of the noise on the line.
        account: makes the account.
    """

    protocol: MeterProtocol
    every_ms: int
    faults: Script
    port: Script
    seed: int
    account: NewAccount = guarded


@dataclass(slots=True)
class _Diary:
    """What the readings said so far."""

    good_ms: int | None = None
    intervals: dict[int, IntervalEnergy] = field(default_factory=dict)
    doubts: list[tuple[int, int]] = field(default_factory=list)
    since_ms: int | None = 0


class MeteredHome:
    """The meter of one home and its reader."""

    def __init__(self, name: str, household: Household, metering: Metering) -> None:
        self._start_ms = household.start_ms
        self._every_ms = metering.every_ms
        self._diary = _Diary()
        most_w = max(map(abs, household.net_j), default=0) * 1_000 // household.interval_ms
        params = GuardParams(
            connection_w=max(_LEAST_CONNECTION_W, 3 * most_w),
            counters=(IMPORT_WH, EXPORT_WH),
            needs_power=True,
        )
        interval_s = household.interval_ms // 1_000
        straight_ms = max(60_000, metering.every_ms * 3 // 2)
        self.watch = Watch(
            display=Display(household=household, script=metering.faults),
            port=metering.port,
            params=params,
            account=metering.account(MeterId(name), params, interval_s, straight_ms),
            every_ms=metering.every_ms,
            limit_ms=_REPLY_MS,
            on_entry=self._take,
        )
        if metering.protocol is MeterProtocol.MODBUS_RTU:
            self._wire = polled_wire(self.watch, seed=metering.seed)
        else:
            self._wire = pushing_wire(self.watch, metering.protocol.value, seed=metering.seed)

    def is_measured(self, utc_ms: int) -> bool:
        """Whether the meter is to be believed at a moment not before the last one that was asked about."""
        self.read_until(utc_ms)
        return self._diary.since_ms is None

    def finish(self, utc_ms: int) -> None:
        """Read until the end, and hold what was read against the truth."""
        self.read_until(utc_ms)
        since_ms = self._diary.since_ms
        if since_ms is not None:
            self._diary.doubts.append((since_ms + self._start_ms, utc_ms))
        self.watch.finish(utc_ms - self._start_ms)

    @property
    def intervals(self) -> dict[int, IntervalEnergy]:
        """Number -> what was counted in an interval that is over."""
        return self._diary.intervals

    @property
    def doubts(self) -> tuple[tuple[int, int], ...]:
        """When the home was suspect: from, until, UTC ms. The first one ends with its first good reading."""
        return tuple(self._diary.doubts)

    @property
    def halts(self) -> tuple[tuple[int, int], ...]:
        """When the home was suspect after its first good reading: from, until, UTC ms."""
        return self.doubts[1:]

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """Where reader and truth differ by more than they may."""
        return tuple(self.watch.breaches)

    def read_until(self, utc_ms: int) -> None:
        """Read up to a moment; nothing where that was done already."""
        now_ms = utc_ms - self._start_ms
        if now_ms > self._wire.now_ms:
            self._wire.run_until(now_ms)
        self._miss(now_ms)

    def _miss(self, now_ms: int) -> None:
        """Begin to doubt when readings are missing."""
        diary = self._diary
        if diary.since_ms is None and diary.good_ms is not None:
            over_ms = diary.good_ms + MISSED * self._every_ms
            if now_ms > over_ms:
                diary.since_ms = over_ms

    def _take(self, entry: Entry, now_ms: int) -> None:
        self._miss(now_ms)
        diary, quality = self._diary, entry.reading.quality
        for interval in entry.intervals:
            diary.intervals[interval.interval] = interval
        if quality is not Quality.GOOD:
            diary.since_ms = now_ms if diary.since_ms is None else diary.since_ms
            return
        diary.good_ms = now_ms
        if diary.since_ms is not None:
            diary.doubts.append((diary.since_ms + self._start_ms, now_ms + self._start_ms))
            diary.since_ms = None
