"""What a light client tells the actor that owns it, among the effects that it wants carried out."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.block import Header
from light_client.rules.units import Address
from light_client.session.actor import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVerified:
    """The next block was verified: its header, its body, and what it cleared."""

    header: Header
    followed: Followed


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceVerified:
    """The account of an own address was proven to be what its verified trades give."""

    address: Address
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceDiffers:
    """The account of an own address was proven, and is not what the verified trades give: no server's fault."""

    address: Address
    height: int
    rule: str
    """LC-26: the DSO granted more than it was asked for; LC-15: anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """A committee contradicted itself or the rules: nothing may be traded until the registry made a new anchor."""

    reason: str


News = BlockVerified | BalanceVerified | BalanceDiffers | Halted
Output = Effect | News
