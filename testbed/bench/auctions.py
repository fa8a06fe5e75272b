"""Computing an auction, as every miner and meter does, on the published order book."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final

from light_client.rules.market.mechanisms.kinds import Continuous, MechanismParams, TwoStage, UniformPrice
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.units import JOULES_PER_WH, Side
from testbed.bench.published_book import CROSSING_WH, problem_of_book
from testbed.bench.section import Aim, Options, Section, Step, at_least, at_most

SUMMARY: Final = "Auctions computed from their offers on the published order book: volumes and times."
MECHANISMS: Final[tuple[MechanismParams, ...]] = (UniformPrice(), TwoStage(), Continuous())
ASKED_S: Final = 0.6
"""For 10,000 offers: what a widely used engine with the same volume needs (ASSUME, pay as clear)."""
_REPEATS: Final = 5


def _counts(options: Options) -> tuple[int, ...]:
    return (100, 1_000) if options.quick else (100, 1_000, 10_000, 100_000)


def steps(options: Options) -> int:
    """How many cases there are."""
    return len(MECHANISMS) * len(_counts(options))


def measure(options: Options, step: Step) -> Section:
    """Measure all cases; the best of some repetitions each."""
    rows: list[dict[str, Any]] = []
    aims: list[Aim] = []
    for count in _counts(options):
        for mechanism in MECHANISMS:
            name = mechanism.kind.name.lower().replace("_", "-")
            step(f"{name} {count}")
            energy_wh, seconds = _timed(count, mechanism)
            rows.append(
                {"mechanism": name, "offers": count, "energy_wh": energy_wh, "seconds": round(seconds, 6)}
            )
            aims += _aims(name, count, energy_wh, seconds)
    lines = ["mechanism        offers        kWh    seconds"]
    lines += [
        f"{row['mechanism']:<14} {row['offers']:>8,} {row['energy_wh'] / 1_000:>10,.3f} {row['seconds']:>10.4f}"
        for row in rows
    ]
    return Section(document={"cases": rows}, lines=lines, aims=aims)


def _timed(count: int, mechanism: MechanismParams) -> tuple[int, float]:
    """Energy traded, Wh, and the shortest time, s."""
    problem, auction = problem_of_book(count, mechanism), auction_of(mechanism)
    times, energy_j = [], 0
    for _ in range(_REPEATS if count <= 10_000 else 1):
        began = perf_counter()
        outcome = auction.outcome(problem)
        times.append(perf_counter() - began)
        energy_j = sum(trade.energy_j for trade in outcome.trades if trade.side == Side.SELL)
    return energy_j // JOULES_PER_WH, min(times)


def _aims(name: str, count: int, energy_wh: int, seconds: float) -> list[Aim]:
    case = f"{name} {count}"
    aims = [at_least(case, "Wh", asked=CROSSING_WH[count], measured=energy_wh)]
    if count == 10_000:
        aims.append(at_most(case, "seconds", asked=ASKED_S, measured=seconds))
    return aims
