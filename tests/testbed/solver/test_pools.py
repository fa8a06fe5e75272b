"""Pooling changes how many columns a program has, never what it finds."""

from __future__ import annotations

import numpy as np
import pytest

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.params import MarketParams
from light_client.rules.units import FeederId, Side
from testbed.scenarios.columns import OfferColumns
from testbed.solver import levels
from testbed.solver.arrays import Market, market_of_table
from testbed.solver.clear import clear
from testbed.solver.pools import pool, spread
from testbed.solver.reduction import reduce


def _market(seed: int, *, batteries: int = 12) -> Market:
    """Batteries of few homes whose offers end together, and buyers of single intervals."""
    random = np.random.default_rng(seed)
    demands, end = 30, 7
    start = random.integers(0, end + 1, batteries)
    at = random.integers(0, end + 1, demands)
    count = batteries + demands
    home = random.integers(0, 3, batteries)
    columns = OfferColumns(
        side=np.concatenate((np.full(batteries, Side.SELL), np.full(demands, Side.BUY))),
        feeder=np.concatenate((1 + home % 2, random.integers(1, 4, demands))),
        price_uc_per_kwh=np.concatenate((home * 10, random.integers(0, 40, demands))),
        energy_j=random.integers(1, 30, count) * 3_600,
        first_interval=np.concatenate((start, at)),
        last_interval=np.concatenate((np.full(batteries, end), at)),
        home_id=np.zeros(count, np.int64),
        post_interval=np.zeros(count, np.int64),
    )
    feeders = tuple(
        Feeder(feeder=FeederId(f), c_ext_w=80, c_int_w=100 if f == 1 else None) for f in (1, 2, 3)
    )
    market, _ = market_of_table(
        columns, first_interval=0, params=MarketParams(), grid=Grid(feeders=feeders, interval_s=900)
    )
    return market


def test_batteries_of_one_home_are_one_pool_and_give_back_what_it_trades() -> None:
    market = _market(1)
    arcs = reduce(market).sells
    chosen = np.arange(len(arcs))
    pools = pool(arcs, chosen, market.sells)
    assert len(pools.arc) < len(chosen)
    values = np.zeros(len(pools.arc))
    values[-1] = pools.limit[-1]  # the last interval takes everything that the last pool has
    handed = spread(pools, chosen, values)
    assert handed.sum() == values.sum()
    assert (handed <= arcs.cap).all()
    assert (arcs.t[handed > 0] == pools.column_t[-1]).all()


@pytest.mark.parametrize("seed", range(40))
def test_markets_of_batteries_are_proven_optimal(seed: int) -> None:
    cleared = clear(_market(seed))
    assert cleared.gaps == (0, 0)
    assert cleared.stats.programs >= 1


@pytest.mark.parametrize("seed", range(20))
def test_relaxing_levels_first_finds_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = clear(_market(seed))
    monkeypatch.setattr(levels, "FEW_LEVELS", 0)
    relaxed = clear(_market(seed))
    assert relaxed.values == at_once.values
    assert relaxed.gaps == (0, 0)


def test_levels_that_matter_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relaxation that is never refined would sell dear energy to low bidders, and is refused by its own check."""
    monkeypatch.setattr(levels, "FEW_LEVELS", 0)
    parted = [clear(_market(seed)).stats.programs for seed in range(20)]
    assert max(parted) > 1
