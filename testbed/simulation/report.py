"""From a simulated day to the trading day that reports are made of."""

from __future__ import annotations

from collections import Counter

from firmware_app.trading.meter import TradingMeter
from firmware_app.version import VERSION
from light_client.rules.ledger.events import Cleared
from light_client.rules.units import Address, Side
from testbed.report.model import (
    Expectation,
    FeederDay,
    ProsumerDay,
    ProsumerTrade,
    Summary,
    TradingDay,
    VerificationTimes,
)
from testbed.report.wording import quantile
from testbed.scenarios.model import HomeDay
from testbed.simulation.day import SimulatedDay
from testbed.simulation.offline import OfflineOptimum
from testbed.simulation.readings import metering_expectations, readings_of
from testbed.simulation.recheck import Recheck
from testbed.simulation.reconciled import reconciling_expectations
from testbed.simulation.record import DayRecord


def trading_day(
    day: SimulatedDay,
    optimum: OfflineOptimum,
    check: Recheck,
    *,
    title: str,
    command: str,
    undisturbed: bool,
) -> TradingDay:
    """Put together what was observed, what was proven, and what must hold.

    Args:
        undisturbed: nothing was meant to go wrong, so that every clearing has to be proven.
    """
    record, scenario = day.observed.record, day.cast.scenario
    refusals = _refusals(day.meters)
    traded = record.traded_j()
    return TradingDay(
        scenario_name=scenario.name,
        title=title,
        seed=day.cast.seed,
        interval_s=scenario.interval_s,
        first_interval=scenario.first_interval,
        summary=_summary(day, optimum, sum(energy or 0 for energy in traded), refusals.total()),
        offered_sell_j=record.offered_j(Side.SELL),
        wanted_j=record.offered_j(Side.BUY),
        traded_j=traded,
        feeders=tuple(
            FeederDay(feeder=f.feeder, c_ext_w=f.c_ext_w, net_j=record.net_j(f.feeder))
            for f in scenario.feeders
        ),
        latencies_s=tuple(latency_ms / 1_000 for latency_ms in day.observed.latencies_ms),
        verifications=(
            VerificationTimes(verifier="one header, pure rules, this machine", times_ms=check.header_ms),
            VerificationTimes(
                verifier="one whole clearing, pure Python, this machine", times_ms=check.clearing_ms
            ),
        ),
        prosumer=_prosumer(day, record),
        bound_cumulative_j=optimum.cumulative_j,
        rejected_by_rule=tuple(refusals.most_common()),
        expectations=(
            *expectations(day, check, undisturbed=undisturbed),
            *metering_expectations(day),
            *reconciling_expectations(day),
        ),
        command=command,
        versions=(("gridlight", VERSION),),
        readings=readings_of(day),
    )


def _refusals(meters: tuple[TradingMeter, ...]) -> Counter[str]:
    refusals: Counter[str] = Counter()
    for meter in meters:
        refusals.update(meter.checked.by_rule)
    return refusals


def _summary(day: SimulatedDay, optimum: OfflineOptimum, traded_j: int, rejected: int) -> Summary:
    record = day.observed.record
    latencies = day.observed.latencies_ms
    checked = [meter.checked for meter in day.meters]
    offered_j, wanted_j = sum(record.offered_j(Side.SELL)), sum(record.offered_j(Side.BUY))
    return Summary(
        offered_j=offered_j,
        traded_j=traded_j,
        bound_j=optimum.bound_j,
        gap_j=optimum.bound_j - traded_j,
        blocks=len(record.blocks),
        finals=record.finals.total(),
        meters=len(day.meters),
        verified_headers=sum(count.headers for count in checked),
        verified_trades=sum(count.trades for count in checked),
        verified_solutions=sum(count.solutions for count in checked),
        rejected=rejected,
        latency_p50_s=quantile(latencies, 0.5) / 1_000 if latencies else None,
        latency_p99_s=quantile(latencies, 0.99) / 1_000 if latencies else None,
        wall_s=day.wall_s,
        offered_sell_j=offered_j,
        wanted_j=wanted_j,
        settled_uc=record.settled_uc,
        finals_proven=record.finals[Cleared.PROVEN],
        finals_kept=record.finals[Cleared.KEPT],
        finals_vacuous=record.finals[Cleared.VACUOUS],
        finals_computed=record.finals[Cleared.COMPUTED],
    )


def expectations(day: SimulatedDay, check: Recheck, *, undisturbed: bool) -> tuple[Expectation, ...]:
    """What must hold of every day, whatever went wrong in it, and what more of one in which nothing did."""
    record, scenario = day.observed.record, day.cast.scenario
    finals, blocks = record.finals.total(), len(record.blocks)
    behind = [meter.name for meter in day.meters if meter.client.belief.replica.height < blocks - 2]
    refused = sum(meter.checked.rejected for meter in day.meters)
    halted = [seen.node for seen in day.observed.notable if seen.name == "halted"]
    own = sum(len(order.trades) for meter in day.meters for order in meter.orders())
    proven = sum(meter.checked.trades for meter in day.meters)
    gap_j = max((record.gaps_j[t] for t in record.gaps_j), default=0)
    kept = record.finals[Cleared.KEPT]
    rows = (
        ("every interval final", finals >= scenario.intervals, finals, f"{scenario.intervals} or more"),
        (
            "intervals cleared without a fresh proof",
            not (undisturbed and kept),
            kept,
            "0" if undisturbed else "any",
        ),
        ("largest gap of a proven clearing, J", kept > 0 or gap_j == 0, gap_j, "0 unless kept"),
        ("meters that followed to the end", not behind, len(day.meters) - len(behind), str(len(day.meters))),
        ("meters that refused something", refused == 0, refused, "0"),
        ("meters that halted", not halted, len(halted), "0"),
        ("own trades proven by inclusion", proven == own, proven, str(own)),
        (
            "a fresh verifier accepts the chain",
            check.refused is None,
            check.refused or "accepted",
            "accepted",
        ),
    )
    return tuple(
        Expectation(name=name, passed=ok, got=str(got), expected=want) for name, ok, got, want in rows
    )


def _prosumer(day: SimulatedDay, record: DayRecord) -> ProsumerDay | None:
    """The home that sold most, its sales split over the feeders in proportion to what each bought."""
    meters = {meter.name: meter for meter in day.meters}
    best: tuple[int, HomeDay, dict[int, int]] | None = None
    homes = {home.home_id: home for home in day.cast.scenario.homes}
    for name, home_id in day.cast.meter_names.items():
        addresses: set[Address] = {order.key.address for order in meters[name].orders()}
        sold = record.sales_of(addresses)
        if sold and (best is None or sum(sold.values()) > best[0]):
            best = (sum(sold.values()), homes[home_id], sold)
    if best is None:
        return None
    _, home, sold = best
    trades = [
        ProsumerTrade(
            interval=interval - day.cast.scenario.first_interval, buyer=f"feeder {feeder}", energy_j=part
        )
        for interval, energy_j in sorted(sold.items())
        for feeder, part in _split(energy_j, record.purchases_by_feeder(interval))
        if part
    ]
    label = f"home {home.home_id} on feeder {home.feeder}"
    return ProsumerDay(prosumer=label, generation_j=home.pv_j, trades=tuple(trades))


def _split(energy_j: int, bought: dict[int, int]) -> list[tuple[int, int]]:
    """Trades have no fixed partner: every seller of an interval serves all buyers in proportion."""
    whole = sum(bought.values())
    parts = []
    done = prefix = 0
    for feeder, part in sorted(bought.items()):
        prefix += part
        upto = prefix * energy_j // whole
        parts.append((feeder, upto - done))
        done = upto
    return parts
