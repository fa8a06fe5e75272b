"""Days on which homes are metered: what is read is what flowed, and who is suspect offers nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from firmware_app.trading.orders import Order
from light_client.rules.units import LOT_J
from meter_io.account import Entry, MeterAccount
from meter_io.guard import GuardParams
from meter_io.guard.measure import measure
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId, Quality, Reading, Sample
from meter_io.span import Basis, Instant, Span
from testbed.cast import Cast
from testbed.fleet.metered_home import MeteredHome
from testbed.fleet.metered_homes import MeteredHomes
from testbed.report.model import Readings
from testbed.scenarios import catalogue
from testbed.scenarios.errors import PlanError
from testbed.scenarios.metering import MeterProtocol, MeterSource, MetersSection
from testbed.scenarios.part import part_of
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.readings import metering_expectations, readings_of
from testbed.simulation.reconciled import reconcile, reconciling_expectations

FILE = catalogue.find("village")
FIRST, COUNT = 40, 12
"""10:00 to 13:00."""
FAULTS = ("102:false-zero@36600+4500", "201:reset@38700", "203:unplug@36600+4500")
HOMES = (102, 201, 203)


def cast(*faults: str, source: MeterSource = MeterSource.READINGS, every_s: int = 60) -> Cast:
    """The village before noon, metered."""
    section = MetersSection(source=source, protocol=MeterProtocol.MIXED, every_s=every_s, faults=faults)
    part = part_of(catalogue.build(FILE, seed=1), skip=FIRST, intervals=COUNT)
    return cast_of(replace(FILE, meters=section), part, 1)


@cache
def day(*faults: str, source: MeterSource = MeterSource.READINGS) -> SimulatedDay:
    """Such a day, run once."""
    return run_day(cast(*faults, source=source))


def told(played: SimulatedDay) -> Readings:
    """What its report says of readings."""
    readings = readings_of(played)
    assert readings is not None
    return readings


def orders_of(played: SimulatedDay, home_id: int) -> tuple[Order, ...]:
    """All orders of a home."""
    (meter,) = [one for one in played.meters if played.cast.meter_names[one.name] == home_id]
    return meter.orders()


def posted(played: SimulatedDay, home_id: int) -> list[int]:
    """First intervals of the offers that the market took from a home."""
    return [order.intent.first_interval for order in orders_of(played, home_id) if order.offer_id is not None]


def table_j(who: Cast, home_id: int, until_interval: int) -> tuple[int, int]:
    """Energy drawn and fed in from the first start on, J: summed up from the scenario's table, by hand."""
    (home,) = [one for one in who.scenario.homes if one.home_id == home_id]
    drawn = fed = 0
    for interval in range(who.scenario.first_interval - who.warm_up_intervals, until_interval):
        place = (interval - who.scenario.first_interval) % len(home.load_j)
        net = home.load_j[place] - home.pv_j[place]
        drawn, fed = drawn + max(0, net), fed + max(0, -net)
    return drawn, fed


@pytest.mark.parametrize("protocol", [MeterProtocol.P1, MeterProtocol.SML])
def test_without_faults_each_interval_is_the_tables_to_the_joule_of_the_register(
    protocol: MeterProtocol,
) -> None:
    """A pushed reading falls on the boundary: what is booked is exactly what whole watt hours of the table moved by."""
    who = cast()
    homes = MeteredHomes(replace(who.site(), section=replace(who.meters, protocol=protocol)))
    last = who.scenario.last_interval
    for home in who.scenario.homes:
        if home.battery is not None:
            continue
        metered = homes.of(home.home_id)
        metered.finish(who.end_ms)
        booked_import = booked_export = 0
        for interval in range(who.scenario.first_interval, last + 1):
            counted = metered.intervals[interval]
            assert counted.basis is Basis.MEASURED
            before, after = (
                table_j(who, home.home_id, interval),
                table_j(who, home.home_id, interval + 1),
            )
            expected = tuple((b // LOT_J - a // LOT_J) * LOT_J for a, b in zip(before, after, strict=True))
            assert counted.energy_j == expected
            booked_import += expected[0]
            booked_export += expected[1]
        start, end = (
            table_j(who, home.home_id, who.scenario.first_interval),
            table_j(who, home.home_id, last + 1),
        )
        assert abs(booked_import - (end[0] - start[0])) < LOT_J
        assert abs(booked_export - (end[1] - start[1])) < LOT_J
        assert booked_import + booked_export > 0
        assert metered.breaches == ()
        assert metered.halts == ()


def test_a_day_with_good_readings_trades_what_the_plan_trades() -> None:
    plain, metered = day(source=MeterSource.PLAN), day()
    assert readings_of(plain) is None
    assert plain.homes == {}
    assert metered.observed.record.trades == plain.observed.record.trades
    assert [block.header.hash() for block in metered.observed.record.blocks] == [
        block.header.hash() for block in plain.observed.record.blocks
    ]
    readings = told(metered)
    assert readings.good == readings.readings - readings.homes  # each has one first reading
    assert readings.suspect == (("first", readings.homes),)
    assert (readings.measured, readings.estimated, readings.unknown) == (readings.homes * COUNT, 0, 0)
    assert (readings.halted, readings.withheld, readings.unmeasured_trades_j) == ((), 0, 0)
    assert readings.sold_j + readings.sold_from_battery_j == readings.bought_j > 0
    assert readings.short_j <= readings.homes * LOT_J
    assert all(row.passed for row in metering_expectations(metered))


def test_a_suspect_home_offers_nothing_and_nobody_else_notices() -> None:
    played, calm = day(*FAULTS), day()
    readings = told(played)
    assert readings.halted == HOMES
    assert all(row.passed for row in metering_expectations(played))
    assert readings.posted_suspect == readings.wrong == 0
    assert readings.withheld > 0
    for home_id in (102, 203):
        (halt,) = played.homes[home_id].halts
        assert halt[1] - halt[0] >= 4_000_000
        sent = [order.sent_at_ms or 0 for order in orders_of(played, home_id)]
        assert not [at_ms for at_ms in sent if halt[0] < at_ms < halt[1]]
        assert any(at_ms > halt[1] for at_ms in sent), "it goes on afterwards"
        never = [order for order in orders_of(played, home_id) if order.sent_at_ms is None]
        assert len(never) >= 1
        assert all(order.granted and order.offer_id is None and not order.trades for order in never)
        late = sorted(at_ms for at_ms in sent if halt[1] < at_ms)
        assert late[3] - late[0] > 60_000, "what waited is not posted in one go, which would link it"
    for home_id in set(played.homes) - set(HOMES):
        assert posted(played, home_id) == posted(calm, home_id)
        assert played.homes[home_id].halts == ()


def test_after_the_faults_everything_reconciles() -> None:
    played, calm = day(*FAULTS), day()
    last = played.cast.scenario.last_interval
    for home_id, home in played.homes.items():
        assert home.intervals[last].tradable
        assert home.intervals[last].energy_j == calm.homes[home_id].intervals[last].energy_j or home_id == 201

    def total_j(home: MeteredHome, way: int) -> int:
        return sum(counted.energy_j[way] or 0 for counted in home.intervals.values())

    for home_id in (102, 203):  # the counter went on: all of it is booked in the end, a part as an estimate
        for way in (0, 1):
            assert total_j(played.homes[home_id], way) == total_j(calm.homes[home_id], way)
        assert played.homes[home_id].watch.intervals[Basis.ESTIMATED] > 0
    for way in (0, 1):  # a reset hides at most what flowed between two readings, and a started watt hour
        lost_j = total_j(calm.homes[201], way) - total_j(played.homes[201], way)
        power_w = max(map(abs, played.homes[201].watch.display.household.net_j)) // 900
        assert 0 <= lost_j <= power_w * 60 + 2 * LOT_J
    assert played.homes[201].watch.intervals[Basis.UNKNOWN] > calm.homes[201].watch.intervals[Basis.UNKNOWN]


class Gullible(MeterAccount):
    """The broken twin: it books every difference of counters and finds every reading good."""

    _last: tuple[Instant, tuple[int, int]] | None = None

    def judge(self, sample: Sample) -> Entry:
        """Believe a sample."""
        measured = measure(sample, self.guard.params)
        at, values = Instant.of(sample.moment), (measured.values_j[0] or 0, measured.values_j[1] or 0)
        ended: list[IntervalEnergy] = []
        spans: tuple[Span, ...] = ()
        if self._last is not None:
            energy = (max(0, values[0] - self._last[1][0]), max(0, values[1] - self._last[1][1]))
            span = Span(
                meter=sample.meter, start=self._last[0], end=at, energy_j=energy, basis=Basis.MEASURED
            )
            spans, ended = (span,), self.book.add(span)
        self._last = (at, values)
        reading = Reading(
            meter=sample.meter,
            moment=sample.moment,
            import_j=values[0],
            export_j=values[1],
            power_w=measured.power_w,
            quality=Quality.GOOD,
        )
        return Entry(reading, spans, tuple(ended))


def gullible(meter: MeterId, params: GuardParams, interval_s: int, straight_ms: int) -> MeterAccount:
    """The account without a guard."""
    return Gullible(meter, params, interval_s=interval_s, straight_ms=straight_ms)


def test_without_the_guard_the_day_is_found_to_be_wrong() -> None:
    who = cast(FAULTS[0])
    played = run_day(replace(who, homes=MeteredHomes(who.site(), account=gullible)))
    broken = [row for row in metering_expectations(played) if not row.passed]
    assert [row.name for row in broken] == ["readings and intervals that were believed and wrong"]
    assert "102" in broken[0].got
    readings = told(played)
    assert readings.wrong > 0
    assert readings.halted == (), "nothing stopped the home while its meter read zero"
    assert max(readings.metered_import_j, readings.metered_export_j) > 1_000 * 3_600_000, (
        "a whole counter was booked"
    )


class Deaf(MeteredHomes):
    """The other broken twin: it reads, and lets the home trade whatever the reading was."""

    def is_measured(self, home_id: int, utc_ms: int) -> bool:
        """Whatever the meter says."""
        super().is_measured(home_id, utc_ms)
        return True


def test_a_home_that_posts_while_suspect_is_found_out() -> None:
    who = cast(FAULTS[0])
    played = run_day(replace(who, homes=Deaf(who.site())))
    broken = [row for row in metering_expectations(played) if not row.passed]
    assert [row.name for row in broken] == ["offers posted while the home's meter was suspect"]
    assert told(played).withheld == 0


def test_silence_makes_suspect_after_three_missing_readings() -> None:
    who = cast("102:silence@36600+900")
    home = MeteredHomes(who.site()).of(102)
    silent_ms = (who.scenario.first_interval * 900 + 600) * 1_000
    assert not home.is_measured(who.start_ms)
    assert home.is_measured(silent_ms + 60_000)
    assert not home.is_measured(silent_ms + 200_000)
    assert not home.is_measured(silent_ms + 880_000)
    assert home.is_measured(silent_ms + 1_200_000)
    home.finish(who.end_ms)
    (halt,) = home.halts
    assert halt[0] <= silent_ms + 180_000
    assert halt[1] >= silent_ms + 900_000


def test_drawn_faults_are_those_of_the_seed() -> None:
    section = MetersSection(source=MeterSource.READINGS, faults_per_day=6)
    who = replace(cast(), meters=section)
    drawn = [MeteredHomes(who.site()).of(102).watch for _ in range(2)]
    faults = [(*watch.display.script.faults, *watch.port.faults) for watch in drawn]
    assert faults[0] == faults[1] != ()
    other = MeteredHomes(replace(who.site(), seed=2)).of(102).watch
    assert (*other.display.script.faults, *other.port.faults) != faults[0]


@pytest.mark.parametrize("fault", ["999:reset@5", "102:rest@5", "102:reset"])
def test_a_fault_that_cannot_be_is_refused(fault: str) -> None:
    with pytest.raises(PlanError, match="meter"):
        cast(fault).metered()


def test_every_device_reports_and_the_dso_comes_to_the_same_sum() -> None:
    played = day(*FAULTS)
    assert [one.passed for one in reconciling_expectations(played)] == [True, True]
    books = reconcile(played)
    assert len(books) == len(played.homes)
    assert any(one.ours.traded_j for one in books)
    assert any(one.ours.owed_uc > 0 for one in books)
    assert any(one.ours.provisional for one in books), "what the unplugged meter did not tell is not settled"


def test_a_dso_that_forgot_a_trade_or_a_home_that_hid_one_is_found_out() -> None:
    played = day()
    (busy, *_) = (one.home_id for one in reconcile(played) if one.ours.traded_j)
    forgetful = replace(played, granted=lambda home: played.granted(home)[home == busy :])
    assert [one.agreed for one in reconcile(forgetful)].count(False) == 1
    assert not reconciling_expectations(forgetful)[0].passed
