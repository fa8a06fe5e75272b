"""Cases for what a meter accepts as its own: trades under a solution root, and balances under a state root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from light_client.rules import holdings, merkle
from light_client.rules.holdings import TradeProof
from light_client.rules.ledger.block import Clearing, Header, trade_leaf
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.records import Account
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import Offer
from light_client.rules.units import MAX_ENERGY_J
from tests.ledger_kit import BUY, FIRST, KWH, SELL, Chain, Person, seller_and_buyer
from tests.light_ground import THIRD, Case, rule_of

SALE = Trade(7, SELL, FIRST, KWH, 100_000)
PURCHASE = Trade(8, BUY, FIRST, KWH, 100_000)


def _under(trade: Trade, *, leaf: int = 2) -> tuple[Header, TradeProof]:
    """Return a header whose solution root holds the trade as a leaf, and the proof."""
    leaves = [b"solution", b"another trade", b"a third"]
    leaves[leaf] = trade_leaf(trade)
    clearing = Clearing(how=Cleared.PROVEN, interval=FIRST, traded_j=KWH, gap_j=0)
    header = replace(THIRD, solution_root=merkle.root(leaves), clearing=clearing)
    return header, TradeProof(leaf, 3, merkle.inclusion_proof(leaves, leaf))


def trade_decided(
    trade: Trade,
    *,
    offer_id: int | None = None,
    offer: Offer | None = None,
    leaf: int = 2,
    forge: Callable[[TradeProof], TradeProof] = lambda proof: proof,
) -> str:
    """Return what a meter says of a trade of its offer."""
    own = offer or Person(1).offer(SELL if trade.side == SELL else BUY, KWH, 100_000, ((FIRST, FIRST + 1),))
    header, proof = _under(trade, leaf=leaf)
    number = trade.offer_id if offer_id is None else offer_id
    return rule_of(lambda: holdings.verify_trade(header, number, own, trade, forge(proof)))


HALF = Person(1).offer(SELL, KWH, 3, ((FIRST, FIRST + 1),))
HALF_BUY = Person(1).offer(BUY, KWH, 3, ((FIRST, FIRST + 1),))

TRADES: dict[str, tuple[str, Case]] = {
    "an own sale": ("accepted", lambda: trade_decided(SALE)),
    "an own purchase": ("accepted", lambda: trade_decided(PURCHASE)),
    "a trade that is not there": (
        "LC-10",
        lambda: trade_decided(SALE, forge=lambda proof: proof._replace(leaf=1)),
    ),
    "a solution shown as a trade": ("LC-10", lambda: trade_decided(SALE, leaf=0)),
    "a trade of another offer": ("LC-11", lambda: trade_decided(SALE, offer_id=8)),
    "a trade of the other side": ("LC-11", lambda: trade_decided(SALE._replace(side=BUY), offer=HALF)),
    "a trade of an interval that is not cleared": (
        "LC-12",
        lambda: trade_decided(SALE._replace(interval=FIRST + 1)),
    ),
    "a trade outside the offer": (
        "LC-12",
        lambda: trade_decided(SALE, offer=Person(1).offer(SELL, KWH, 1, FIRST + 1)),
    ),
    "a trade of nothing": ("LC-13", lambda: trade_decided(SALE._replace(energy_j=0))),
    "a trade of more than was offered": ("LC-13", lambda: trade_decided(SALE._replace(energy_j=KWH + 1))),
    "a sale a unit below the price": ("LC-14", lambda: trade_decided(SALE._replace(amount_uc=99_999))),
    "a purchase a unit above the price": (
        "LC-14",
        lambda: trade_decided(PURCHASE._replace(amount_uc=100_001)),
    ),
    "a sale rounded down": (
        "accepted",
        lambda: trade_decided(SALE._replace(energy_j=KWH // 2, amount_uc=1), offer=HALF),
    ),
    "a sale rounded down twice": (
        "LC-14",
        lambda: trade_decided(SALE._replace(energy_j=KWH // 2, amount_uc=0), offer=HALF),
    ),
    "a purchase rounded up": (
        "accepted",
        lambda: trade_decided(PURCHASE._replace(energy_j=KWH // 2, amount_uc=2), offer=HALF_BUY),
    ),
    "a purchase rounded up twice": (
        "LC-14",
        lambda: trade_decided(PURCHASE._replace(energy_j=KWH // 2, amount_uc=3), offer=HALF_BUY),
    ),
    "a sale far above the price": ("accepted", lambda: trade_decided(SALE._replace(amount_uc=10**9))),
    "a purchase for nothing": ("accepted", lambda: trade_decided(PURCHASE._replace(amount_uc=0))),
}


def balance_decided(account: Account | None, shown: Account | None) -> str:
    """Return what a meter says of its balance, where ``account`` is in the state and ``shown`` is claimed."""
    chain = Chain()
    person, _ = seller_and_buyer(chain)
    if account is None:
        person = Person(99)
    header = chain.blocks[-1].header
    _, proof = chain.state.prove_account(person.address)
    return rule_of(lambda: holdings.verify_balance(header, person.address, shown, proof))


HELD = Account(
    feeder=1,
    first_interval=FIRST,
    last_interval=FIRST + 99,
    production_j=0,
    consumption_j=0,
    money_uc=0,
    next_sequence=1,
    open_offers=1,
)

BALANCES: dict[str, tuple[str, Case]] = {
    "the own balance": ("accepted", lambda: balance_decided(HELD, HELD)),
    "no account": ("accepted", lambda: balance_decided(None, None)),
    "more money": ("LC-21", lambda: balance_decided(HELD, HELD._replace(money_uc=MAX_ENERGY_J))),
    "an account denied": ("LC-21", lambda: balance_decided(HELD, None)),
}
