"""MKT-07 to MKT-09: which valid offers may enter the market now."""

from __future__ import annotations

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.admission import check_admissible
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.intervals import Ranges
from light_client.rules.market.offer import Offer
from light_client.rules.market.params import MarketParams
from light_client.rules.units import LOT_J, MAX_INTERVAL, Address, FeederId, Side

GRID = Grid(feeders=(Feeder(feeder=FeederId(3), c_ext_w=10),), interval_s=900)
PRICED = MarketParams(horizon=4)
UNIFORM = MarketParams(horizon=4, uniform_price_uc_per_kwh=100)


def offer(ranges: Ranges, *, feeder: int = 3, price: int = 100) -> Offer:
    return Offer(
        side=Side.SELL,
        feeder=FeederId(feeder),
        energy_j=LOT_J,
        ranges=ranges,
        price_uc_per_kwh=price,
        address=Address(bytes(20)),
    )


@pytest.mark.parametrize("ranges", [((10, 10),), ((13, 13),), ((10, 11), (13, 13))])
@pytest.mark.parametrize("params", [PRICED, UNIFORM])
def test_an_offer_inside_the_window_enters(ranges: Ranges, params: MarketParams) -> None:
    check_admissible(offer(ranges), first_open=10, params=params, grid=GRID)


@pytest.mark.parametrize("price", [0, 99, 101])
def test_a_priced_market_takes_any_price(price: int) -> None:
    check_admissible(offer(((10, 10),), price=price), first_open=10, params=PRICED, grid=GRID)


@pytest.mark.parametrize(
    ("rule", "candidate"),
    [
        ("MKT-07", offer(((9, 10),))),
        ("MKT-07", offer(((13, 14),))),
        ("MKT-07", offer(((10, MAX_INTERVAL - 1),))),
        ("MKT-08", offer(((10, 10),), feeder=4)),
        ("MKT-09", offer(((10, 10),), price=99)),
        ("MKT-09", offer(((10, 10),), price=101)),
    ],
)
def test_each_rule_of_admission_refuses(rule: str, candidate: Offer) -> None:
    with pytest.raises(RuleViolation) as caught:
        check_admissible(candidate, first_open=10, params=UNIFORM, grid=GRID)
    assert caught.value.rule == rule
