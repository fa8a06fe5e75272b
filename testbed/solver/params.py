"""How a solver behaves; none of it is a rule of the chain."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.sync.follow import FollowParams


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverParams:
    """Everything that an operator may set."""

    resend_ms: int = 5_000
    """How long a solution may take to appear in a block before it is sent again, ms."""
    follow: FollowParams = field(default_factory=FollowParams)
