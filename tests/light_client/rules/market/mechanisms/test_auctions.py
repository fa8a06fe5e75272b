"""The three auctions against brute force, and what must hold of each whatever is offered."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.market.clearing import Trade
from light_client.rules.market.mechanisms.checking import check_trades
from light_client.rules.market.mechanisms.kinds import (
    Average,
    Continuous,
    MaximumEnergy,
    MechanismParams,
    PairPrice,
    TwoStage,
    UniformPrice,
)
from light_client.rules.market.mechanisms.mechanism import Outcome
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.market.problem import Problem
from light_client.rules.units import JOULES_PER_KWH, OfferId, Side
from tests.light_client.rules.market.mutants import broken
from tests.oracles import auctions as oracle
from tests.oracles.auctions import Limits, Offer, Traded
from tests.property.books import problem_of_book, random_book

MECHANISMS: tuple[MechanismParams, ...] = (
    UniformPrice(),
    UniformPrice(price_permille=0),
    UniformPrice(price_permille=1_000),
    Continuous(),
    Continuous(pair_price=PairPrice.MIDPOINT),
    TwoStage(),
    TwoStage(average=Average.BY_TRADE),
)
SEEDS = st.integers(0, 1 << 32)


def improvements(seed: int, offers: list[Offer]) -> dict[int, int] | None:
    """Return random improved limits of some offers, or that there is no second stage."""
    random = Random(f"improve {seed}")
    if random.random() < 0.2:
        return None
    return {
        number: random.randint(0, max(price - 1, 0)) if side == 0 else random.randint(price + 1, 1_400_000)
        for number, side, _, price, _ in offers
        if random.random() < 0.6 and (side or price)
    }


def said_by_oracle(
    params: MechanismParams,
    offers: list[Offer],
    limits: Limits,
    interval: int,
    improved: dict[int, int] | None,
) -> Traded:
    """Return what brute force says."""
    match params:
        case UniformPrice():
            return oracle.uniform(offers, limits, interval, params.price_permille)
        case Continuous():
            return oracle.continuous(offers, limits, midpoint=params.pair_price is PairPrice.MIDPOINT)
        case _:
            return oracle.two_stage(offers, limits, interval, improved)


def drawn(params: MechanismParams, seed: int) -> tuple[Problem, Traded]:
    """Return a random problem and what the oracle says of it."""
    offers, limits, interval = random_book(seed)
    improved = improvements(seed, offers) if isinstance(params, TwoStage) else None
    problem = problem_of_book(offers, limits, interval, params, improved)
    return problem, said_by_oracle(params, offers, limits, interval, improved)


def agrees(outcome: Outcome, expected: Traded) -> bool:
    """Whether the energies are the oracle's, and money differs by less than a unit."""
    energies = {trade.offer_id: trade.energy_j for trade in outcome.trades}
    money = (
        abs(trade.amount_uc - expected.money[trade.offer_id] / JOULES_PER_KWH) < 1 for trade in outcome.trades
    )
    return energies == expected.energy and list(outcome.transfers) == expected.flows and all(money)


@pytest.mark.parametrize("params", MECHANISMS, ids=repr)
@given(SEEDS)
def test_an_auction_trades_what_brute_force_says(params: MechanismParams, seed: int) -> None:
    problem, expected = drawn(params, seed)
    assert agrees(auction_of(params).outcome(problem), expected)


@pytest.mark.parametrize("params", MECHANISMS, ids=repr)
@given(SEEDS)
def test_energy_and_money_are_conserved_and_limits_held(params: MechanismParams, seed: int) -> None:
    problem, _ = drawn(params, seed)
    outcome = auction_of(params).outcome(problem)
    limits = {} if problem.reaction is None else problem.reaction.limits
    prices = {offer: key.price_uc_per_kwh for key, members in problem.shares.items() for offer, _ in members}
    sold = [trade for trade in outcome.trades if trade.side == Side.SELL]
    bought = [trade for trade in outcome.trades if trade.side == Side.BUY]
    assert sum(trade.energy_j for trade in sold) == sum(trade.energy_j for trade in bought)
    assert sum(trade.amount_uc for trade in sold) == sum(trade.amount_uc for trade in bought)
    for trade in outcome.trades:
        limit = limits.get(OfferId(trade.offer_id), prices[OfferId(trade.offer_id)])
        exact = Fraction(limit * trade.energy_j, JOULES_PER_KWH)
        assert trade.amount_uc > exact - 1 if trade.side == Side.SELL else trade.amount_uc < exact + 1
    check_trades(problem, outcome.trades)


@given(SEEDS)
def test_a_uniform_price_is_an_equilibrium(seed: int) -> None:
    offers, limits, interval = random_book(seed)
    between = oracle.equilibrium(offers)
    for permille, place in ((0, 0), (1_000, 1)):
        params = UniformPrice(price_permille=permille)
        auction: Any = auction_of(params)
        price = auction.price(problem_of_book(offers, limits, interval, params))
        assert price == (None if between is None else between[place])


@given(SEEDS, st.booleans())
def test_the_broadcast_average_is_that_of_the_first_stage(seed: int, by_energy: bool) -> None:
    offers, limits, interval = random_book(seed)
    params = TwoStage(average=Average.BY_ENERGY if by_energy else Average.BY_TRADE)
    got = auction_of(params).average(problem_of_book(offers, limits, interval, params))
    assert got == oracle.first_average(offers, limits, interval, by_energy=by_energy)


def test_auctions_with_one_stage_broadcast_nothing() -> None:
    for params in (UniformPrice(), Continuous()):
        assert auction_of(params).average(drawn(params, 4)[0]) is None


def test_most_energy_is_solved_and_not_computed() -> None:
    with pytest.raises(LocalError):
        auction_of(MaximumEnergy())


# -- corrupted outcomes --------------------------------------------------------------------------------------------

BOOK: list[Offer] = [
    (1, 0, 1, 100_000, 3_600_000),
    (2, 1, 2, 200_000, 3_600_000),
    (3, 0, 2, 150_000, 3_600_000),
    (4, 1, 1, 160_000, 1_800_000),
]
WIDE: Limits = {1: (3_600_000, 7_200_000), 2: (3_600_000, 7_200_000)}


def changed(outcome: Outcome, *trades: tuple[int, dict[str, int]]) -> Outcome:
    """Return the outcome with fields of some trades, by position, replaced."""
    rows = list(outcome.trades)
    for place, fields in trades:
        rows[place] = rows[place]._replace(**fields)
    return outcome._replace(trades=tuple(rows))


CORRUPTIONS: dict[str, tuple[str, Callable[[Outcome], Outcome]]] = {
    "unknown offer": ("MKT-31", lambda o: changed(o, (0, {"offer_id": 9}))),
    "other side": ("MKT-31", lambda o: changed(o, (0, {"side": 1}))),
    "other interval": ("MKT-31", lambda o: changed(o, (0, {"interval": 8}))),
    "out of order": ("MKT-31", lambda o: o._replace(trades=o.trades[::-1])),
    "twice": ("MKT-31", lambda o: o._replace(trades=(o.trades[0], *o.trades))),
    "nothing": ("MKT-32", lambda o: changed(o, (0, {"energy_j": 0}))),
    "too much": ("MKT-32", lambda o: changed(o, (0, {"energy_j": 3_600_001}))),
    "below a seller": ("MKT-33", lambda o: changed(o, (0, {"amount_uc": 0}))),
    "above a buyer": ("MKT-33", lambda o: changed(o, (1, {"amount_uc": 300_000}))),
    "money from nowhere": ("MKT-34", lambda o: changed(o, (0, {"amount_uc": o.trades[0].amount_uc + 1}))),
    "energy lost": ("MKT-34", lambda o: changed(o, (1, {"energy_j": o.trades[1].energy_j - 1}))),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("params", [UniformPrice(), Continuous(), TwoStage()], ids=lambda p: p.kind.name)
def test_a_corrupted_outcome_is_refused_by_its_rule(params: MechanismParams, name: str) -> None:
    problem = problem_of_book(BOOK, WIDE, 0, params)
    auction = auction_of(params)
    honest = auction.outcome(problem)
    assert len(honest.trades) == 4
    rule, corrupt = CORRUPTIONS[name]
    with pytest.raises(RuleViolation) as broken_rule:
        check_trades(problem, corrupt(honest).trades)
    assert broken_rule.value.rule == rule


@pytest.mark.parametrize(
    ("rule", "limits"),
    [
        ("MKT-14", {1: (900, None), 2: (3_600_000, None)}),
        ("MKT-15", {1: (3_600_000, None), 2: (900, None)}),
        ("MKT-16", {1: (3_600_000, None), 2: (3_600_000, 900)}),
        ("MKT-17", {1: (3_600_000, 900), 2: (3_600_000, None)}),
    ],
)
def test_an_outcome_beyond_a_feeder_is_refused_by_the_rule_of_that_limit(rule: str, limits: Limits) -> None:
    offers: list[Offer] = [(1, 0, 1, 10, 1_800), (2, 1, 2, 10, 1_800)]
    problem = problem_of_book(offers, limits, 0, Continuous())
    auction = auction_of(Continuous())
    assert sum(trade.energy_j for trade in auction.outcome(problem).trades) == 2 * 900
    with pytest.raises(RuleViolation, match=rule):
        check_trades(problem, (Trade(1, 0, 0, 1_800, 0), Trade(2, 1, 0, 1_800, 0)))


# -- broken twins --------------------------------------------------------------------------------------------------

TWINS: dict[str, tuple[MechanismParams, str, tuple[str, str]]] = {
    "uniform: price of the dearest seller": (
        UniformPrice(price_permille=1_000),
        "mechanisms.uniform_price",
        ("high = min(high, asks[ask].price_uc_per_kwh)", "high = low"),
    ),
    "uniform: an unserved buyer is overlooked": (
        UniformPrice(price_permille=0),
        "mechanisms.uniform_price",
        ("low = max(low, bids[bid].price_uc_per_kwh)", "low = low"),
    ),
    "uniform: everybody takes part": (
        UniformPrice(),
        "mechanisms.uniform_price",
        ("if ask.price_uc_per_kwh <= price", "if ask.price_uc_per_kwh >= 0"),
    ),
    "continuous: time before price": (
        Continuous(),
        "mechanisms.continuous",
        ("(-sign * entry.price_uc_per_kwh, entry.offer_id)", "(-entry.offer_id, entry.offer_id)"),
    ),
    "continuous: the price of who comes": (
        Continuous(),
        "mechanisms.continuous",
        ("2 * resting.price_uc_per_kwh", "2 * own.price_uc_per_kwh"),
    ),
    "two stages: no second": (
        TwoStage(),
        "mechanisms.two_stage",
        ("outcome_of(problem.first_interval, first, _stage(problem, rest, room))", "outcome_of(0, first)"),
    ),
    "two stages: the second forgets the limits": (
        TwoStage(),
        "mechanisms.two_stage",
        ("_stage(problem, rest, room)", "_stage(problem, rest, Room(problem.grid))"),
    ),
    "exports are not limited": (
        Continuous(),
        "mechanisms.book",
        ("ext_j[seller] - self._net[seller]", "ext_j[buyer] + self._net[buyer]"),
    ),
    "production is not limited": (TwoStage(), "mechanisms.book", ("produce is not None", "False")),
    "consumption is not limited": (TwoStage(), "mechanisms.book", ("consume is not None", "False")),
    "no turns": (TwoStage(), "mechanisms.book", ("(place - interval) % count", "place")),
    "first come, first served": (
        UniformPrice(),
        "mechanisms.matching",
        ("prefix_shares([left_j for _, left_j in group.members], energy_j)", "_greedy(group, energy_j)"),
    ),
}
GREEDY = """
def _greedy(group, energy_j):
    result = []
    for _, left_j in group.members:
        result.append(min(left_j, energy_j))
        energy_j -= result[-1]
    return result
"""


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_told_from_the_auction(name: str) -> None:
    params, module, (old, new) = TWINS[name]
    changes = [(old, new)]
    if "_greedy" in new:
        changes.append(("def _parts", f"{GREEDY}\ndef _parts"))
    twin = broken(module, *changes)
    auction = twin.auctions.auction_of(twin.kinds.mechanism_from_wire(params.to_wire()))
    for seed in range(400):
        problem, expected = drawn(params, seed)
        if not agrees(auction.outcome(problem), expected):
            break
    else:
        pytest.fail("no book tells the twin from the auction")
