"""What a mechanism makes of a problem, and how everybody knows that it is right.

    kind              what a block carries      how it is judged
    maximum energy    a plan and dual prices    ``clearing.check_solution``: feasible, and as good as the bound
    auctions          nothing                   everybody computes what follows from the offers, and asks of it again
                                                what must hold of any outcome (``checking.check_trades``)

A verifier derives the problem from its own state. A certificate may come from anybody: none makes a wrong plan pass.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from light_client.rules.market.clearing import Trade
from light_client.rules.market.problem import Problem


class Transfer(NamedTuple):
    """Energy that goes from sellers on one feeder to buyers on one, in the order in which it was matched."""

    from_feeder: int
    to_feeder: int
    energy_j: int


class Outcome(NamedTuple):
    """What becomes final of an interval."""

    trades: tuple[Trade, ...]
    """Ascending by offer number."""
    transfers: tuple[Transfer, ...]


class Recomputed(Protocol):
    """A mechanism that needs no solver: its outcome follows from the offers."""

    def average(self, problem: Problem, /) -> int | None:
        """Price to broadcast when the gate closes, micro-currency per kWh; None: the interval clears at once."""

    def outcome(self, problem: Problem, /) -> Outcome:
        """What becomes final of the problem's first interval."""
