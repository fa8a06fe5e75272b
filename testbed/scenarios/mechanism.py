"""The section ``[mechanism]`` of a scenario file: how the market clears."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from light_client.rules.market.mechanisms.kinds import (
    Average,
    Continuous,
    MaximumEnergy,
    MechanismParams,
    PairPrice,
    TwoStage,
    UniformPrice,
)
from testbed.scenarios.errors import PlanError


class MechanismName(StrEnum):
    """The mechanisms by their names in files."""

    MAXIMUM_ENERGY = "maximum-energy"
    UNIFORM_PRICE = "uniform-price"
    CONTINUOUS = "continuous"
    TWO_STAGE = "two-stage"


class PairPriceName(StrEnum):
    """``kinds.PairPrice``."""

    RESTING = "resting"
    MIDPOINT = "midpoint"


class AverageName(StrEnum):
    """``kinds.Average``."""

    BY_ENERGY = "by-energy"
    BY_TRADE = "by-trade"


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismSection:
    """A mechanism with its switches; those of another one have no effect."""

    kind: MechanismName = MechanismName.MAXIMUM_ENERGY
    price_permille: int = 500
    """``uniform-price``: where the price lies among the clearing ones, 0 the lowest, 1000 the highest."""
    pair_price: PairPriceName = PairPriceName.RESTING
    """``continuous``: the price of two offers."""
    average: AverageName = AverageName.BY_ENERGY
    """``two-stage``: which mean price is broadcast."""
    reaction_s: int = 300
    """``two-stage``: how long leftover homes may improve their limits, s."""

    def __post_init__(self) -> None:
        if not 0 <= self.price_permille <= 1_000:
            raise PlanError("price_permille", got=self.price_permille, expected="0..1000")
        if not 1 <= self.reaction_s <= 86_400:
            raise PlanError("reaction_s", got=self.reaction_s, expected="1..86400")

    def params(self) -> MechanismParams:
        """What the genesis says."""
        match self.kind:
            case MechanismName.UNIFORM_PRICE:
                return UniformPrice(price_permille=self.price_permille)
            case MechanismName.CONTINUOUS:
                return Continuous(pair_price=PairPrice[self.pair_price.name])
            case MechanismName.TWO_STAGE:
                return TwoStage(average=Average[self.average.name], reaction_ms=self.reaction_s * 1_000)
            case _:
                return MaximumEnergy()
