"""A meter's own records with their proofs: trades under a solution root, account and offers under a state root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    MAX_NUMBER,
    check_bytes,
    check_bytes_up_to,
    check_hashes,
    check_list,
    check_number,
    fields_of,
    optional,
)
from light_client.rules.errors import RuleViolation
from light_client.rules.holdings import TradeProof
from light_client.rules.ledger.records import MAX_RECORD_BYTES
from light_client.rules.market.clearing import Trade
from light_client.rules.statetree import StateProof
from light_client.rules.units import (
    ADDRESS_BYTES,
    HASH_BYTES,
    MAX_ENERGY_J,
    MAX_INTERVAL,
    Address,
)

MAX_ASKED: Final = 256
"""Most offers asked for, or proven, in one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTrades:
    """Light client -> miner: the final trades of my offers in an interval."""

    interval: int
    offers: tuple[int, ...]
    """Numbers of the offers, strictly ascending."""

    def __post_init__(self) -> None:
        check_number("interval", self.interval, 0, MAX_INTERVAL - 1)
        check_list("offers", self.offers, MAX_ASKED)
        previous = 0
        for offer in self.offers:
            check_number("number of an offer", offer, 1)
            if offer <= previous:
                raise RuleViolation(
                    "MSG-07",
                    "offers are not ascending",
                    got=offer,
                    expected=f"> {previous}",
                )
            previous = offer

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.interval, self.offers)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        interval, offers = fields_of(wire, 2, "a request for trades")
        return cls(interval=interval, offers=offers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenTrade:
    """A final trade with its inclusion under the solution root, to be checked by ``light.verify_trade``."""

    trade: Trade
    proof: TradeProof

    def __post_init__(self) -> None:
        trade, proof = self.trade, self.proof
        check_number("offer of a trade", trade.offer_id, 1)
        check_number("side of a trade", trade.side, 0, 1)
        check_number("interval of a trade", trade.interval, 0, MAX_INTERVAL - 1)
        check_number("energy of a trade", trade.energy_j, 1, MAX_ENERGY_J)
        check_number("amount of a trade", trade.amount_uc, 0)
        check_number("leaves under a solution root", proof.size, 1)
        check_number("leaf of a trade", proof.leaf, 0, proof.size - 1)
        check_hashes("siblings of a trade", proof.siblings)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (tuple(self.trade), tuple(self.proof))

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the fields."""
        trade, proof = fields_of(wire, 2, "a trade with its proof")
        return cls(
            trade=Trade(*fields_of(trade, 5, "a trade")),
            proof=TradeProof(*fields_of(proof, 3, "a proof of a trade")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesMessage:
    """The trades asked for, as far as there are any; silence about an offer proves nothing."""

    height: int
    """Height of the block that made the interval final: the proofs lead to its solution root."""
    interval: int
    trades: tuple[ProvenTrade, ...]

    def __post_init__(self) -> None:
        check_number("height of a clearing", self.height, 1)
        check_number("interval", self.interval, 0, MAX_INTERVAL - 1)
        check_list("trades", self.trades, MAX_ASKED)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (
            self.height,
            self.interval,
            tuple(trade.to_wire() for trade in self.trades),
        )

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, interval, rows = fields_of(wire, 3, "trades")
        check_list("trades", rows, MAX_ASKED)
        return cls(
            height=height,
            interval=interval,
            trades=tuple(ProvenTrade.from_wire(row) for row in rows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAccount:
    """Light client -> miner: this address's account and open offers, proven at a height."""

    address: Address
    height: int
    """Height whose state root the proofs lead to; 0 for the newest. Miners keep a few recent ones only."""

    def __post_init__(self) -> None:
        check_bytes("address", self.address, ADDRESS_BYTES)
        check_number("height", self.height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.address, self.height)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        address, height = fields_of(wire, 2, "a request for an account")
        return cls(address=address, height=height)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenRecord:
    """A record of the state tree with its proof, to be checked by ``statetree.verify_state``."""

    record: bytes | None
    """Canonical bytes, for ``records.account_from_bytes`` or ``offer_from_bytes``; None where there is none."""
    proof: StateProof

    def __post_init__(self) -> None:
        if self.record is not None:
            check_bytes_up_to("record of the state", self.record, MAX_RECORD_BYTES, 1)
        check_hashes("siblings of a state proof", self.proof.siblings)
        if self.proof.other is not None:
            for value in fields_of(self.proof.other, 2, "the other entry of a state proof"):
                check_bytes("the other entry of a state proof", value, HASH_BYTES)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        record = () if self.record is None else (self.record,)
        other = () if self.proof.other is None else (self.proof.other,)
        return (record, self.proof.siblings, other)

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the fields."""
        record, siblings, other = fields_of(wire, 3, "a record with its proof")
        proof = StateProof(siblings, optional("the other entry of a state proof", other))
        return cls(record=optional("record of the state", record), proof=proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMessage:
    """An account and the open offers of its address, each proven under the state root of ``height``.

    That every offer is listed is not proven; the account says how many are open.
    """

    height: int
    address: Address
    account: ProvenRecord
    offers: tuple[ProvenRecord, ...]

    def __post_init__(self) -> None:
        check_number("height of an account", self.height, 1, MAX_NUMBER)
        check_bytes("address", self.address, ADDRESS_BYTES)
        check_list("offers", self.offers, MAX_ASKED)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        offers = tuple(offer.to_wire() for offer in self.offers)
        return (self.height, self.address, self.account.to_wire(), offers)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, address, account, rows = fields_of(wire, 4, "an account")
        check_list("offers", rows, MAX_ASKED)
        return cls(
            height=height,
            address=address,
            account=ProvenRecord.from_wire(account),
            offers=tuple(ProvenRecord.from_wire(row) for row in rows),
        )
