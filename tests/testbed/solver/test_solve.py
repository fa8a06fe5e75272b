"""The solver's answers against the pairwise market, which shares no code with it, and against published optima."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import check_solution
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import OBJECTIVE_ORDERS, MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.scaling import scale
from testbed.scenarios.transax import microgrid
from testbed.solver.arrays import market_of, market_of_table
from testbed.solver.clear import clear
from testbed.solver.errors import TooLargeError, UnknownFeederError, UnsupportedObjectiveError
from testbed.solver.rolling import clear_at_once, clear_day, open_offers
from testbed.solver.runs import Ints
from testbed.solver.solve import Outcome, solve
from testbed.solver.task import Cleared, Duals, Task
from tests.oracles.pairwise import PairMarket, optimum
from tests.oracles.translate import problem_from
from tests.property.markets import markets, random_market

DAY = date(2026, 6, 14)
PRICE = 150_000
PAPER_UNIT_J = 900_000
UNIFORM = MarketParams(uniform_price_uc_per_kwh=PRICE)


def _agrees_with_the_oracle(market: PairMarket) -> None:
    solved = solve(problem_from(market))
    best = optimum(market)
    assert solved.proven is not None
    assert solved.proven.values == (best.energy, -best.expiry_cost)
    assert solved.outcome is Outcome.OPTIMAL


@given(markets())
def test_any_market_is_cleared_as_well_as_pair_by_pair(market: PairMarket) -> None:
    _agrees_with_the_oracle(market)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("seed", range(150))
def test_random_markets_are_cleared_as_well_as_pair_by_pair(seed: int, uniform: bool) -> None:
    _agrees_with_the_oracle(random_market(seed, uniform=uniform, unit=12))


def _one(
    number: int, side: Side, feeder: int, energy_j: int, *, price: int = PRICE, first: int = 0, last: int = 0
) -> OpenOffer:
    return OpenOffer(
        offer_id=OfferId(number),
        address=Address(bytes(ADDRESS_BYTES)),
        side=side,
        feeder=FeederId(feeder),
        price_uc_per_kwh=price,
        ranges=((first, last),),
        remaining_j=energy_j,
        escrow_uc=0,
    )


def _problem(*offers: OpenOffer, c_ext_w: int = 100, params: MarketParams | None = None) -> Problem:
    feeders = tuple(Feeder(feeder=FeederId(number), c_ext_w=c_ext_w) for number in (1, 2, 3))
    params = params or MarketParams(interval_s=1)
    return problem_of(
        offers, first_interval=0, params=params, grid=Grid(feeders=feeders, interval_s=params.interval_s)
    )


def test_a_market_without_offers_or_partners_is_proven_empty() -> None:
    for offers in (
        (),
        (_one(1, Side.SELL, 1, 5),),
        (_one(1, Side.SELL, 1, 5, first=0, last=0), _one(2, Side.BUY, 1, 5, first=1, last=1)),
        (_one(1, Side.SELL, 1, 5, price=9), _one(2, Side.BUY, 2, 5, price=8)),
    ):
        solved = solve(_problem(*offers))
        assert solved.outcome is Outcome.OPTIMAL
        assert solved.solution.plan.flows == {}


def test_local_supply_displaced_by_imports_frees_dear_supply_elsewhere() -> None:
    """The network that is no max-flow: a joule of the local seller lets a dearer one serve its feeder."""
    problem = _problem(
        _one(1, Side.SELL, 1, 1, price=1),
        _one(2, Side.SELL, 3, 5, price=10),
        _one(3, Side.BUY, 2, 5, price=5),
        _one(4, Side.BUY, 1, 5, price=20),
        c_ext_w=100,
    )
    feeders = (
        Feeder(feeder=FeederId(1), c_ext_w=0),
        *(Feeder(feeder=FeederId(n), c_ext_w=100) for n in (2, 3)),
    )
    closed = Problem(
        first_interval=0,
        params=problem.params,
        grid=Grid(feeders=feeders, interval_s=1),
        classes=problem.classes,
        shares=problem.shares,
    )
    proven = solve(closed).proven
    assert proven is not None
    assert proven.values[0] == 2


def test_welfare_is_certified_where_there_is_one_price() -> None:
    params = MarketParams(interval_s=1, objectives=OBJECTIVE_ORDERS[1], uniform_price_uc_per_kwh=PRICE)
    offers = (_one(1, Side.SELL, 1, 5), _one(2, Side.BUY, 2, 9), _one(3, Side.SELL, 2, 7, last=3))
    solved = solve(_problem(*offers, params=params))
    assert solved.outcome is Outcome.OPTIMAL
    assert solved.proven is not None
    assert solved.proven.values == (9, -((128 * 0) * 5 + (128 * 3) * 4), 0)


def test_other_objectives_sizes_and_feeders_are_refused_by_name() -> None:
    welfare = MarketParams(interval_s=1, objectives=OBJECTIVE_ORDERS[1])
    with pytest.raises(UnsupportedObjectiveError):
        solve(_problem(_one(1, Side.SELL, 1, 5, price=4), _one(2, Side.BUY, 1, 5), params=welfare))
    with pytest.raises(UnknownFeederError):
        solve(_problem(_one(1, Side.SELL, 9, 5), _one(2, Side.BUY, 1, 5)))
    with pytest.raises(TooLargeError):
        solve(_problem(_one(1, Side.SELL, 1, 1 << 52), _one(2, Side.BUY, 1, 5)))


def test_an_answer_short_of_the_optimum_is_called_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken flow solver, which leaves a joule on the table, is found out by the certificate it ends up with."""
    sound = Task.judged

    def lazy(task: Task, sold: Ints, bought: Ints, duals: Duals) -> Cleared:
        sold[np.argmax(sold)] -= 1
        bought[np.argmax(bought)] -= 1
        return sound(task, sold, bought, duals)

    monkeypatch.setattr(Task, "judged", lazy)
    solved = solve(
        _problem(
            _one(1, Side.SELL, 1, 5),
            _one(2, Side.BUY, 1, 5, price=PRICE + 1),
            params=MarketParams(interval_s=1),
        )
    )
    assert solved.outcome is Outcome.GAP
    assert solved.gaps[0] == 1
    assert solved.proven is None


@pytest.mark.parametrize(
    ("variant", "c_int_w", "paper_units"),
    [
        ("noBattery", None, "3263.8"),
        ("withBattery", None, "3443.8"),
        ("noBattery", 25_000, "2874.0"),
        ("withBattery", 25_000, "3091.1"),
    ],
)
def test_published_day(shared_data: Path, variant: str, c_int_w: int | None, paper_units: str) -> None:
    scenario = microgrid(shared_data / "transax" / variant, day=DAY, c_ext_w=20_000, c_int_w=c_int_w)
    grid = Grid(feeders=scenario.feeders, interval_s=900)
    expected = round(float(paper_units) * PAPER_UNIT_J)
    offers = open_offers(scenario)
    offline = clear_at_once(offers, first_interval=scenario.first_interval, params=UNIFORM, grid=grid)
    assert offline.solved.proven is not None
    assert offline.solved.gaps == (0, 0)
    assert offline.solved.proven.values[0] == expected
    rolling = clear_day(offers, window=2, params=UNIFORM, grid=grid)
    assert rolling.traded_j == expected
    assert all(clearing.solved.outcome is Outcome.OPTIMAL for clearing in rolling.clearings)


@pytest.mark.parametrize(("copies", "paper_units"), [(1, "3422.5"), (4, "13527.4")])
def test_published_day_with_prices(shared_data: Path, copies: int, paper_units: str) -> None:
    scenario = microgrid(shared_data / "transax" / "withBattery", day=DAY, c_ext_w=20_000)
    table = scale(OfferColumns.of(scenario.offers), copies, priced=True)
    feeders = tuple(
        Feeder(feeder=FeederId(number), c_ext_w=20_000) for number in np.unique(table.feeder).tolist()
    )
    market, *_ = market_of_table(
        table,
        first_interval=scenario.first_interval,
        params=MarketParams(),
        grid=Grid(feeders=feeders, interval_s=900),
    )
    cleared = clear(market)
    assert cleared.values[0] == round(float(paper_units) * PAPER_UNIT_J)
    assert cleared.gaps == (0, 0)


@pytest.mark.parametrize("seed", range(30))
def test_columns_from_a_table_equal_columns_from_a_problem(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(0, 40))
    first = random.integers(0, 4, count)
    table = OfferColumns(
        side=random.integers(0, 2, count),
        feeder=random.integers(1, 4, count),
        price_uc_per_kwh=random.integers(0, 4, count),
        energy_j=random.integers(1, 9, count),
        first_interval=first,
        last_interval=first + random.integers(0, 3, count),
        home_id=np.zeros(count, np.int64),
        post_interval=np.zeros(count, np.int64),
    )
    offers = [
        _one(number, Side(side), feeder, energy, price=price, first=low, last=high)
        for number, (side, feeder, energy, price, low, high) in enumerate(
            zip(
                table.side.tolist(),
                table.feeder.tolist(),
                table.energy_j.tolist(),
                table.price_uc_per_kwh.tolist(),
                table.first_interval.tolist(),
                table.last_interval.tolist(),
                strict=True,
            )
        )
    ]
    grid = Grid(
        feeders=tuple(Feeder(feeder=FeederId(number), c_ext_w=5) for number in (1, 2, 3)), interval_s=1
    )
    params = MarketParams(interval_s=1)
    problem = problem_of(offers, first_interval=2, params=params, grid=grid)
    expected = market_of(problem)
    found, members = market_of_table(table, first_interval=2, params=params, grid=grid)
    for one, other in ((found.sells, expected.sells), (found.buys, expected.buys)):
        for name in ("feeder", "price", "energy", "last", "entry_class", "entry_t"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert found.two_sided.tolist() == expected.two_sided.tolist()
    for side, part in zip(Side, members, strict=True):
        keys = [key for key in problem.classes if key.side == side]
        groups = np.split(part.rows, part.bounds[1:-1]) if keys else []
        assert [group.tolist() for group in groups] == [
            [number for number, _ in problem.shares[key]] for key in keys
        ]
        assert part.first.tolist() == [key.ranges[0][0] - 2 for key in keys]


def test_the_verdict_is_that_of_the_rules() -> None:
    problem = problem_from(random_market(3, uniform=False, unit=12))
    solved = solve(problem)
    assert solved.proven == check_solution(problem, solved.solution)
    stolen = solve(problem_from(random_market(4, uniform=False, unit=12))).solution
    with pytest.raises(RuleViolation):
        check_solution(problem, stolen)
