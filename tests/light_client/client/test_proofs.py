"""Proofs of own trades and balances: each checked against what was offered, derived and traded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.client.belief import Belief
from light_client.client.news import BalanceDiffers, BalanceVerified
from light_client.client.proofs import OwnProofs, OwnTrade, level_of
from light_client.client.status import ProofLevel
from light_client.messages.codec import decode_message
from light_client.messages.proofs import (
    AccountMessage,
    GetAccount,
    GetTrades,
    ProvenRecord,
    ProvenTrade,
    TradesMessage,
)
from light_client.rules import merkle
from light_client.rules.holdings import TradeProof, account_after
from light_client.rules.ledger.block import solution_leaves
from light_client.rules.ledger.records import Account, encode_account
from light_client.rules.light import Update
from light_client.rules.market.clearing import Trade
from light_client.session.channels import channel_of
from light_client.sync.servers import Servers
from tests.ledger_kit import FIRST, KWH, SELL, Chain, Person, sell_everything, seller_and_buyer

SELLER = Person(1, feeder=1)


class Sold:
    """A chain with one sale, a client that has verified it, and the proofs of a miner."""

    def __init__(self) -> None:
        self.chain = chain = Chain()
        seller_and_buyer(chain)
        chain.add(solution=chain.solution(sell_everything(chain.close_gate())))
        self.belief = Belief(chain.genesis)
        for block in chain.blocks:
            update = Update(header=block.header, certificate=chain.certificate(block.header))
            self.belief.take_update(update, chain.tip.time_ms)
            self.belief.take_body(block.header, block.body.encode())
        followed = chain.followed
        assert followed is not None
        assert followed.cleared is not None
        self.trade = followed.cleared.trades[0]
        leaves = solution_leaves(chain.blocks[-1].body.solution, followed.cleared.trades)
        self.proof = TradeProof(1, len(leaves), merkle.inclusion_proof(leaves, 1))
        self.offer = SELLER.offer(SELL, KWH, 100_000, FIRST)
        self.proofs = OwnProofs(self.belief, Servers(("a", "b")))
        self.before = Account(
            feeder=1,
            first_interval=FIRST,
            last_interval=FIRST + 99,
            production_j=KWH,
            consumption_j=0,
            money_uc=0,
            next_sequence=1,
        )

    def want_trade(self, derived: Trade | None = None) -> None:
        """Ask for the proof of the sale."""
        (send,) = self.proofs.want_trades(FIRST, [OwnTrade(self.offer, derived or self.trade)])
        asked = decode_message(send.message)
        channel = channel_of("a", SELLER.address)
        assert (send.peer, asked) == (channel, GetTrades(interval=FIRST, offers=(self.trade.offer_id,)))

    def trades(self, **changes: int) -> TradesMessage:
        """Return the miner's answer, or an altered one."""
        trade = self.trade._replace(**changes)
        proven = ProvenTrade(trade=trade, proof=self.proof)
        return TradesMessage(height=self.chain.tip.height, interval=FIRST, trades=(proven,))

    def want_balance(self, expected: Account, from_height: int = 1) -> None:
        """Ask for the seller's account."""
        asked = decode_message(self.proofs.want_balance(SELLER.address, expected, from_height).message)
        assert asked == GetAccount(address=SELLER.address, height=self.chain.tip.height)

    def account(self, record: bytes | None = None) -> AccountMessage:
        """Return the miner's answer, or an altered one."""
        account, proof = self.chain.state.prove_account(SELLER.address)
        assert account is not None
        proven = ProvenRecord(record=record or account, proof=proof)
        return AccountMessage(height=self.chain.tip.height, address=SELLER.address, account=proven, offers=())


def test_a_sale_and_the_balance_that_it_leaves_are_proven() -> None:
    sold = Sold()
    sold.want_trade()
    assert (sold.proofs.unproven, len(sold.proofs.again())) == (1, 1)
    assert sold.proofs.take(sold.trades()) == ([], True)
    assert (sold.proofs.unproven, sold.proofs.again()) == (0, [])
    sold.want_balance(account_after(sold.before, [sold.trade]))
    height = sold.chain.tip.height
    verified = BalanceVerified(address=SELLER.address, height=height)
    assert sold.proofs.take(sold.account()) == ([verified], True)
    assert sold.proofs.take(sold.account()) == ([], True), "nobody asked for it again"
    checked = sold.belief.checked
    assert (checked.trades, checked.balances, checked.rejected) == (1, 1, 0)


def test_an_altered_trade_is_a_lie_and_the_true_one_still_counts() -> None:
    sold = Sold()
    sold.want_trade()
    assert sold.proofs.take(sold.trades(amount_uc=sold.trade.amount_uc + 1)) == ([], False)
    assert sold.belief.checked.by_rule == {"LC-10": 1}
    assert sold.proofs.take(sold.trades()) == ([], True)
    assert sold.proofs.unproven == 0


def test_a_trade_that_the_replica_did_not_derive_is_noticed() -> None:
    sold = Sold()
    sold.want_trade(sold.trade._replace(energy_j=1))
    assert sold.proofs.take(sold.trades()) == ([], False)
    assert sold.belief.checked.by_rule == {"LC-11": 1}


@pytest.mark.parametrize("changes", [{"height": 99}, {"interval": FIRST + 1}])
def test_an_answer_about_something_else_is_passed_over(changes: dict[str, int]) -> None:
    sold = Sold()
    sold.want_trade()
    assert sold.proofs.take(replace(sold.trades(), **changes)) == ([], True)  # type: ignore[arg-type]
    assert sold.proofs.take(sold.trades(offer_id=77)) == ([], True), "somebody else's"
    assert sold.proofs.unproven == 1


def differing(sold: Sold, expected: Account) -> list[str]:
    """The rules by which a true balance differs from what was expected; its server is never to blame."""
    sold.want_balance(expected)
    found, honest = sold.proofs.take(sold.account())
    assert honest
    assert all(isinstance(news, BalanceDiffers) and news.address == SELLER.address for news in found)
    assert sold.proofs.take(sold.account()) == ([], True), "told once"
    return [news.rule for news in found if isinstance(news, BalanceDiffers)]


def test_a_balance_that_the_trades_do_not_give_is_told_and_no_server_is_blamed() -> None:
    sold = Sold()
    assert differing(sold, sold.before) == ["LC-15"]
    assert sold.belief.checked.by_rule == {"LC-15": 1}
    assert sold.belief.checked.balances == 0


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"money_uc": -1}, "LC-26"),
        ({"consumption_j": -1}, "LC-26"),
        ({"production_j": -1}, "LC-26"),
        ({"first_interval": 1}, "LC-26"),
        ({"last_interval": -1}, "LC-26"),
        ({"money_uc": 1}, "LC-15"),
        ({"consumption_j": 1}, "LC-15"),
        ({"production_j": 1}, "LC-15"),
        ({"first_interval": -1}, "LC-15"),
        ({"last_interval": 1}, "LC-15"),
        ({"feeder": 1}, "LC-15"),
        ({"sold_j": 1}, "LC-15"),
        ({"next_sequence": 1}, "LC-15"),
        ({"money_uc": -1, "production_j": 1}, "LC-15"),
        ({"money_uc": -1, "bought_j": 1}, "LC-15"),
        ({"first_interval": 200, "last_interval": -1}, "LC-15"),
    ],
)
def test_only_a_larger_grant_is_the_dsos_doing(asked: dict[str, int], rule: str) -> None:
    """Each case: how the balance that was asked for differs from the one that is there."""
    sold = Sold()
    there = account_after(sold.before, [sold.trade])
    wanted = there._replace(**{name: getattr(there, name) + change for name, change in asked.items()})
    assert differing(sold, wanted) == [rule]


def test_an_altered_balance_is_refused() -> None:
    sold = Sold()
    sold.want_balance(account_after(sold.before, [sold.trade]))
    assert sold.proofs.take(sold.account(encode_account(sold.before))) == ([], False)
    assert sold.belief.checked.by_rule == {"LC-21": 1}


def test_an_answer_of_before_the_offer_ended_says_nothing() -> None:
    sold = Sold()
    sold.want_balance(sold.before, from_height=sold.chain.tip.height + 1)
    assert sold.proofs.take(sold.account()) == ([], True)
    assert sold.belief.checked.balances == 0


def test_no_account_at_all_decides_nothing() -> None:
    sold = Sold()
    stranger = Person(9)
    sold.proofs.want_balance(stranger.address, sold.before, 1)
    account, proof = sold.chain.state.prove_account(stranger.address)
    assert account is None
    message = AccountMessage(
        height=sold.chain.tip.height,
        address=stranger.address,
        account=ProvenRecord(record=None, proof=proof),
        offers=(),
    )
    assert sold.proofs.take(message) == ([], True)
    assert sold.belief.checked.balances == 0


def test_the_level_says_how_much_of_the_newest_block_is_proven() -> None:
    sold = Sold()
    assert level_of(Belief(sold.chain.genesis), 0) is ProofLevel.NONE
    assert level_of(sold.belief, 1) is ProofLevel.SOLUTIONS
    sold.belief.replica.height -= 1
    assert level_of(sold.belief, 1) is ProofLevel.HEADERS
    assert level_of(sold.belief, 0) is ProofLevel.HEADERS, "no own trade was ever proven"
    sold.want_trade()
    sold.proofs.take(sold.trades())
    assert level_of(sold.belief, sold.proofs.unproven) is ProofLevel.OWN_TRADES
