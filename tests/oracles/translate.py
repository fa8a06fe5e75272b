"""Between the oracle's market and the product's problem: the only module that knows both."""

from __future__ import annotations

from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import Solution
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.intervals import members, ranges_of
from light_client.rules.market.offer import ClassKey, OpenOffer
from light_client.rules.market.params import OBJECTIVE_ORDERS, MarketParams
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import Address, FeederId, OfferId, Side
from tests.oracles.certifier import Answer
from tests.oracles.pairwise import Flow, PairMarket, PairOffer


def first_interval_of(market: PairMarket) -> int:
    """The first interval that any offer of the market contains."""
    return min(offer.intervals[0] for offer in (*market.sells, *market.buys))


def open_offers(market: PairMarket) -> list[OpenOffer]:
    """The market's offers: sellers are numbered from 1, buyers follow."""
    sides = [Side.SELL] * len(market.sells) + [Side.BUY] * len(market.buys)
    return [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(number.to_bytes(20, "big")),
            side=side,
            feeder=FeederId(offer.feeder),
            price_uc_per_kwh=offer.price,
            ranges=ranges_of(offer.intervals),
            remaining_j=offer.energy,
            escrow_uc=0,
        )
        for number, (side, offer) in enumerate(
            zip(sides, (*market.sells, *market.buys), strict=True), start=1
        )
    ]


def is_uniform(market: PairMarket) -> bool:
    """Whether all offers have one price."""
    return len({offer.price for offer in (*market.sells, *market.buys)}) == 1


def grid_of(market: PairMarket) -> Grid:
    """The market's feeders with intervals of one second, so that watts are joules per interval."""
    feeders = (
        Feeder(feeder=FeederId(feeder), c_ext_w=market.external[feeder], c_int_w=market.internal[feeder])
        for feeder in sorted(market.external)
    )
    return Grid(feeders=tuple(feeders), interval_s=1)


def params_of(
    market: PairMarket, *, uniform: bool | None = None, welfare: bool = False, max_gap_j: int = 0
) -> MarketParams:
    """Parameters for the market; uniform where all its prices are equal, unless told otherwise."""
    uniform = is_uniform(market) if uniform is None else uniform
    return MarketParams(
        interval_s=1,
        expiry_weight=market.expiry_weight,
        uniform_price_uc_per_kwh=market.sells[0].price if uniform else None,
        objectives=OBJECTIVE_ORDERS[welfare],
        max_gap_j=max_gap_j,
    )


def problem_from(market: PairMarket, params: MarketParams | None = None) -> Problem:
    """The market as a problem of the product."""
    return problem_of(
        open_offers(market),
        first_interval=first_interval_of(market),
        params=params or params_of(market),
        grid=grid_of(market),
    )


def class_market(problem: Problem) -> PairMarket:
    """The problem's classes, each as one offer, in the order of the problem."""
    sides: tuple[list[PairOffer], list[PairOffer]] = ([], [])
    for key, energy_j in problem.classes.items():
        offer = PairOffer(
            feeder=key.feeder,
            price=key.price_uc_per_kwh,
            energy=energy_j,
            intervals=tuple(members(key.ranges)),
        )
        sides[key.side].append(offer)
    return PairMarket(
        sells=tuple(sides[Side.SELL]),
        buys=tuple(sides[Side.BUY]),
        external=dict(problem.grid.ext_j),
        internal=dict(problem.grid.int_j),
        expiry_weight=problem.params.expiry_weight,
    )


def class_flows(problem: Problem, plan: Plan) -> tuple[list[Flow], list[Flow]]:
    """A complete plan as flows of `class_market`; a class that the problem lacks becomes offer -1."""
    number = {
        key: i for side in Side for i, key in enumerate(key for key in problem.classes if key.side == side)
    }
    flows: tuple[list[Flow], list[Flow]] = ([], [])
    for key, entries in plan.flows.items():
        flows[key.side].extend((number.get(key, -1), t, energy_j) for t, energy_j in entries)
    return flows


def solution_of(problem: Problem, answer: Answer) -> Solution:
    """An answer of the independent certifier about `class_market(problem)`, as a solution of the product."""
    keys = tuple([key for key in problem.classes if key.side == side] for side in Side)
    flows: dict[ClassKey, dict[int, int]] = {}
    for side, entries in zip(Side, (answer.sold, answer.bought), strict=True):
        for i, t, joules in entries:
            key = keys[side][i]
            if not (problem.uniform and side == Side.BUY and key.single):
                flows.setdefault(key, {})[t] = joules
    plan = Plan(
        first_interval=problem.first_interval,
        flows={key: tuple(sorted(flows[key].items())) for key in sorted(flows)},
    )
    certificates = tuple(
        Certificate(
            weights=proof.weights,
            schedules=proof.schedules,
            net=proof.net,
            production=proof.production,
            consumption=proof.consumption,
        )
        for proof in answer.proofs
    )
    return Solution(plan=plan, certificates=certificates)
