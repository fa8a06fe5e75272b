"""The objectives against their definitions."""

from __future__ import annotations

from hypothesis import given

from light_client.rules.market.objective import expiry_cost, objective_values, traded_energy, welfare
from tests.light_client.rules.market.samples import BUY, SELL, key, plan, problem
from tests.oracles.pairwise import PairMarket, pairs_of, stage_objectives
from tests.oracles.translate import class_market, params_of, problem_from
from tests.property.markets import markets

PLAN = plan(
    {
        key(SELL, 1, 5, 0, 2): {0: 4, 2: 6},
        key(SELL, 1, 7, 1): {1: 3},
        key(BUY, 1, 9, 0, 1, 2): {0: 4, 1: 3, 2: 6},
    }
)


def test_each_objective_is_what_its_definition_says() -> None:
    assert traded_energy(PLAN) == 13
    assert expiry_cost(PLAN, 128) == 4 * (128 * 2 + 0) + 6 * (128 * 2 + 2) + 3 * (128 * 1 + 1)
    assert welfare(PLAN) == 9 * 13 - 5 * 10 - 7 * 3


def test_the_genesis_chooses_which_values_are_certified() -> None:
    two = problem([(1, 5, 9, (0,))], [(1, 5, 9, (0,))], external={1: 0})
    three = problem([(1, 5, 9, (0,))], [(1, 5, 9, (0,))], external={1: 0}, welfare=True)
    assert objective_values(two, PLAN) == (13, -expiry_cost(PLAN, 128))
    assert objective_values(three, PLAN) == (13, -expiry_cost(PLAN, 128), welfare(PLAN))


@given(markets(most_offers=3))
def test_one_pair_is_worth_what_the_pairwise_programme_says(drawn: PairMarket) -> None:
    subject = problem_from(drawn, params_of(drawn, uniform=False, welfare=True))
    classes = class_market(subject)
    sellers = [cls for cls in subject.classes if cls.side == SELL]
    buyers = [cls for cls in subject.classes if cls.side == BUY]
    pairs = pairs_of(classes)
    for (s, b, t), *coefficients in zip(pairs, *stage_objectives(classes, pairs), strict=True):
        single = plan({sellers[s]: {t: 1}, buyers[b]: {t: 1}}, subject.first_interval)
        assert objective_values(subject, single) == tuple(coefficients)
