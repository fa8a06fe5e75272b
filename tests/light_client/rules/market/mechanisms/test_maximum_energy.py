"""The proven mechanism: who delivers to whom under its plan."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from light_client.rules.market.levelling import complete
from light_client.rules.market.mechanisms.maximum_energy import MaximumEnergyMarket
from light_client.rules.units import Side
from tests.light_client.rules.market.samples import problem, proven
from tests.oracles.pairwise import PairMarket
from tests.oracles.translate import params_of, problem_from
from tests.property.markets import markets

MARKET = MaximumEnergyMarket()
SUBJECT = problem(
    [(1, 3, 5, (0,)), (2, 1, 4, (0,))], [(2, 5, 7, (0,)), (1, 3, 2, (0,))], external={1: 99, 2: 99}
)


def test_transfers_pair_both_sides_by_price_then_feeder() -> None:
    outcome = MARKET.outcome(SUBJECT, proven(SUBJECT).plan)
    assert [tuple(transfer) for transfer in outcome.transfers] == [(2, 1, 2), (2, 2, 2), (1, 2, 5)]


@given(markets())
def test_transfers_move_what_is_traded(drawn: PairMarket) -> None:
    subject = problem_from(drawn, params_of(drawn, uniform=False))
    plan = complete(subject, proven(subject).plan)
    outcome = MARKET.outcome(subject, plan)
    feeder_of = {offer: key.feeder for key, members in subject.shares.items() for offer, _ in members}
    for side, place in ((Side.SELL, 0), (Side.BUY, 1)):
        traded: dict[int, int] = {}
        for trade in outcome.trades:
            if trade.side == side:
                feeder = feeder_of[trade.offer_id]  # type: ignore[index]
                traded[feeder] = traded.get(feeder, 0) + trade.energy_j
        moved: dict[int, int] = {}
        for transfer in outcome.transfers:
            moved[transfer[place]] = moved.get(transfer[place], 0) + transfer.energy_j
        assert moved == traded
    assert all(transfer.energy_j > 0 for transfer in outcome.transfers)
    later = replace(subject, first_interval=subject.first_interval + 1_000)
    assert MARKET.outcome(later, plan).transfers == ()
