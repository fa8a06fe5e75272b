"""A day's readings beside its trades: what was metered, what was traded, and what must hold of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firmware_app.trading.orders import Order, Stage
from light_client.rules.units import Side
from meter_io.reading import Quality
from meter_io.span import Basis
from testbed.report.model import Expectation, Readings
from testbed.simulation.day import SimulatedDay

if TYPE_CHECKING:
    from testbed.fleet.metered_home import MeteredHome


@dataclass(slots=True)
class _Traded:
    """What a home traded, J."""

    by_interval: Counter[tuple[int, Side]] = field(default_factory=Counter)
    from_battery_j: int = 0


def readings_of(day: SimulatedDay) -> Readings | None:
    """Put meters and trades beside each other; None where homes go by their plan."""
    if not day.homes:
        return None
    qualities: Counter[Quality] = Counter()
    bases: Counter[Basis] = Counter()
    energy: Counter[str] = Counter()
    for home_id, home in day.homes.items():
        qualities.update(home.watch.qualities)
        traded = _traded(_orders_of(day, home_id))
        bases.update(_basis(home, interval) for interval in _day_of(day))
        energy += _energy(home, traded, _day_of(day))
    return Readings(
        homes=len(day.homes),
        readings=qualities.total(),
        good=qualities[Quality.GOOD],
        suspect=tuple(
            (quality.value, count)
            for quality, count in qualities.most_common()
            if quality is not Quality.GOOD
        ),
        missed=sum(home.watch.failures for home in day.homes.values()),
        measured=bases[Basis.MEASURED],
        estimated=bases[Basis.ESTIMATED],
        unknown=bases[Basis.UNKNOWN],
        metered_import_j=energy["import"],
        metered_export_j=energy["export"],
        doubtful_j=energy["doubtful"],
        sold_j=energy["sold"],
        bought_j=energy["bought"],
        sold_from_battery_j=energy["battery"],
        short_j=energy["short"],
        unmeasured_trades_j=energy["unmeasured"],
        halted=tuple(home_id for home_id, home in day.homes.items() if home.halts),
        withheld=sum(1 for _ in _withheld(day)),
        posted_suspect=sum(1 for _ in _posted_suspect(day)),
        wrong=sum(len(home.breaches) for home in day.homes.values()),
    )


def metering_expectations(day: SimulatedDay) -> tuple[Expectation, ...]:
    """What must hold wherever homes are metered, whatever their meters did."""
    if not day.homes:
        return ()
    wrong = [breach for home in day.homes.values() for breach in home.breaches]
    posted = sum(1 for _ in _posted_suspect(day))
    return (
        Expectation(
            name="readings and intervals that were believed and wrong",
            passed=not wrong,
            got=f"{len(wrong)}: {wrong[0]}" if wrong else "0",
            expected="0",
        ),
        Expectation(
            name="offers posted while the home's meter was suspect",
            passed=posted == 0,
            got=str(posted),
            expected="0",
        ),
    )


def _day_of(day: SimulatedDay) -> range:
    scenario = day.cast.scenario
    return range(scenario.first_interval, scenario.last_interval + 1)


def _orders_of(day: SimulatedDay, home_id: int) -> tuple[Order, ...]:
    for meter in day.meters:
        if day.cast.meter_names[meter.name] == home_id:
            return meter.orders()
    return ()  # somebody plays false in its place


def _traded(orders: tuple[Order, ...]) -> _Traded:
    traded = _Traded()
    for order in orders:
        for trade in order.trades:
            if order.intent.first_interval == order.intent.last_interval:
                traded.by_interval[trade.interval, Side(trade.side)] += trade.energy_j
            else:
                traded.from_battery_j += trade.energy_j
    return traded


def _basis(home: MeteredHome, interval: int) -> Basis:
    counted = home.intervals.get(interval)
    return Basis.UNKNOWN if counted is None else counted.basis


def _energy(home: MeteredHome, traded: _Traded, intervals: range) -> Counter[str]:
    energy = Counter({"battery": traded.from_battery_j})
    for interval in intervals:
        counted = home.intervals.get(interval)
        import_j, export_j = (0, 0) if counted is None else (part or 0 for part in counted.energy_j)
        sold_j = traded.by_interval[interval, Side.SELL]
        bought_j = traded.by_interval[interval, Side.BUY]
        energy.update(sold=sold_j, bought=bought_j)
        if counted is not None and counted.tradable:
            short_j = max(0, sold_j - export_j) + max(0, bought_j - import_j)
            energy.update({"import": import_j, "export": export_j, "short": short_j})
        else:
            energy.update(doubtful=import_j + export_j, unmeasured=sold_j + bought_j)
    return energy


def _withheld(day: SimulatedDay) -> Iterator[Order]:
    """Offers of halted homes whose gate closed during a halt, granted and not sent."""
    length_ms = day.cast.scenario.interval_s * 1_000
    for home_id, home in day.homes.items():
        for order in _orders_of(day, home_id):
            unsent = order.granted and order.sent_at_ms is None and order.stage is not Stage.PLANNED
            due_ms = order.intent.post_interval * length_ms
            gate_ms = day.genesis.gate_ms(order.intent.first_interval)
            if unsent and any(begin < gate_ms and due_ms < end for begin, end in home.halts):
                yield order


def _posted_suspect(day: SimulatedDay) -> Iterator[Order]:
    for home_id, home in day.homes.items():
        for order in _orders_of(day, home_id):
            sent_ms = order.sent_at_ms
            if sent_ms is not None and any(begin < sent_ms < end for begin, end in home.doubts):
                yield order
