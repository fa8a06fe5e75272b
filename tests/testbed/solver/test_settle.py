"""Levelling, shares and payments in columns equal the rules, interval after interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import final_trades
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.levelling import Demand, complete, level
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.market.settlement import Fill, amounts, group_values
from light_client.rules.market.shares import prefix_shares
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side
from testbed.scenarios.columns import OfferColumns
from testbed.solver.arrays import market_of, market_of_table
from testbed.solver.clear import clear
from testbed.solver.levelling import level_interval
from testbed.solver.settle import settle
from testbed.solver.shares import Fills
from testbed.solver.solve import plan_of


def _table(random: np.random.Generator, *, uniform: bool, unit: int) -> OfferColumns:
    count = int(random.integers(2, 30))
    first = random.integers(0, 4, count)
    return OfferColumns(
        side=random.integers(0, 2, count),
        feeder=random.integers(1, 4, count),
        price_uc_per_kwh=np.full(count, 7) if uniform else random.integers(0, 5, count) * 40_001,
        energy_j=random.integers(1, 9, count) * unit,
        first_interval=first,
        last_interval=first + random.integers(0, 3, count) * random.integers(0, 2, count),
        home_id=np.zeros(count, np.int64),
        post_interval=np.zeros(count, np.int64),
    )


def _offers(table: OfferColumns) -> list[OpenOffer]:
    names = ("side", "feeder", "price_uc_per_kwh", "energy_j", "first_interval", "last_interval")
    rows = zip(*(getattr(table, name).tolist() for name in names), strict=True)
    return [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(bytes(ADDRESS_BYTES)),
            side=Side(side),
            feeder=FeederId(feeder),
            price_uc_per_kwh=price,
            ranges=((first, last),),
            remaining_j=energy,
            escrow_uc=0,
        )
        for number, (side, feeder, price, energy, first, last) in enumerate(rows)
    ]


def _by_the_rules(problem: Problem) -> list[tuple[int, int, int, int, int]]:
    """All trades of a solved problem: the rules' levelling, shares and amounts, interval after interval."""
    market = market_of(problem)
    plan = complete(problem, plan_of(problem, market, clear(market)))
    left = {number: energy for members in problem.shares.values() for number, energy in members}
    trades: list[tuple[int, int, int, int, int]] = []
    for t in sorted({t for entries in plan.flows.values() for t, _ in entries}):
        sides: tuple[list[Fill], list[Fill]] = ([], [])
        for key, entries in plan.flows.items():
            members = [number for number, _ in problem.shares[key]]
            split = prefix_shares([left[number] for number in members], dict(entries).get(t, 0))
            for number, energy in zip(members, split, strict=True):
                left[number] -= energy
                if energy:
                    sides[key.side].append(Fill(number, key.side, key.price_uc_per_kwh, energy))
        sold, bought = group_values(*sides)
        money = amounts(sides[0], sold) | amounts(sides[1], bought)
        trades += [(f.offer_id, f.side, t, f.energy_j, money[f.offer_id]) for side in sides for f in side]
        if t == problem.first_interval:
            assert sorted(trades) == [tuple(trade) for trade in final_trades(problem, plan)]
    return sorted(trades)


def _rows(
    fills: Fills, amounts: np.ndarray, side: Side, times: np.ndarray
) -> list[tuple[int, int, int, int, int]]:
    columns = (fills.row.tolist(), times[fills.t].tolist(), fills.energy.tolist(), amounts.tolist())
    return [(row, int(side), t, energy, amount) for row, t, energy, amount in zip(*columns, strict=True)]


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("unit", [90_000, 3_600_000_000])
@pytest.mark.parametrize("seed", range(40))
def test_all_trades_of_a_day_equal_the_rules(seed: int, unit: int, uniform: bool) -> None:
    random = np.random.default_rng(seed)
    table = _table(random, uniform=uniform, unit=unit)
    limits = random.integers(0, 20, 6).tolist()
    feeders = tuple(
        Feeder(
            feeder=FeederId(number),
            c_ext_w=limits[number] * unit // 900,
            c_int_w=None if limits[number + 2] % 3 else limits[number + 2] * unit // 900,
        )
        for number in (1, 2, 3)
    )
    grid, params = (
        Grid(feeders=feeders, interval_s=900),
        MarketParams(uniform_price_uc_per_kwh=7 if uniform else None),
    )
    expected = _by_the_rules(problem_of(_offers(table), first_interval=0, params=params, grid=grid))
    market, members = market_of_table(table, first_interval=0, params=params, grid=grid)
    settled = settle(table, market, members, clear(market))
    found = _rows(settled.sold, settled.received, Side.SELL, market.two_sided)
    found += _rows(settled.bought, settled.paid, Side.BUY, market.two_sided)
    assert sorted(found) == expected
    assert int(settled.received.sum()) == int(settled.paid.sum())


_bounds = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(sorted)


@given(
    st.lists(_bounds, min_size=1, max_size=7), st.integers(0, 120), st.sampled_from((1, 2, 90_000, 1 << 36))
)
def test_levelling_an_interval_equals_the_rule(rows: list[list[int]], needed: int, unit: int) -> None:
    demands = [
        Demand(feeder=f, low=low * unit, high=high * unit, demand=d * unit)
        for f, (low, high, d) in enumerate(rows)
    ]
    demand, low, high = (
        np.array([getattr(row, name) for row in demands], np.int64) for name in ("demand", "low", "high")
    )
    try:
        expected = level(demands, needed * unit // 2)
    except RuleViolation as error:
        refusal = error
    else:
        found = level_interval(demand, low, high, needed * unit // 2).tolist()
        assert found == [expected[f] for f in range(len(demands))]
        return
    with pytest.raises(RuleViolation, match=refusal.rule):
        level_interval(demand, low, high, needed * unit // 2)
