"""Own records and their proofs: which are still to be had, and what is made of those that come.

A trade is known from the replica before it is proven by inclusion; a balance is asked for when all offers of its
address have ended. A server that does not answer is asked again, or another is, at no hurry.

Each address is asked for over a channel of its own, and never two in one question: a server that answered for both
would know that they belong to one home.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from light_client.client.belief import Belief
from light_client.client.news import BalanceDiffers, BalanceVerified
from light_client.client.status import ProofLevel
from light_client.messages.codec import encode_message
from light_client.messages.proofs import AccountMessage, GetAccount, GetTrades, TradesMessage
from light_client.rules.ledger.records import Account
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import Offer
from light_client.rules.units import Address, OfferId
from light_client.rules.verdict import Accepted, Rejected, Undecided
from light_client.session.actor import Send
from light_client.session.channels import channel_of
from light_client.sync.servers import Servers

BalanceNews = BalanceVerified | BalanceDiffers
_PROVEN_BUT_WRONG = ("LC-15", "LC-26")
"""Broken by a balance that is the true one: under the state root of a trusted header."""


class OwnTrade(NamedTuple):
    """A final trade of an own offer, as the replica derived it."""

    offer: Offer
    trade: Trade


class _Balance(NamedTuple):
    """An own balance to be proven."""

    expected: Account
    from_height: int
    """No answer of before this height counts: the offer was still open then."""


class OwnProofs:
    """Proofs of own trades and balances that are still to come."""

    def __init__(self, belief: Belief, servers: Servers) -> None:
        self._belief = belief
        self._servers = servers
        self._trades: dict[int, dict[OfferId, OwnTrade]] = {}
        self._balances: dict[Address, _Balance] = {}

    @property
    def unproven(self) -> int:
        """How many own trades are not proven yet."""
        return sum(len(waiting) for waiting in self._trades.values())

    def want_trades(self, interval: int, trades: Iterable[OwnTrade]) -> list[Send]:
        """Ask for the proofs of own trades of an interval that has become final."""
        wanted = tuple(trades)
        waiting = self._trades.setdefault(interval, {})
        waiting.update((OfferId(own.trade.offer_id), own) for own in wanted)
        return [self._request(interval, own) for own in wanted]

    def want_balance(self, address: Address, expected: Account, from_height: int) -> Send:
        """Ask for an own account, as of ``from_height`` or later, which must be what the verified trades give."""
        self._balances[address] = _Balance(expected, from_height)
        request = GetAccount(address=address, height=self._belief.replica.height)
        return Send(peer=channel_of(self._servers.primary, address), message=encode_message(request))

    def again(self) -> list[Send]:
        """Ask again for the trades that are still to be proven."""
        return [
            self._request(interval, own)
            for interval, waiting in self._trades.items()
            for own in waiting.values()
        ]

    def _request(self, interval: int, own: OwnTrade) -> Send:
        request = GetTrades(interval=interval, offers=(OfferId(own.trade.offer_id),))
        peer = channel_of(self._servers.primary, own.offer.address)
        return Send(peer=peer, message=encode_message(request))

    def take(self, message: TradesMessage | AccountMessage) -> tuple[list[BalanceNews], bool]:
        """Check proofs of own records.

        Returns:
            What was verified that the owner waits for, and whether nothing in the message is the server's fault.
        """
        if isinstance(message, TradesMessage):
            return [], self._take_trades(message)
        return self._take_account(message)

    def _take_trades(self, message: TradesMessage) -> bool:
        """Own trades: in the block, within the offer, and as derived."""
        header = self._belief.header_at(message.height)
        waiting = self._trades.get(message.interval)
        if header is None or waiting is None:
            return True
        honest = True
        for proven in message.trades:
            own = waiting.get(OfferId(proven.trade.offer_id))
            if own is None:
                continue
            number, trade = own.trade.offer_id, proven.trade
            verdict = self._belief.take_trade(header, number, own.offer, trade, proven.proof)
            if not isinstance(verdict, Accepted):
                honest = False
                continue
            del waiting[OfferId(number)]
            if trade != own.trade:
                honest = False
                broken = Rejected(rule="LC-11", reason="a proven trade is not the one that was derived")
                self._belief.checked.refuse(broken)
        if not waiting:
            del self._trades[message.interval]
        return honest

    def _take_account(self, message: AccountMessage) -> tuple[list[BalanceNews], bool]:
        """An own balance: under the state root, and what the verified trades give."""
        header = self._belief.header_at(message.height)
        wanted = self._balances.get(message.address)
        if header is None or wanted is None or message.height < wanted.from_height:
            return [], True  # asked before the offer turned up after all: nobody's fault
        record, proof = message.account.record, message.account.proof
        verdict = self._belief.take_balance(header, message.address, record, proof, wanted.expected)
        if isinstance(verdict, Rejected) and verdict.rule not in _PROVEN_BUT_WRONG:
            return [], False
        if isinstance(verdict, Undecided):
            return [], True
        del self._balances[message.address]
        address, height = message.address, message.height
        if isinstance(verdict, Rejected):
            return [BalanceDiffers(address=address, height=height, rule=verdict.rule)], True
        return [BalanceVerified(address=address, height=height)], True


def level_of(belief: Belief, unproven: int) -> ProofLevel:
    """How much of the newest trusted header is proven, with so many own trades still to be proven."""
    if belief.trusted.height == 0:
        return ProofLevel.NONE
    if belief.replica.height >= belief.trusted.height:
        return ProofLevel.SOLUTIONS
    return ProofLevel.OWN_TRADES if belief.checked.trades and not unproven else ProofLevel.HEADERS
