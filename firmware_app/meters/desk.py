"""The desk where what the buses read is judged, booked into intervals, and written down.

    a round came        judged by the meter's account; the reading and the intervals that it ends go to the store, and
                        the account with the intervals, in one batch: energy is neither lost nor booked twice
    a round failed      an event, the first time in a row; a gap of the readings is in the store from then on
    a reading is doubted an event, the first time in a row: how often in thirty days is known over restarts
    the time is known   what waited for it is booked

No I/O and no clock of its own: time comes with what is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware_app.config.schema import MeterSection, Role
from firmware_app.meters.tally import Tally
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import EventRow, IntervalRow, ReadingRow
from meter_io.account import AccountStateError, MeterAccount
from meter_io.bus.dialogue import Said
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import MeterError
from meter_io.guard.params import GuardParams
from meter_io.intervals import IntervalEnergy
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL
from meter_io.profiles.model import Profile
from meter_io.reading import MeterId, Moment, Quality, Reading, Sample

MISSED: Final = 3
"""Readings in a row without which nobody knows any more what the meter shows."""
SUSPECT: Final = "meter.suspect"
"""Event: a meter is not believed any more; its detail begins with the meter's name."""
_DOUBT_MS: Final = 30 * 86_400_000
_NEWEST_EVENTS: Final = 512
"""Among which doubtful times are looked for."""
_LOOK_UP_MS: Final = 3_600_000
_STRAIGHT_MS: Final = 60_000
_TRUST_GAP_MS: Final = 300_000

OnInterval = Callable[[Role, IntervalEnergy], None]


@dataclass(slots=True)
class _Desk:
    """One meter's place."""

    section: MeterSection
    account: MeterAccount | None = None
    reading: Reading | None = None
    """The newest."""
    good_ms: int | None = None
    """When the last good reading came, by the board's monotonic clock."""
    failures: int = 0
    """In a row."""
    error: str = ""
    """Why the last round failed; empty if it did not."""
    rounds: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStatus:
    """A meter for people and programs."""

    name: str
    role: Role
    reading: Reading | None
    poll_ms: int
    failures: int
    error: str
    rounds: int
    """Since the start."""
    counts: Mapping[str, int]
    """`rounds`, `damaged`, `unanswered` of the last hour, `read_ms` of the last round, `suspects` of thirty days."""
    last_suspect: str
    """The last time that a reading was not believed; empty if there was none."""


class MeterDesk:
    """All meters of the board."""

    def __init__(
        self,
        meters: tuple[MeterSection, ...],
        profiles: Mapping[str, Profile],
        store: DeviceStore,
        *,
        interval_s: int,
        on_interval: OnInterval,
        monotonic_ms: Callable[[], int],
    ) -> None:
        """Open a desk for each meter; what an earlier life left is taken up with its first reading.

        Args:
            profiles: meter -> what is known of its model.
            on_interval: is told of each interval that is over, once.
            monotonic_ms: the board's monotonic clock.
        """
        self._desks = {MeterId(meter.name): _Desk(meter) for meter in meters}
        self._profiles = profiles
        self._store = store
        self._interval_s = interval_s
        self._on_interval = on_interval
        self._monotonic_ms = monotonic_ms
        self._doubted: tuple[int, dict[str, list[str]]] | None = None
        """When it was looked up, and meter -> its doubtful times."""

    def is_measured(self) -> bool:
        """Whether the grid meter is to be believed now: its newest reading is good, and not old."""
        for desk in self._desks.values():
            if desk.section.role is Role.GRID:
                good = desk.reading is not None and desk.reading.quality is Quality.GOOD
                limit_ms = MISSED * max(desk.section.poll_ms, 1_000)
                return good and desk.good_ms is not None and self._monotonic_ms() - desk.good_ms <= limit_ms
        return False

    def hear(
        self, what: Round | Failed | Broken, moment: Moment, meters: tuple[MeterId, ...]
    ) -> Reading | None:
        """Take one report of a bus; return the reading that came of it.

        Args:
            moment: when it was.
            meters: all that hang on this bus: a broken port fails each of them.
        """
        match what:
            case Round(meter=meter, said=said):
                self._desks[meter].tally.took(self._monotonic_ms(), what.ended_ms - what.began_ms)
                return self._take(self._desks[meter], said, moment)
            case Failed(meter=meter, error=error):
                self._miss(self._desks[meter], error)
            case Broken(error=error):
                for meter in meters:
                    self._miss(self._desks[meter], error)
        return None

    def clock_known(self, utc_ms: int, monotonic_ms: int) -> None:
        """The time is known from now on: book what waited for it."""
        for desk in self._desks.values():
            if desk.account is not None:
                self._ended(desk, desk.account.clock_trusted(utc_ms, monotonic_ms))

    def status(self) -> tuple[MeterStatus, ...]:
        """How each meter fares."""
        now_ms = self._monotonic_ms()
        doubts = self._doubts(now_ms)
        return tuple(
            MeterStatus(
                name=meter,
                role=desk.section.role,
                reading=desk.reading,
                poll_ms=desk.section.poll_ms,
                failures=desk.failures,
                error=desk.error,
                rounds=desk.rounds,
                counts={**desk.tally.counts(now_ms), "suspects": len(doubts.get(meter, ()))},
                last_suspect=doubts.get(meter, ("",))[-1],
            )
            for meter, desk in self._desks.items()
        )

    def _doubts(self, now_ms: int) -> dict[str, list[str]]:
        """Meter -> why it was not believed, each time of the thirty days up to the newest event."""
        if self._doubted is None or now_ms - self._doubted[0] >= _LOOK_UP_MS:
            events = self._store.newest(EventRow, _NEWEST_EVENTS)
            since_ms = max((row.at_ms or 0 for row in events), default=0) - _DOUBT_MS
            found: dict[str, list[str]] = {}
            for row in events:
                if row.name == SUSPECT and (row.at_ms is None or row.at_ms >= since_ms):
                    meter, _, why = row.detail.partition(": ")
                    found.setdefault(meter, []).append(why)
            self._doubted = (now_ms, found)
        return self._doubted[1]

    def _doubt(self, reading: Reading) -> None:
        """From here on a meter is not believed: once for each time, however many readings it lasts."""
        self._store.event(SUSPECT, f"{reading.meter}: {reading.quality.value}: {reading.reason}")
        self._doubted = None

    def _take(self, desk: _Desk, said: Said, moment: Moment) -> Reading:
        meter = MeterId(desk.section.name)
        if desk.account is None:
            desk.account = self._account(desk.section, said)
        sample = Sample(meter=meter, moment=moment, model=said.model, values=said.values)
        entry = desk.account.judge(sample)
        before, desk.reading = desk.reading, entry.reading
        desk.rounds += 1
        if desk.failures:
            self._store.event("meter.back", f"{meter}: after {desk.failures} rounds without a reading")
        desk.failures, desk.error = 0, ""
        if entry.reading.quality is Quality.GOOD:
            desk.good_ms = self._monotonic_ms()
        elif entry.reading.quality is not Quality.FIRST and (
            before is None or before.quality is Quality.GOOD
        ):
            self._doubt(entry.reading)
        self._store.record(ReadingRow.of(entry.reading))
        self._ended(desk, entry.intervals)
        return entry.reading

    def _ended(self, desk: _Desk, intervals: tuple[IntervalEnergy, ...]) -> None:
        """Write intervals down with the account that they came out of, then tell of them."""
        if not intervals or desk.account is None:
            return
        self._store.keep(_kept(desk.section), desk.account.dump())
        self._store.record(*(IntervalRow.of(energy, interval_s=self._interval_s) for energy in intervals))
        for energy in intervals:
            self._on_interval(desk.section.role, energy)

    def _miss(self, desk: _Desk, error: MeterError) -> None:
        desk.tally.failed(self._monotonic_ms(), error)
        desk.failures += 1
        desk.error = error.sentence
        if desk.failures == 1:
            self._store.event("meter.silent", f"{desk.section.name}: {error.sentence}")

    def _account(self, section: MeterSection, said: Said) -> MeterAccount:
        """The account of a meter, as it was before the board's last start if it can be read."""
        profile = self._profiles[section.name]
        counters = (
            profile.counter(IMPORT_TOTAL) if IMPORT_TOTAL in said.values else None,
            profile.counter(EXPORT_TOTAL) if EXPORT_TOTAL in said.values else None,
        )
        if counters == (None, None):
            raise MeterError(
                f"{section.name} gives neither import nor export energy",
                hint="switch its extended data set on, or choose another profile",
            )
        gap_ms = max(_TRUST_GAP_MS, 2 * section.poll_ms)
        params = GuardParams(connection_w=section.connection_w, counters=counters, trust_gap_ms=gap_ms)
        straight_ms = max(_STRAIGHT_MS, section.poll_ms * 3 // 2)
        stored = self._store.kept(_kept(section))
        try:
            return self._fresh(section, params, straight_ms, stored)
        except AccountStateError as error:
            self._store.event("meter.account-lost", f"{section.name}: {error.sentence}; it begins anew")
            return self._fresh(section, params, straight_ms, None)

    def _fresh(
        self, section: MeterSection, params: GuardParams, straight_ms: int, stored: bytes | None
    ) -> MeterAccount:
        return MeterAccount(
            MeterId(section.name),
            params,
            interval_s=self._interval_s,
            straight_ms=straight_ms,
            stored=stored,
        )


def _kept(section: MeterSection) -> str:
    return f"account:{section.name}"


def by_port(meters: tuple[MeterSection, ...]) -> Mapping[str, tuple[MeterSection, ...]]:
    """The meters of each port, in the order of the document."""
    ports: dict[str, tuple[MeterSection, ...]] = {}
    for meter in meters:
        ports[meter.port] = (*ports.get(meter.port, ()), meter)
    return ports
