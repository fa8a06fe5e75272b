"""Trading electricity and heat between communities: who believes the coordinator, and who checks its proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from testbed.experiments.data import folder
from testbed.experiments.findings import Comparison, Findings, Options
from testbed.experiments.papers import POSO
from testbed.experiments.proof import Judged
from testbed.experiments.work import Work
from testbed.experiments.wuzhong import endings
from testbed.experiments.wuzhong.certificate import judge
from testbed.experiments.wuzhong.endings import Ending, Endings, run_all
from testbed.experiments.wuzhong.model import Market, balance_of
from testbed.experiments.wuzhong.pictures import pictures
from testbed.experiments.wuzhong.schemes import Ended, Lie, centralised
from testbed.experiments.wuzhong.workbook import defect_corrected, read_market, read_results

TITLE: Final = "Multi-energy trading: a manipulated price, believed or refused"
SUMMARY: Final = (
    "12 and 120 communities trade electricity and heat; every delegate evaluates the proof of optimality."
)
PAPER: Final = POSO
LIAR: Final = 1
LIE: Final = Lie(victim=5, shown=0.4)
"""What the dishonest coordinator shows to its victim."""
_MWH: Final = "MWh"
_PRICE: Final = "CNY/MWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One market that was cleared, and judged."""

    market: Market
    ended: Ended
    judged: Judged
    check_s: float


def steps(options: Options) -> int:
    """The schemes, the market without the liar, the large market."""
    return endings.STEPS + (1 if options.quick else 2)


def perform(options: Options, work: Work) -> Findings:
    """Clear, lie, check.

    Raises:
        DataUnavailableError: the published workbooks are not there.
        ScenarioFileError: they are not what they should be.
    """
    root = folder(options, "wuzhong", f"the workbooks published with {POSO!r}")
    market = defect_corrected(read_market(root / "12-parameters.xlsx"))
    ends = run_all(market, LIE, work, seed=options.seed)
    honest, lied = _judged(market, ends.honest), _judged(market, ends.lied)
    without = _case(work, "12 communities, the liar blacklisted", market.without(LIAR))
    large = None
    if not options.quick:
        many = defect_corrected(read_market(root / "120-parameters.xlsx"))
        large = _case(work, "120 communities, honest", many)
    return Findings(
        conclusions=_conclusions(ends, honest, lied),
        comparisons=(
            *_prices(root, honest, without),
            *_schemes(ends),
            *_proof(honest, lied),
            *(_large(large) if large is not None else ()),
        ),
        document={
            "check_s": honest.check_s,
            "schemes": [
                {
                    "scheme": row.scheme,
                    "dishonest": row.dishonest,
                    "checked": row.checked,
                    "price": row.ended.cleared.electricity_price,
                    "told": row.ended.told,
                    "damage": ends.damage(row),
                    "kept": row.kept,
                    "noticed": row.noticed,
                }
                for row in ends.rows
            ],
        },
        pictures=pictures(ends),
        settings=(
            "data: 12 and 120 communities, one hour; plants of four communities in twelve corrected (defect D1)",
            f"the dishonest coordinator shows community {LIE.victim} {LIE.shown} of the price",
            "money in the table of schemes to whole hundreds; decomposition stops at a change of 0.001 CNY/MWh",
        ),
        tables=(ends.table(),),
    )


def _case(work: Work, name: str, market: Market) -> _Case:
    """One market, cleared honestly (or taken from an earlier start) and, always anew, judged."""
    return _judged(market, work.keep(name, Ended, partial(centralised, market)))


def _judged(market: Market, ended: Ended) -> _Case:
    began = perf_counter()
    judged = judge(market, ended.answer())
    return _Case(market=market, ended=ended, judged=judged, check_s=perf_counter() - began)


def forged(honest: Ended, lied: Ended) -> Ended:
    """The manipulated answer with the honest prices as a forged proof."""
    return replace(lied, cleared=replace(honest.cleared, settings=lied.cleared.settings))


def _conclusions(ends: Endings, honest: _Case, lied: _Case) -> tuple[str, ...]:
    with_honest_prices = _judged(honest.market, forged(ends.honest, ends.lied)).judged
    first = (
        f"Shown {LIE.shown} of the price, community {LIE.victim} sells {_sold(ends, ends.rows[1]):.1f} instead of "
        f"{_sold(ends, ends.rows[0]):.1f} MWh and everybody's price rises from "
        f"{ends.honest.cleared.electricity_price:.2f} to {ends.lied.cleared.electricity_price:.2f} CNY/MWh. Every "
        f"delegate refuses that answer: its own prices prove a bound {100 * lied.judged.gap:.1f} % below its cost, the "
        f"honest ones {100 * with_honest_prices.gap:.1f} %; the honest answer's gap is {honest.judged.gap:.0e}."
    )
    believing = [row for row in ends.rows if row.believed_lie]
    second = (
        f"Run one by one, {len(believing)} of {sum(row.dishonest != 'nobody' for row in ends.rows)} dishonest "
        f"coordinations are believed: {', '.join(f'{row.scheme} ({row.dishonest})' for row in believing)}. Either "
        "the victim has nothing to compare with, or it hears delegates disagree and has to believe most. Agreeing on "
        "messages stops a minority that computes otherwise, and no leader whose message is merely passed on; the proof "
        "stops the leader, and three of five as well, "
        "because honest delegates vote for no answer that is not proven."
    )
    third = (
        "With private data nobody but a community can check its own answer, so the delegates check what is left: that "
        "all signed receipts name one list of prices, and that purchases cancel. That is enough against this lie; that "
        "each community answers its prices as is best for it, it has to see to itself."
    )
    fourth = (
        f"Checking takes {1_000 * honest.check_s:.1f} ms in plain Python, in closed form for every device, and needs "
        "nothing of the solver: no prices, however forged, make a worse answer pass. This problem is easy to solve as "
        "well: proof of solution pays here as protection against whoever coordinates, not as work."
    )
    return first, second, third, fourth


def _sold(ends: Endings, row: Ending) -> float:
    """By the victim, MWh."""
    return -row.bought[list(ends.honest.told).index(LIE.victim)]


def _prices(root: Path, honest: _Case, without: _Case) -> Iterator[Comparison]:
    cleared = honest.ended.cleared
    near = Comparison.near
    yield near("12: electricity price", _PRICE, 639.88, cleared.electricity_price, 0.1, paper=639.9)
    for zone, exact in enumerate((204.434, 176.397, 190.949)):
        yield near(f"12: heat price of zone {zone + 1}", _PRICE, exact, cleared.heat_prices[zone], 0.01)
    yield near("12: cost of the system", "CNY", 1_688_615.97, honest.judged.cost, 1.0)
    alone = without.ended.cleared.electricity_price
    yield near("12: price without the liar", _PRICE, 668.05, alone, 0.3, paper=667.79)
    yield _worst_gas(root, honest)


def _schemes(ends: Endings) -> Iterator[Comparison]:
    """Each scheme at its limits: honest at the true price, deceived at the manipulated one."""
    near, within = Comparison.near, Comparison.within
    victim = f"community {LIE.victim}"
    place = list(ends.honest.told).index(LIE.victim)
    for row in ends.rows:
        what = f"12: {row.scheme}, {row.dishonest}"
        damage = ends.damage(row)
        price = row.ended.cleared.electricity_price
        if row.believed_lie:
            yield near(f"{what}: price", _PRICE, 731.007, price, 0.1, paper=731.0)
            yield near(
                f"{what}: {victim} sees", _PRICE, 292.40, row.ended.told[LIE.victim], 0.05, paper=292.4
            )
            late = "the published run had not converged"
            yield near(f"{what}: it sells", _MWH, 336.7, _sold(ends, row), 3.4, paper=334.8, note=late)
            yield near(f"{what}: it loses", "CNY", 203_512, damage[place], 400)
            yield near(f"{what}: communities 1 and 6 gain", "CNY", 86_381, -(damage[0] + damage[5]), 200)
            yield near(f"{what}: wasted", "CNY", 97_418, row.resources - ends.rows[0].resources, 100)
        else:
            yield near(f"{what}: price", _PRICE, 639.88, price, 0.1, paper=639.9)
            yield near(f"{what}: {victim} sells", _MWH, 713.06, _sold(ends, row), 0.2, paper=713.2)
            yield within(f"{what}: it loses", "CNY", damage[place], -100, 100)
    rounds = len(ends.chained.trace) - 1
    yield replace(
        within("12: rounds of the dual decomposition", "rounds", rounds, 1, 150),
        paper=124,
        note="published steps differ, so limits are compared and never traces",
    )


def _proof(honest: _Case, lied: _Case) -> Iterator[Comparison]:
    of_cost = "of its cost"
    within = Comparison.within
    yield within("12: relative gap of the honest answer", of_cost, honest.judged.gap, -1e-9, 1e-6)
    yield within("12: relative gap of the manipulated answer", of_cost, lied.judged.gap, 0.01, 1.0, "refused")


def _large(case: _Case) -> Iterator[Comparison]:
    near, cleared = Comparison.near, case.ended.cleared
    at_limit = sum(abs(value - 206.1) < 1e-6 for value in cleared.heat_prices)
    yield near("120: electricity price", _PRICE, 637.20, cleared.electricity_price, 0.3, paper=636.98)
    yield near("120: zones whose own heat plant sets the price", "zones", 10, at_limit, 0)
    yield near("120: cost of the system", "CNY", 17_454_605.98, case.judged.cost, 17_000)


def _worst_gas(root: Path, honest: _Case) -> Comparison:
    """Our optimum against the recorded purchases, which stopped short of convergence."""
    recorded = read_results(root / "12-results.xlsx")[0]
    worst = max(
        abs(balance_of(community, settings).gas - row[0])
        for community, settings, row in zip(
            honest.market.communities, honest.ended.cleared.settings, recorded, strict=True
        )
    )
    return Comparison(
        what="12: gas purchase, largest difference from the recorded run",
        unit=_MWH,
        corrected=1.53,
        ours=worst,
        low=0,
        high=1.6,
        note="the recorded run had not converged",
    )
