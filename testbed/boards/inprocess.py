"""A fleet in one process, in virtual time: the same actors, checks and script, without sockets or boards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from firmware_app.trading.meter import TradingMeter
from light_client.client.status import ProofLevel
from testbed.boards.faults import LETHAL, FleetScript
from testbed.boards.verdict import BoardVerdict
from testbed.cast import Cast
from testbed.scenarios.metering import MeterSource, MetersSection
from testbed.simulation.day import SimulatedDay, run_day
from testbed.simulation.recheck import recheck
from testbed.simulation.record import DayRecord


def run_inprocess(
    cast: Cast, script: FleetScript, progress: Callable[[int], None]
) -> tuple[SimulatedDay, tuple[BoardVerdict, ...], tuple[str, ...]]:
    """Play the day.

    Args:
        progress: called once per interval of virtual time with the number of finals so far.

    Returns:
        The day, what became of each meter, and what is wrong with the whole.
    """
    if script.meters:
        faults = tuple(f"{home_id}:{fault}" for home_id, fault in script.meters)
        cast = replace(cast, meters=MetersSection(source=MeterSource.READINGS, faults=faults))
    day = run_day(
        cast,
        faults=script.simulated(cast),
        progress=lambda _, record: progress(finals_of(record)),
    )
    return day, tuple(_verdicts(day, script)), tuple(_failures(day))


def finals_of(record: DayRecord) -> int:
    """How many intervals of the day are final; a chain goes on after it."""
    scenario = record.scenario
    return sum(scenario.first_interval <= interval <= scenario.last_interval for interval in record.trades)


def _failures(day: SimulatedDay) -> Iterator[str]:
    record, scenario = day.observed.record, day.cast.scenario
    check = recheck(day.cast.genesis, record.blocks, record.committees)
    if check.refused is not None:
        yield f"who took no part refuses the chain: {check.refused}"
    if finals_of(record) < scenario.intervals:
        yield f"{finals_of(record)} intervals are final, expected {scenario.intervals}"


def _verdicts(day: SimulatedDay, script: FleetScript) -> Iterator[BoardVerdict]:
    record, names = day.observed.record, {home_id: name for name, home_id in day.cast.meter_names.items()}
    accidents = defaultdict[str, list[str]](list)
    for line in script.lines():
        accidents[names[int(line.partition(":")[0])]].append(line)
    by_address = defaultdict[bytes, list[int]](list)
    for offer_id, offer in record.offers.items():
        by_address[offer.address].append(offer_id)
    by_offer = defaultdict[int, set[tuple[int, int]]](set)
    for trades in record.trades.values():
        for trade in trades:
            by_offer[trade.offer_id].add((trade.offer_id, trade.interval))
    final_ms = (day.cast.scenario.last_interval + 1) * day.cast.scenario.interval_s * 1_000
    needed = sum(block.header.time_ms <= final_ms for block in record.blocks)
    for meter in day.meters:
        offers = [offer for order in meter.orders() for offer in by_address.get(order.key.address, ())]
        final = {trade for offer in offers for trade in by_offer.get(offer, ())}
        proven = {(trade.offer_id, trade.interval) for order in meter.orders() for trade in order.trades}
        status = meter.client.status()
        yield BoardVerdict(
            name=meter.name,
            profile="plan" if not script.meters else "p1",
            lives=1 + sum(f":{kind.value}@" in line for kind in LETHAL for line in accidents[meter.name]),
            height=status.height,
            level=status.level.value,
            offers=len(offers),
            trades=len(final),
            verified=len(final & proven),
            guest_bytes=None,
            whole_bytes=None,
            accidents=tuple(accidents[meter.name]),
            complaints=tuple(_complaints(meter, needed, len(final - proven))),
        )


def _complaints(meter: TradingMeter, needed: int, missing: int) -> Iterator[str]:
    status = meter.client.status()
    if status.height < needed or status.level is not ProofLevel.SOLUTIONS:
        yield f"verified up to height {status.height} ({status.level.value}), expected {needed} (whole solutions)"
    if meter.checked.rejected:
        yield f"refused {meter.checked.rejected} answers, expected 0"
    if missing:
        yield f"{missing} of its trades on the chain are not proven to it"
