"""Times one case: everything that a solver, a miner and a meter do with it, each by its own clock."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from light_client.rules.encoding import encode
from light_client.rules.market.certificate import bound
from light_client.rules.market.clearing import Solution, check_solution
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.problem import problem_of
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side
from testbed.bench.cases import Case
from testbed.bench.pairwise import count_pairs, solve_pairwise
from testbed.miner.fast_bound import FastBound
from testbed.solver.arrays import Market, market_of_table
from testbed.solver.bounds import Bounds, certificate_of
from testbed.solver.clear import clear
from testbed.solver.errors import NotSolvedError
from testbed.solver.settle import settle
from testbed.solver.solve import plan_of
from testbed.solver.task import Cleared

MAX_PAIRS = 450_000
"""Most variables at which the pairwise program is tried."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Medians in seconds, and what was found; None where it was not measured."""

    case: str
    copies: int
    offers: int
    classes: int
    traded_j: int
    gap_j: int
    tie_break_gap: int
    group_s: float
    """Offers into classes."""
    clear_s: float
    """Optimum, tie-break, both certificates and their bounds."""
    settle_s: float
    """Levelling, shares of every offer, pairs of price groups, payments."""
    total_s: float
    """All of these together, by one clock."""
    bound_s: float
    """Both certificates in numpy, as a miner checks them."""
    pairs: int
    """Variables of the pairwise program."""
    pairwise_s: float | None
    """Its solving alone, by HiGHS' dual simplex."""
    certificate_bytes: int
    rules_bound_s: float | None = None
    """Both certificates in pure Python, as a meter checks them."""
    rules_check_s: float | None = None
    """The whole judgement of a solution in pure Python."""

    @property
    def ratio(self) -> float | None:
        """How many times as long the pairwise program takes."""
        return None if self.pairwise_s is None else self.pairwise_s / self.total_s

    def document(self) -> dict[str, Any]:
        """For JSON: times rounded to the microsecond."""
        values = {**asdict(self), "ratio": self.ratio}
        return {
            name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()
        }


def timed(work: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """Median time of a piece of work once it is warm, seconds, and its last result."""
    times, result = samples(work, repeats)
    return median(times), result


def samples(work: Callable[[], Result], repeats: int) -> tuple[list[float], Result]:
    """Times of a piece of work, seconds, after a tenth as many runs that do not count, and its last result.

    The garbage of what ran before is collected first, and what lives on is left out of later collections, so that
    a case pays for its own garbage alone.
    """
    gc.collect()
    gc.freeze()
    for _ in range(repeats // 10):
        work()
    times = []
    while True:
        started = perf_counter()
        result = work()
        times.append(perf_counter() - started)
        if len(times) >= repeats:
            gc.unfreeze()
            return times, result


def measure_case(case: Case, *, repeats: int, pairwise_limit_s: float, by_rules: bool) -> Timing:
    """Measure a case.

    Args:
        repeats: runs of which the median counts.
        pairwise_limit_s: time limit of the pairwise program; 0 leaves it out.
        by_rules: also verify offer by offer in pure Python.

    Raises:
        NotSolvedError: some gap is left, or the pairwise program found another optimum.
    """

    def group() -> Any:
        return market_of_table(
            case.columns, first_interval=case.first_interval, params=case.params, grid=case.grid
        )

    def everything() -> tuple[Market, Cleared]:
        market, members = group()
        cleared = clear(market)
        settle(case.columns, market, members, cleared)
        return market, cleared

    totals, (market, cleared) = samples(everything, repeats)
    group_s, (_, members) = timed(group, repeats)
    clear_s, _ = timed(lambda: clear(market), repeats)
    settle_s, _ = timed(lambda: settle(case.columns, market, members, cleared), repeats)
    bound_s, _ = timed(lambda: list(map(Bounds(market).bound, cleared.tables)), repeats)
    if any(cleared.gaps):
        raise NotSolvedError(f"{case.name}: gaps {cleared.gaps} are left")
    certificates = [certificate_of(market, table) for table in cleared.tables]
    rules_bound_s, rules_check_s = _by_rules(case, repeats) if by_rules else (None, None)
    pairs, pairwise_s = _pairwise(case, pairwise_limit_s, cleared.values[0])
    if pairwise_s is not None:
        # Both sides of the ratio have to see the same machine, so the peer runs between two halves of ours.
        totals += samples(everything, repeats)[0]
    return Timing(
        case=case.name,
        copies=case.copies,
        offers=len(case.columns),
        classes=len(market.sells) + len(market.buys),
        traded_j=cleared.values[0],
        gap_j=cleared.gaps[0],
        tie_break_gap=cleared.gaps[1],
        group_s=group_s,
        clear_s=clear_s,
        settle_s=settle_s,
        total_s=median(totals),
        bound_s=bound_s,
        pairs=pairs,
        pairwise_s=pairwise_s,
        certificate_bytes=sum(len(encode(certificate.to_wire(market.base))) for certificate in certificates),
        rules_bound_s=rules_bound_s,
        rules_check_s=rules_check_s,
    )


def _pairwise(case: Case, limit_s: float, traded_j: int) -> tuple[int, float | None]:
    pairs = count_pairs(case.columns, case.first_interval)
    if not limit_s or pairs > MAX_PAIRS:
        return pairs, None
    size = int(case.columns.feeder.max()) + 1
    ext, internal = np.zeros(size, np.int64), np.full(size, 1 << 52)
    for number, limit in case.grid.ext_j.items():
        ext[number] = limit
    for number, inside in case.grid.int_j.items():
        internal[number] = (1 << 52) if inside is None else inside
    result = solve_pairwise(
        case.columns, first_interval=case.first_interval, ext_j=ext, int_j=internal, time_limit_s=limit_s
    )
    if result is None:
        return pairs, None
    if abs(result.energy_j - traded_j) > 1:
        raise NotSolvedError(
            f"{case.name}: the pairwise program trades {result.energy_j} J, the solver {traded_j} J"
        )
    return pairs, result.solve_s


def _by_rules(case: Case, repeats: int) -> tuple[float, float]:
    names = ("side", "feeder", "price_uc_per_kwh", "first_interval", "last_interval", "energy_j")
    rows = zip(*(getattr(case.columns, name).tolist() for name in names), strict=True)
    offers = [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(bytes(ADDRESS_BYTES)),
            side=Side(side),
            feeder=FeederId(feeder),
            price_uc_per_kwh=price,
            ranges=((max(first, case.first_interval), last),),
            remaining_j=energy_j,
            escrow_uc=0,
        )
        for number, (side, feeder, price, first, last, energy_j) in enumerate(rows)
    ]
    problem = problem_of(offers, first_interval=case.first_interval, params=case.params, grid=case.grid)
    fast = FastBound(problem)
    market = fast.market
    cleared = clear(market)
    certificates = tuple(certificate_of(market, table) for table in cleared.tables)
    solution = Solution(plan=plan_of(problem, market, cleared), certificates=certificates)
    bound_s, values = timed(lambda: [bound(problem, certificate) for certificate in certificates], repeats)
    if values != [fast.bound(certificate) for certificate in certificates]:
        raise NotSolvedError(f"{case.name}: the bounds of the rules and of the miner differ")
    check_s, _ = timed(lambda: check_solution(problem, solution), repeats)
    return bound_s, check_s
