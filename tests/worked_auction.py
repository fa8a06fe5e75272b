"""The worked auction of docs/protocol.md: four offers of one interval, cleared by each mechanism."""

from __future__ import annotations

from light_client.rules.market.clearing import Trade
from light_client.rules.market.grid import Grid
from light_client.rules.market.mechanisms.kinds import MechanismParams
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import problem_of
from light_client.rules.units import Address, FeederId, OfferId, Side

FIRST = 2_000_001
LIMITS = ((Side.SELL, 1, 100_000), (Side.SELL, 1, 260_000), (Side.BUY, 2, 300_000), (Side.BUY, 2, 200_000))
"""Side, feeder and limit of the offers 1 to 4 of the worked auction."""
REACTION = Reaction(
    interval=FIRST,
    average_uc_per_kwh=200_000,
    gate_offer=5,
    limits={OfferId(2): 220_000, OfferId(4): 230_000},
)


def auctioned(mechanism: MechanismParams, grid: Grid, reaction: Reaction | None = None) -> tuple[Trade, ...]:
    """Return the final trades of the worked auction."""
    problem = problem_of(
        (
            OpenOffer(
                offer_id=OfferId(number),
                address=Address(bytes(20)),
                side=side,
                feeder=FeederId(feeder),
                price_uc_per_kwh=price,
                ranges=((FIRST, FIRST),),
                remaining_j=3_600_000,
                escrow_uc=0,
            )
            for number, (side, feeder, price) in enumerate(LIMITS, start=1)
        ),
        first_interval=FIRST,
        params=MarketParams(mechanism=mechanism),
        grid=grid,
        reaction=reaction,
    )
    return auction_of(mechanism).outcome(problem).trades
