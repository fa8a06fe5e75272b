"""Random small markets that bite: binding limits (also 0), gaps, ties, several offers per class, odd
remaining energies.

Two sources of the same shapes: `random_market`, fast and replayed from one number, and `markets`, a
hypothesis strategy that shrinks. Both speak the oracle's types; `tests.oracles.translate` turns them into
problems of the product.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from tests.oracles.pairwise import PairMarket, PairOffer

UNIFORM_PRICE = 100
EXPIRY_WEIGHT = 128
FIRST_INTERVALS = (0, 7, 1_960_000)


def random_market(
    seed: int, *, uniform: bool | None = None, unit: int | None = None, worn: bool | None = None
) -> PairMarket:
    """A market derived from ``seed`` alone.

    Args:
        seed: of everything that is not given.
        uniform: whether all offers have one price.
        unit: what all energies and limits are multiples of, J.
        worn: whether offers have lost an odd part of their energy to earlier trades; never where ``unit`` is given.
    """
    wear = Random(f"worn {seed}")
    worn = unit is None and wear.random() < 0.2 if worn is None else worn
    random = Random(seed)
    uniform = random.random() < 0.4 if uniform is None else uniform
    unit = random.choice((1, 12, 12, 12, 3_600)) if unit is None else unit
    first = random.choice(FIRST_INTERVALS)
    window = range(first, first + random.choice((1, 1, 2, 3, 4, 5)))
    feeders = sorted(random.sample(range(12), random.randint(1, 4)))
    sellers_in = random.sample(feeders, random.randint(1, len(feeders)))  # the other feeders only import
    prices = (UNIFORM_PRICE,) if uniform else tuple(random.sample(range(9), random.randint(2, 6)))
    sells = _offers(random, random.randint(1, 7), sellers_in, prices, window, unit)
    buys = _offers(random, random.randint(1, 9), feeders, prices, window, unit)
    return PairMarket(
        sells=_partly_traded(wear, sells) if worn else sells,
        buys=_partly_traded(wear, buys) if worn else buys,
        external={feeder: _limit(random, 0.15) * unit for feeder in feeders},
        internal={
            feeder: None if random.random() < 0.5 else _limit(random, 0.1) * unit for feeder in feeders
        },
        expiry_weight=EXPIRY_WEIGHT,
    )


def _partly_traded(random: Random, offers: tuple[PairOffer, ...]) -> tuple[PairOffer, ...]:
    return tuple(replace(offer, energy=random.randint(1, offer.energy)) for offer in offers)


def _limit(random: Random, blocked: float) -> int:
    draw = random.random()
    if draw < blocked:
        return 0
    return random.randint(1, 14) if draw < 0.8 else 1_000


def _offers(
    random: Random, number: int, feeders: list[int], prices: tuple[int, ...], window: range, unit: int
) -> tuple[PairOffer, ...]:
    offers: list[PairOffer] = []
    while len(offers) < number:
        energy = random.randint(1, 12) * unit
        if offers and random.random() < 0.25:  # one more of a class that exists
            offers.append(replace(random.choice(offers), energy=energy))
            continue
        draw = random.random()
        if draw < 0.5 or len(window) == 1:
            intervals = [random.choice(window)]
        elif draw < 0.75:
            start, end = sorted(random.sample(window, 2))
            intervals = list(range(start, end + 1))
        else:
            intervals = sorted(random.sample(window, random.randint(2, len(window))))
        feeder, price = random.choice(feeders), random.choice(prices)
        offers.append(PairOffer(feeder=feeder, price=price, energy=energy, intervals=tuple(intervals)))
    return tuple(offers)


@st.composite
def markets(draw: st.DrawFn, *, uniform: bool | None = None, most_offers: int = 6) -> PairMarket:
    """A market whose energies are multiples of 12 J, so that its plans are whole (see the clearing notes on lots)."""
    flat = draw(st.booleans()) if uniform is None else uniform
    first = draw(st.sampled_from(FIRST_INTERVALS))
    window = range(first, first + draw(st.integers(1, 4)))
    feeders = sorted(draw(st.sets(st.integers(0, 5), min_size=1, max_size=3)))
    limit = st.one_of(st.just(0), st.integers(1, 14).map(lambda units: 12 * units), st.just(12_000))
    offer = st.builds(
        PairOffer,
        feeder=st.sampled_from(feeders),
        price=st.just(UNIFORM_PRICE) if flat else st.integers(0, 5),
        energy=st.integers(1, 12).map(lambda units: 12 * units),
        intervals=st.sets(st.sampled_from(window), min_size=1).map(lambda chosen: tuple(sorted(chosen))),
    )
    offers = st.lists(offer, min_size=1, max_size=most_offers).map(tuple)
    return PairMarket(
        sells=draw(offers),
        buys=draw(offers),
        external={feeder: draw(limit) for feeder in feeders},
        internal={feeder: draw(st.one_of(st.none(), limit)) for feeder in feeders},
        expiry_weight=EXPIRY_WEIGHT,
    )
