"""Which mechanism a genesis chooses, with its parameters; every open question of a published one is a switch here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from light_client.rules.errors import RuleViolation

MAX_REACTION_MS = 86_400_000


class MechanismKind(IntEnum):
    """The mechanisms; numbers as in the genesis."""

    MAXIMUM_ENERGY = 0
    UNIFORM_PRICE = 1
    CONTINUOUS = 2
    TWO_STAGE = 3


class PairPrice(IntEnum):
    """At which price two offers of a continuous auction trade."""

    RESTING = 0
    """That of the offer that came first: the later one took it."""
    MIDPOINT = 1
    """Half-way between the two."""


class Average(IntEnum):
    """Which mean of the first stage's trade prices is broadcast."""

    BY_ENERGY = 0
    """Weighted by energy: cutting a trade into pieces does not move it."""
    BY_TRADE = 1
    """Every pair of price groups counts once."""


def _within(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise RuleViolation(
            "MKT-30", f"parameter {name} of a mechanism", got=value, expected=f"{low}..{high}"
        )


def _one_of(name: str, value: object, kind: type[IntEnum]) -> None:
    if type(value) is not kind:
        raise RuleViolation("MKT-30", f"parameter {name} of a mechanism", got=value, expected=list(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumEnergy:
    """Most energy within the limits, proven by a solver's certificates; its parameters are those of the market."""

    kind: ClassVar[MechanismKind] = MechanismKind.MAXIMUM_ENERGY
    by_solver: ClassVar[bool] = True

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (int(self.kind),)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformPrice:
    """Call auction: all trades of an interval at the price where supply meets demand."""

    kind: ClassVar[MechanismKind] = MechanismKind.UNIFORM_PRICE
    by_solver: ClassVar[bool] = False
    price_permille: int = 500
    """Where in the range of clearing prices the price lies: 0 the lowest, best for buyers; 1000 the highest."""

    def __post_init__(self) -> None:
        _within("price_permille", self.price_permille, 0, 1_000)

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (int(self.kind), self.price_permille)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """Continuous double auction: offers meet in the order of the ledger."""

    kind: ClassVar[MechanismKind] = MechanismKind.CONTINUOUS
    by_solver: ClassVar[bool] = False
    pair_price: PairPrice = PairPrice.RESTING

    def __post_init__(self) -> None:
        _one_of("pair_price", self.pair_price, PairPrice)

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (int(self.kind), int(self.pair_price))


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoStage:
    """Two call auctions at midpoints; the mean price of the first is broadcast before the second.

    Source: section 1 of the paper on blockchain-based distributed power transactions (FAIA241134).
    """

    kind: ClassVar[MechanismKind] = MechanismKind.TWO_STAGE
    by_solver: ClassVar[bool] = False
    average: Average = Average.BY_ENERGY
    reaction_ms: int = 300_000
    """How long after the gate leftover parties may improve their limits, ms; shorter than an interval."""

    def __post_init__(self) -> None:
        _one_of("average", self.average, Average)
        _within("reaction_ms", self.reaction_ms, 1, MAX_REACTION_MS)

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (int(self.kind), int(self.average), self.reaction_ms)


MechanismParams = MaximumEnergy | UniformPrice | Continuous | TwoStage


def mechanism_from_wire(wire: Any) -> MechanismParams:
    """Read the canonical form back.

    Raises:
        RuleViolation: MKT-30 for an unknown mechanism, or parameters that are not its own.
    """
    fields = wire if type(wire) is tuple else ()
    try:
        match fields:
            case (MechanismKind.MAXIMUM_ENERGY,):
                return MaximumEnergy()
            case (MechanismKind.UNIFORM_PRICE, permille):
                return UniformPrice(price_permille=permille)
            case (MechanismKind.CONTINUOUS, pair_price):
                return Continuous(pair_price=PairPrice(pair_price))
            case (MechanismKind.TWO_STAGE, average, reaction_ms):
                return TwoStage(average=Average(average), reaction_ms=reaction_ms)
    except ValueError:
        pass
    raise RuleViolation("MKT-30", "a mechanism of a genesis", got=wire, expected="a kind with its parameters")
