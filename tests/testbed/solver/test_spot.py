"""The closed form of spot markets finds what the flow finds and what any pairing finds, and proves it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.solver import clear as clearing
from testbed.solver.arrays import Market, market_of
from testbed.solver.clear import clear
from testbed.solver.runs import positions, upto_each
from testbed.solver.solve import Outcome, solve
from testbed.solver.spot import clear_spot, is_spot
from testbed.solver.task import valued
from tests.oracles.pairwise import PairMarket, PairOffer, optimum
from tests.oracles.translate import problem_from
from tests.property.markets import random_market


def _spot_market(seed: int) -> PairMarket | None:
    """A random market of one price: buyers want one of two intervals, sellers one of these at most, and any others."""
    random, market = Random(f"spot {seed}"), random_market(seed, uniform=True)
    window = sorted({t for offer in (*market.sells, *market.buys) for t in offer.intervals})
    ends = (window[0], window[-1])
    sells: list[PairOffer] = []
    for offer in market.sells:
        chosen = random.choice(ends)
        intervals = tuple(t for t in offer.intervals if t not in ends or t == chosen)
        if intervals:
            sells.append(replace(offer, intervals=intervals))
    buys = tuple(replace(offer, intervals=(random.choice(ends),)) for offer in market.buys)
    return replace(market, sells=tuple(sells), buys=buys) if sells else None


def _spots(seeds: range) -> list[Market]:
    found = [market_of(problem_from(market)) for seed in seeds if (market := _spot_market(seed))]
    return [market for market in found if is_spot(market)]


@pytest.mark.parametrize("block", range(8))
def test_it_is_cleared_as_well_as_pair_by_pair_and_the_rules_agree(block: int) -> None:
    seen = 0
    for seed in range(block * 50, (block + 1) * 50):
        market = _spot_market(seed)
        if market is None or not is_spot(market_of(problem_from(market))):
            continue
        solved, best = solve(problem_from(market)), optimum(market)
        assert solved.outcome is Outcome.OPTIMAL, seed
        assert solved.proven is not None
        assert solved.proven.values == (best.energy, -best.expiry_cost), seed
        seen += 1
    assert seen >= 20


def test_it_finds_what_the_flow_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    markets = _spots(range(1_000, 1_600))
    closed = [clear(market) for market in markets]
    monkeypatch.setattr(clearing, "is_spot", lambda _: False)
    for market, answer in zip(markets, closed, strict=True):
        by_flow = clear(market)
        assert answer.stats.flows == 0
        assert by_flow.stats.flows > 0
        assert (answer.values, answer.bounds) == (by_flow.values, by_flow.bounds)
    assert sum(answer.values[0] > 0 for answer in closed) > 100
    assert len({len(market.two_sided) for market in markets}) > 1


def test_whoever_has_a_choice_is_no_spot_market() -> None:
    choice = [market_of(problem_from(random_market(seed, uniform=True))) for seed in range(60)]
    visible = [
        max(np.bincount(side.entry_class).max(initial=0) for side in (market.sells, market.buys))
        for market in choice
    ]
    assert [is_spot(market) for market in choice] == [
        len(market.two_sided) > 0 and most == 1 for market, most in zip(choice, visible, strict=True)
    ]
    assert 0 < sum(is_spot(market) for market in choice) < len(choice)


def test_the_certificates_refuse_any_worse_plan() -> None:
    """A joule less, or a joule of a later expiry, and there is a gap."""
    fewer = later = 0
    for market in _spots(range(2_000, 2_500)):
        best = clear_spot(market)
        for entry in positions(best.sold).tolist():
            sold = best.sold.copy()
            sold[entry] -= 1
            worse = valued(market, sold, best.bought, (best.tables[0], best.tables[1]), best.stats)
            assert worse.gaps[0] == 1
            fewer += 1
            side = market.sells
            idle = positions(
                (best.sold < side.energy[side.entry_class])
                & (side.entry_t == side.entry_t[entry])
                & (side.last[side.entry_class] > side.last[side.entry_class[entry]])
            )
            for other in idle.tolist():
                swapped = sold.copy()
                swapped[other] += 1
                worse = valued(market, swapped, best.bought, (best.tables[0], best.tables[1]), best.stats)
                assert worse.gaps[0] == 0
                assert worse.gaps[1] > 0
                later += 1
    assert fewer > 100
    assert later > 10


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), max_size=6))
def test_running_sums_begin_anew_with_each_run(runs: list[list[int]]) -> None:
    starts = np.cumsum([0, *map(len, runs)])[: len(runs)]
    values = np.array([value for run in runs for value in run], np.int64)
    expected = [sum(run[: at + 1]) for run in runs for at in range(len(run))]
    assert upto_each(values, starts.astype(np.int64)).tolist() == expected
