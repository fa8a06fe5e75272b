"""How a light client stands: what it waits for, and how much of what it shows was proven."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Standing(Enum):
    """What the client is doing; trades are made while following only."""

    WAITING_FOR_CLOCK = "waiting for the clock"
    """The clock is behind the newest trusted header: neither age nor earliness can be told."""
    SYNCING = "syncing"
    """On the way to the newest header."""
    FOLLOWING = "following"
    """The newest header of the primary server is trusted."""
    EXPIRED = "expired"
    """The trusting period is over: only a checkpoint of the registry helps."""
    HALTED = "halted"
    """A committee contradicted itself or the rules; only a checkpoint of the registry helps."""


NEXT_STANDINGS = {
    Standing.WAITING_FOR_CLOCK: {Standing.SYNCING, Standing.EXPIRED},
    Standing.SYNCING: {
        Standing.FOLLOWING,
        Standing.WAITING_FOR_CLOCK,
        Standing.EXPIRED,
        Standing.HALTED,
    },
    Standing.FOLLOWING: {
        Standing.SYNCING,
        Standing.WAITING_FOR_CLOCK,
        Standing.EXPIRED,
        Standing.HALTED,
    },
    Standing.EXPIRED: {Standing.SYNCING, Standing.WAITING_FOR_CLOCK, Standing.HALTED},
    Standing.HALTED: {Standing.SYNCING},
}
"""From standing to standing."""


class ProofLevel(Enum):
    """How much of the newest block was proven to this meter."""

    NONE = "nothing"
    HEADERS = "headers"
    """A quorum of the known committee signed it; what it says is the quorum's word."""
    OWN_TRADES = "own trades"
    """Besides, own trades were proven to be final, within the own offers, and none is waited for."""
    SOLUTIONS = "whole solutions"
    """Besides, the clearing of everybody was judged anew: feasible, optimal, shared and priced by the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A picture of the client for people and programs."""

    standing: Standing
    level: ProofLevel
    why: str
    """Why the level is no higher, or why trading stopped; empty where nothing is amiss."""
    height: int
    header_time_ms: int
    audited_height: int
    """Up to here every clearing was judged anew."""
    server: str
    switches: int
    witness_agreed_ms: int | None
    """When a second server last agreed, UTC ms; None: never in this life."""
    unproven_trades: int
    refused: dict[str, int]
    """Rule id -> refusals."""

    @property
    def may_trade(self) -> bool:
        """Whether offers may be posted."""
        return self.standing is Standing.FOLLOWING

    def to_document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "standing": self.standing.value,
            "may_trade": self.may_trade,
            "level": self.level.value,
            "why": self.why,
            "height": self.height,
            "header_time_ms": self.header_time_ms,
            "audited_height": self.audited_height,
            "server": self.server,
            "switches": self.switches,
            "witness_agreed_ms": self.witness_agreed_ms,
            "unproven_trades": self.unproven_trades,
            "refused": dict(sorted(self.refused.items())),
        }
