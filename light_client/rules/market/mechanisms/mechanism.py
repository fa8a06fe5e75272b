"""The interface of all problem kinds: a problem, a claimed solution, and whatever proves it.

    kind                   solution             certificate
    maximum energy         a plan               dual prices, one set for each objective
    auctions               the outcome          nothing: whoever verifies computes it again
    convex optimisation    the variables        multipliers; accepted if the duality gap is small
    nonconvex              the variables        multipliers of a relaxation; accepted within a stated gap

A verifier derives the problem from its own state. A certificate may come from anybody.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from light_client.rules.market.clearing import Trade
from light_client.rules.market.problem import Problem
from light_client.rules.verdict import Verdict

P_contra = TypeVar("P_contra", contravariant=True)
S_contra = TypeVar("S_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


class ProblemKind(Protocol[P_contra, S_contra, C_contra]):
    """Something hard to find or merely tedious, and in any case checked by everybody."""

    def verify(self, problem: P_contra, solution: S_contra, certificate: C_contra, /) -> Verdict:
        """Judge a claimed solution; never raises for what a peer sent, and no certificate makes a wrong one pass."""


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


class Recomputed(ProblemKind[Problem, Outcome, None], Protocol):
    """A mechanism that needs no solver: its outcome follows from the offers."""

    def average(self, problem: Problem, /) -> int | None:
        """Price to broadcast when the gate closes, micro-currency per kWh; None: the interval clears at once."""

    def outcome(self, problem: Problem, /) -> Outcome:
        """What becomes final of the problem's first interval."""
