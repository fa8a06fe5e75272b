"""What miners are judged by is what the meters at their homes reported, sealed, against the trades of their grants."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.delivery import REPORT_STEP_J, ReportDelivery
from light_client.rules.ledger.transactions import decode_transaction
from light_client.rules.units import Side
from meter_io.span import Basis
from testbed.cast import Cast
from testbed.miner.params import MinerParams
from testbed.scenarios import catalogue
from testbed.scenarios.metering import MeterSource
from testbed.scenarios.part import part_of
from testbed.simulation.day import SimulatedDay, cast_of, run_day

FILE = catalogue.find("village-elections")
LIMIT = 1 << 20


def cast() -> Cast:
    """The village around noon, metered; the counter of one home shows nothing for a quarter of an hour."""
    metered = replace(FILE.meters, source=MeterSource.READINGS, faults=("102:unplug@41400+1200",))
    file = replace(FILE, meters=metered)
    part = part_of(catalogue.build(file, seed=1), skip=44, intervals=10)
    return replace(cast_of(file, part, 1), miner_params=MinerParams(batch_ms=60_000))


@cache
def day() -> SimulatedDay:
    """That part of the day."""
    return run_day(cast())


def _reports(played: SimulatedDay) -> list[ReportDelivery]:
    bodies = (body_from_bytes(block.body, played.genesis.chain) for block in played.observed.record.blocks)
    decoded = (
        decode_transaction(raw, max_bytes=LIMIT).transaction for body in bodies for raw in body.transactions
    )
    return [one for one in decoded if isinstance(one, ReportDelivery)]


def _expected(played: SimulatedDay, home_id: int, first: int, last: int) -> tuple[int, int]:
    """Promised and delivered, straight from the trades and from what the meter's account counted."""
    promised_j = delivered_j = 0
    for interval in range(first, last + 1):
        counted = played.homes[home_id].intervals.get(interval)
        if counted is None or counted.basis is Basis.UNKNOWN:
            continue
        traded_j = sum(
            trade.energy_j if trade.side is Side.SELL else -trade.energy_j
            for trade in played.granted(home_id)
            if trade.interval == interval
        )
        import_j, export_j = counted.energy_j
        flowed_j = (export_j or 0) - (import_j or 0)
        promised_j += abs(traded_j)
        delivered_j += max(0, min(flowed_j if traded_j > 0 else -flowed_j, abs(traded_j)))
    return promised_j // REPORT_STEP_J * REPORT_STEP_J, delivered_j // REPORT_STEP_J * REPORT_STEP_J


def test_the_ledger_says_of_miners_what_their_meters_said_of_their_trades() -> None:
    played = day()
    homes = dict(zip(played.cast.miner_keys, played.cast.meter_names.values(), strict=False))
    reports = _reports(played)
    assert len(reports) >= 2
    promised_j = short_j = 0
    for report in reports:
        for row in report.rows:
            home_id = homes.get(row.public_key)
            expected = (0, 0) if home_id is None else _expected(played, home_id, *_stretch(report))
            assert (row.promised_j, row.delivered_j) == expected
            promised_j += row.promised_j
            short_j += row.promised_j - row.delivered_j
    assert promised_j >= REPORT_STEP_J, "there was something to deliver"
    assert short_j >= 0


def test_a_miner_without_a_home_has_delivered_nothing() -> None:
    played = day()
    homeless = played.cast.miner_keys[len(played.cast.meter_names) :]
    assert homeless
    rows = [row for report in _reports(played) for row in report.rows if row.public_key in homeless]
    assert {(row.promised_j, row.delivered_j) for row in rows} == {(0, 0)}


def _stretch(report: ReportDelivery) -> tuple[int, int]:
    return report.first_interval, report.last_interval
