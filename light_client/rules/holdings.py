"""What a meter accepts as its own: final trades by inclusion, and its balance by state proof.

Both stand under a header that the meter trusts already. A trade is held to the offer that was signed, a balance to the
trades that were verified, so that a server can neither invent nor withhold either without being noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from light_client.rules import merkle
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, trade_leaf
from light_client.rules.ledger.records import Account, account_key
from light_client.rules.market.clearing import Trade
from light_client.rules.market.intervals import contains
from light_client.rules.market.offer import Offer
from light_client.rules.statetree import StateProof, verify_state
from light_client.rules.units import JOULES_PER_KWH, Address, Side


class TradeProof(NamedTuple):
    """That a final trade stands under a header's solution root."""

    leaf: int
    """Leaf number; leaf 0 is the solution itself."""
    size: int
    siblings: tuple[bytes, ...]


def verify_trade(header: Header, offer_id: int, offer: Offer, trade: Trade, proof: TradeProof) -> None:
    """Check one's own final trade: it is in the block, and within one's own offer.

    Raises:
        RuleViolation: LC-10 not under the solution root; LC-11 of another offer or side; LC-12 outside the offer's
            intervals; LC-13 more energy than offered; LC-14 a price beyond the reservation price by 1 uc or more.
    """
    included = merkle.verify_inclusion(
        trade_leaf(trade), proof.leaf, proof.size, proof.siblings, header.solution_root
    )
    if not included or proof.leaf == 0:
        raise RuleViolation(
            "LC-10",
            "the trade is not under the solution root",
            got=trade,
            expected=header.solution_root,
        )
    if trade.offer_id != offer_id or trade.side != offer.side:
        raise RuleViolation(
            "LC-11",
            "offer of the trade",
            got=(trade.offer_id, trade.side),
            expected=(offer_id, offer.side),
        )
    if trade.interval != header.clearing.interval or not contains(offer.ranges, trade.interval):
        raise RuleViolation("LC-12", "interval of the trade", got=trade.interval, expected=offer.ranges)
    if not 0 < trade.energy_j <= offer.energy_j:
        raise RuleViolation(
            "LC-13",
            "energy of the trade",
            got=trade.energy_j,
            expected=f"1..{offer.energy_j}",
        )
    own = trade.energy_j * offer.price_uc_per_kwh
    paid = trade.amount_uc * JOULES_PER_KWH
    if offer.side == Side.SELL and paid <= own - JOULES_PER_KWH:
        raise RuleViolation(
            "LC-14",
            "receipts below the reservation price",
            got=trade.amount_uc,
            expected=own // JOULES_PER_KWH,
        )
    if offer.side == Side.BUY and paid >= own + JOULES_PER_KWH:
        raise RuleViolation(
            "LC-14",
            "payment above the reservation price",
            got=trade.amount_uc,
            expected=own // JOULES_PER_KWH,
        )


def verify_balance(header: Header, address: Address, account: Account | None, proof: StateProof) -> None:
    """Check one's own account (None: none exists) against the state root.

    Raises:
        RuleViolation: LC-20, LC-21.
    """
    encoded = None if account is None else encode(account.to_wire())
    verify_state(header.state_root, account_key(address), encoded, proof)


def account_after(granted: Account, trades: Iterable[Trade]) -> Account:
    """What an address must hold once all its offers have ended, out of its grant and its verified trades alone.

    Args:
        granted: the account as it was granted, with the sequence number that its offers have used up.
        trades: every final trade of the address, each verified.
    """
    bought_j = sold_j = money_uc = 0
    for trade in trades:
        if trade.side == Side.SELL:
            sold_j, money_uc = sold_j + trade.energy_j, money_uc + trade.amount_uc
        else:
            bought_j, money_uc = bought_j + trade.energy_j, money_uc - trade.amount_uc
    return granted._replace(
        production_j=granted.production_j - sold_j,
        consumption_j=granted.consumption_j - bought_j,
        money_uc=granted.money_uc + money_uc,
        sold_j=granted.sold_j + sold_j,
        bought_j=granted.bought_j + bought_j,
    )


def balance_follows_from_trades(account: Account, expected: Account) -> None:
    """LC-15, LC-26: the proven balance is the one that the verified trades give.

    A server cannot make up either breach, since the account stands under a header that a quorum signed.

    Args:
        account: as proven.
        expected: out of the grant that was asked for and the verified trades.

    Raises:
        RuleViolation: LC-26 for more than that, which only the DSO can have granted; LC-15 for anything else: the DSO
            granted something else or less, or the committee took something.
    """
    if account == expected:
        return
    if _holds_more(account, expected):
        raise RuleViolation("LC-26", "grant beyond what was asked for", got=account, expected=expected)
    raise RuleViolation("LC-15", "own balance against verified trades", got=account, expected=expected)


def _holds_more(account: Account, expected: Account) -> bool:
    """Whether all is as expected but for amounts that are larger, or intervals that are more."""
    covers = (
        account.first_interval <= expected.first_interval <= expected.last_interval <= account.last_interval
    )
    more = (
        account.production_j >= expected.production_j
        and account.consumption_j >= expected.consumption_j
        and account.money_uc >= expected.money_uc
    )
    like_it = account._replace(
        first_interval=expected.first_interval,
        last_interval=expected.last_interval,
        production_j=expected.production_j,
        consumption_j=expected.consumption_j,
        money_uc=expected.money_uc,
    )
    return covers and more and like_it == expected
