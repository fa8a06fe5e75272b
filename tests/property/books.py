"""Random order books of one interval: few prices and feeders, so that ties and binding limits are common."""

from __future__ import annotations

from random import Random

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.mechanisms.kinds import MechanismParams
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import Address, FeederId, OfferId, Side
from tests.oracles.auctions import Limits, Offer

LENGTH_S = 900


def random_book(seed: int) -> tuple[list[Offer], Limits, int]:
    """Offers, limits and the interval, all from ``seed``."""
    random = Random(seed)
    feeders = sorted(random.sample(range(9), random.randint(1, 4)))
    limits: Limits = {
        feeder: (
            random.choice((0, 1_000, 3_000, 1_000_000)) * LENGTH_S,
            random.choice((None, None, 0, 2_000, 5_000)) if random.random() < 0.5 else None,
        )
        for feeder in feeders
    }
    limits = {f: (ext, None if inner is None else inner * LENGTH_S) for f, (ext, inner) in limits.items()}
    prices = random.sample(range(0, 1_200_000, 99_999), random.randint(1, 6))
    offers = [
        (
            number,
            random.randint(0, 1),
            random.choice(feeders),
            random.choice(prices),
            random.choice((1, 7_333, 900_000, 1_800_000, 2_700_001)),
        )
        for number in sorted(random.sample(range(1, 60), random.randint(0, 14)))
    ]
    return offers, limits, random.choice((0, 5, 1_000_001))


def problem_of_book(
    offers: list[Offer],
    limits: Limits,
    interval: int,
    mechanism: MechanismParams,
    improved: dict[int, int] | None = None,
) -> Problem:
    """The same book as a problem of the product; every third offer has a later interval as well."""
    opened = [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(number.to_bytes(20, "big")),
            side=Side(side),
            feeder=FeederId(feeder),
            price_uc_per_kwh=price,
            ranges=((interval, interval + (number % 3 == 0)),),
            remaining_j=energy,
            escrow_uc=0,
        )
        for number, side, feeder, price, energy in offers
    ]
    grid = Grid(
        feeders=tuple(
            Feeder(
                feeder=FeederId(feeder),
                c_ext_w=external // LENGTH_S,
                c_int_w=None if internal is None else internal // LENGTH_S,
            )
            for feeder, (external, internal) in sorted(limits.items())
        ),
        interval_s=LENGTH_S,
    )
    reaction = None
    if improved is not None:
        reaction = Reaction(
            interval=interval,
            average_uc_per_kwh=0,
            gate_offer=1_000,
            limits={OfferId(number): limit for number, limit in improved.items()},
        )
    params = MarketParams(interval_s=LENGTH_S, mechanism=mechanism)
    return problem_of(opened, first_interval=interval, params=params, grid=grid, reaction=reaction)
