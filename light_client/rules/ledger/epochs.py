"""Epochs: stretches of blocks in which one committee signs, and the numbers that rule its election."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import MAX_COMMITTEE

PPM = 1_000_000
"""Parts per million: one whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochParams:
    """How long an epoch lasts and how the next committee is chosen; part of the genesis.

    Raises:
        RuleViolation: CNS-20.
    """

    blocks: int = 1_024
    """Blocks of an epoch. The committee changes after an epoch's last block only."""
    seats: int = 4
    """Most seats of an elected committee."""
    min_seats: int = 4
    """With fewer eligible candidates than this the committee stays as it is."""
    alpha_ppm: int = 500_000
    """Weight of the reputation in the score, parts per million; the amount has the rest."""
    history: int = 8
    """How many epochs of deliveries count, the one that ends included."""
    newcomer_ppm: int = 500_000
    """Reputation of a candidate that has promised and delivered nothing in the history."""
    amount_cap: int = 2
    """Amounts count up to so many times the median of all positive ones."""

    def __post_init__(self) -> None:
        bounds = (
            ("blocks", 1, 1 << 31),
            ("seats", 1, MAX_COMMITTEE),
            ("min_seats", 1, MAX_COMMITTEE),
            ("alpha_ppm", 0, PPM),
            ("history", 1, 64),
            ("newcomer_ppm", 0, PPM),
            ("amount_cap", 1, PPM),
        )
        for name, low, high in bounds:
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise RuleViolation("CNS-20", f"epoch parameter {name}", got=value, expected=f"{low}..{high}")
        if self.min_seats > self.seats:
            raise RuleViolation(
                "CNS-20", "fewest seats of a committee", got=self.min_seats, expected=f"at most {self.seats}"
            )

    @property
    def beta_ppm(self) -> int:
        """Weight of the amount in the score, parts per million."""
        return PPM - self.alpha_ppm

    def epoch_of(self, height: int) -> int:
        """The epoch of a height of at least 1; the first is 0."""
        return (height - 1) // self.blocks

    def last_height(self, epoch: int) -> int:
        """The last height of an epoch: its header names the committee of the next one."""
        return (epoch + 1) * self.blocks

    def ends_at(self, height: int) -> bool:
        """Whether a height is the last of its epoch."""
        return height % self.blocks == 0

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (
            self.blocks,
            self.seats,
            self.min_seats,
            self.alpha_ppm,
            self.history,
            self.newcomer_ppm,
            self.amount_cap,
        )


def epoch_params_from_wire(wire: Any) -> EpochParams:
    """Read the canonical form back.

    Raises:
        RuleViolation: CNS-20.
    """
    if type(wire) is not tuple or len(wire) != 7:
        raise RuleViolation("CNS-20", "epoch parameters", got=wire, expected="7 fields")
    names = ("blocks", "seats", "min_seats", "alpha_ppm", "history", "newcomer_ppm", "amount_cap")
    return EpochParams(**dict(zip(names, wire, strict=True)))
