"""Mechanism of the genesis -> the code that judges it."""

from __future__ import annotations

from light_client.rules.errors import LocalError
from light_client.rules.market.mechanisms.continuous import ContinuousAuction
from light_client.rules.market.mechanisms.kinds import Continuous, MechanismParams, TwoStage, UniformPrice
from light_client.rules.market.mechanisms.mechanism import Recomputed
from light_client.rules.market.mechanisms.two_stage import TwoStageAuction
from light_client.rules.market.mechanisms.uniform_price import UniformPriceAuction


def auction_of(params: MechanismParams) -> Recomputed:
    """The auction of a genesis.

    Raises:
        LocalError: the genesis chose a mechanism that needs a solver.
    """
    match params:
        case UniformPrice():
            return UniformPriceAuction(params)
        case Continuous():
            return ContinuousAuction(params)
        case TwoStage():
            return TwoStageAuction(params)
        case _:
            raise LocalError("this mechanism is not computed, it is solved", got=params.kind.name)
