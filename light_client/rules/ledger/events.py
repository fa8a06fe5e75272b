"""Events: what a block did, one per step of the workflow (section 6.4 of the transactive-energy paper)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from light_client.rules.ledger.accountability import Conviction
from light_client.rules.ledger.election import Election
from light_client.rules.ledger.records import Amounts
from light_client.rules.market.clearing import Trade
from light_client.rules.units import Address


class Cleared(IntEnum):
    """How a block cleared an interval; numbers as in the header."""

    NOTHING = 0
    """The block clears no interval."""
    PROVEN = 1
    """By a solution proven optimal (up to the genesis' gap)."""
    KEPT = 2
    """No proven solution in time: by the rest of the last proven plan, with its proven gap."""
    VACUOUS = 3
    """Nothing can trade in any open interval: the empty plan is optimal."""
    COMPUTED = 4
    """By an auction, whose outcome everybody computes from the offers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetAdded:
    """An address was granted energy to sell or to buy."""

    address: Address
    production_j: int
    consumption_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinancialAdded:
    """An address was granted money."""

    address: Address
    money_uc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPosted:
    """An offer was accepted."""

    offer_id: int
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageBroadcast:
    """The first stage of an interval is matched: leftover parties may improve their limits until the second."""

    interval: int
    average_uc_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitImproved:
    """A party improved the limit of its offer for the second stage."""

    offer_id: int
    address: Address
    limit_uc_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SolutionAccepted:
    """A solver's solution was proven."""

    interval: int
    solver: Address
    energy_j: int
    """Energy of the whole plan, J."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolutionFinalised:
    """An interval became final."""

    interval: int
    how: Cleared
    gap_j: int
    """Proven gap of the plan that cleared, J."""
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferClosed:
    """An offer is served or has expired; what was left went back to its address."""

    offer_id: int
    address: Address
    returned_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited:
    """An address handed everything back to the DSO."""

    address: Address
    amounts: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReported:
    """The grid operator reported deliveries of registered miners."""

    last_interval: int
    miners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChanged:
    """Another registry holds from now on."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded:
    """The last block of an epoch: who signs the next one."""

    election: Election


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerConvicted:
    """Evidence has convicted a member of the committee."""

    conviction: Conviction


Event = (
    AssetAdded
    | FinancialAdded
    | OfferPosted
    | AverageBroadcast
    | LimitImproved
    | SolutionAccepted
    | SolutionFinalised
    | OfferClosed
    | Deposited
    | DeliveryReported
    | RegistryChanged
    | EpochEnded
    | MinerConvicted
)
