"""Twenty virtual meters on four buses, random faults, and weeks of virtual time: what it takes to believe the reader.

Two buses are RS-485 lines with nine Modbus slaves each, one is a P1 port, one an SML head. Reader, scheduler, parsers,
guard and intervals are those of the device; the meters are encoded independently; nothing runs but a virtual clock.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import meter_io.profiles
from meter_io.account import MeterAccount
from meter_io.bus.events import Broken, Failed, Round
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll
from meter_io.bus.timing import BusTiming
from meter_io.guard import EXPORT_WH, IMPORT_WH, GuardParams
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.profiles.load import find
from meter_io.reading import MeterId
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.line import FaultyLine
from testbed.fleet.virtual_meters.lone import MODBUS_PROFILE, pushing_wire
from testbed.fleet.virtual_meters.modbus_slave import Layout, ModbusSlave
from testbed.fleet.virtual_meters.script import PORT, FaultKind, Script, random_script
from testbed.fleet.virtual_meters.watch import Breach, Watch
from testbed.fleet.virtual_meters.wire import Member, Report, Wire

START_MS: Final = 1_799_971_200_000
"""A midnight, UTC."""
DAY_MS: Final = 86_400_000
_LIMIT_MS: Final = 1_000
_GUARD: Final = GuardParams(counters=(IMPORT_WH, EXPORT_WH), needs_power=True)
_TELEGRAM_KINDS: Final = frozenset(FaultKind) - PORT - {FaultKind.WRONG_SLAVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakReport:
    """What a soak found.

    Attributes:
        days: of virtual time.
        meters: how many.
        buses: how many.
        faults: how many of each kind were played.
        readings: how many of each quality.
        intervals: how many were measured, estimated, unknown.
        failures: rounds that brought nothing.
        worst_delay_ms: longest that a meter with nothing wrong was overdue.
        breaches: promises that were not kept.
    """

    days: int
    meters: int
    buses: int
    faults: Counter[str]
    readings: Counter[str]
    intervals: Counter[str]
    failures: int
    worst_delay_ms: int
    breaches: tuple[Breach, ...]


class Soak:
    """One soak, built from its seed."""

    def __init__(
        self,
        *,
        days: int,
        seed: int = 1,
        faults_per_day: int = 4,
        every_ms: int = 30_000,
        slaves: int = 9,
    ) -> None:
        self.days = days
        self._seed = seed
        self._per_day = faults_per_day
        self._every_ms = every_ms
        self._slaves = slaves
        self._scripts: list[Script] = []
        self._watches: list[Watch] = []
        self.wires = [self._modbus(0), self._modbus(1), self._telegrams(2), self._telegrams(3)]

    def run(self, progress: Callable[[int], None] | None = None) -> SoakReport:
        """Let the days pass; `progress` is told of each."""
        for day in range(1, self.days + 1):
            for wire in self.wires:
                wire.run_until(day * DAY_MS)
            if progress is not None:
                progress(day)
        for watch in self._watches:
            watch.finish(self.days * DAY_MS)
        faults = Counter(fault.kind.value for script in self._scripts for fault in script.faults)
        readings: Counter[str] = Counter()
        intervals: Counter[str] = Counter()
        for watch in self._watches:
            readings.update({quality.value: count for quality, count in watch.qualities.items()})
            intervals.update({basis.value: count for basis, count in watch.intervals.items()})
        return SoakReport(
            days=self.days,
            meters=len(self._watches),
            buses=len(self.wires),
            faults=faults,
            readings=readings,
            intervals=intervals,
            failures=sum(watch.failures for watch in self._watches),
            worst_delay_ms=max(watch.worst_delay_ms for watch in self._watches),
            breaches=tuple(breach for watch in self._watches for breach in watch.breaches),
        )

    # -- what stands there -------------------------------------------------------------------------------------------

    def _modbus(self, number: int) -> Wire:
        """An RS-485 line with nine meters of one model."""
        profile = find(MODBUS_PROFILE)
        layout = Layout.of_profile(
            Path(meter_io.profiles.__file__).parent / "data" / f"{MODBUS_PROFILE}.toml"
        )
        exchanges = Exchanges(tcp=False)
        port = self._script(number, 0, PORT, per_day=1)
        names = [MeterId(f"bus{number}-{unit}") for unit in range(1, self._slaves + 1)]
        watches = [self._watch(name, number, unit, port) for unit, name in enumerate(names, 1)]
        members, polls = [], []
        for unit, (name, watch) in enumerate(zip(names, watches, strict=True), 1):
            slave = ModbusSlave(watch.display, layout, address=unit)
            members.append(self._member(name, slave, watch.display.script, number * 100 + unit))
            meter = ModbusMeter(profile, unit=unit, exchanges=exchanges)
            polls.append(Poll(meter=name, begin=meter.begin, interval_ms=self._every_ms, reply_ms=_LIMIT_MS))
        bus = Bus(polls, timing=BusTiming(), now_ms=0)
        return Wire(
            bus, members, port, start_ms=START_MS, report=_reporter(dict(zip(names, watches, strict=True)))
        )

    def _telegrams(self, number: int) -> Wire:
        """A port with one meter that pushes telegrams."""
        name = MeterId(f"bus{number}-push")
        port = self._script(number, 0, PORT, per_day=1)
        watch = self._watch(name, number, 1, port, kinds=_TELEGRAM_KINDS)
        return pushing_wire(watch, "p1" if number == 2 else "sml", seed=self._seed * 1_000_003 + number * 100)

    def _member(self, name: MeterId, speaker: ModbusSlave, script: Script, seed: int) -> Member:
        line = FaultyLine(script, start_ms=START_MS, seed=self._seed * 1_000_003 + seed)
        return Member(meter=name, speaker=speaker, line=line)

    def _watch(
        self,
        name: MeterId,
        number: int,
        unit: int,
        port: Script,
        kinds: frozenset[FaultKind] = frozenset(FaultKind) - PORT,
    ) -> Watch:
        seed = self._seed * 1_000 + number * 10 + unit
        household = Household.synthetic(seed, start_ms=START_MS, pv_w=(0, 4_000, 9_000)[unit % 3])
        script = self._script(number, unit, kinds, per_day=self._per_day)
        watch = Watch(
            display=Display(household=household, script=script),
            port=port,
            params=_GUARD,
            account=MeterAccount(name, _GUARD, straight_ms=max(60_000, self._every_ms * 3 // 2)),
            every_ms=self._every_ms,
            limit_ms=_LIMIT_MS,
        )
        self._watches.append(watch)
        return watch

    def _script(self, number: int, unit: int, kinds: frozenset[FaultKind], *, per_day: int) -> Script:
        script = random_script(
            self._seed * 10_007 + number * 101 + unit,
            kinds,
            duration_ms=self.days * DAY_MS,
            faults=self.days * per_day,
        )
        self._scripts.append(script)
        return script


def _reporter(watches: dict[MeterId, Watch]) -> Callable[[Report, int], None]:
    """Bring each report to the meter that it concerns; a broken port concerns all."""
    everyone = list(watches.values())

    def report(what: Report, now_ms: int) -> None:
        match what:
            case Round():
                watch = watches[what.meter]
                watch.read(what, now_ms, [one for one in everyone if one is not watch])
            case Failed():
                watches[what.meter].failed(what, now_ms)
            case Broken():
                for one in everyone:
                    one.failed(what, now_ms)

    return report
