"""LED-03 to LED-17 and the admission of offers: each rule kept, and broken by the smallest step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from light_client.rules import crypto
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.apply import MAX_GRANTED, MAX_OPEN_OFFERS
from light_client.rules.ledger.block import Block, tx_root_of
from light_client.rules.ledger.records import Amounts
from light_client.rules.ledger.transactions import (
    DepositAssets,
    GrantAssets,
    PostOffer,
    SignedTransaction,
    SubmitSolution,
    Transaction,
    decode_transaction,
    fields_of,
    sign_transaction,
)
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import MAX_MONEY_UC, FeederId, Side
from tests.ledger_kit import (
    BUY,
    DSO_SECRET,
    FIRST,
    KWH,
    SELL,
    SOLVER_SECRET,
    Chain,
    Person,
    genesis,
    secret,
    sell_everything,
    seller_and_buyer,
)

WH = 3_600
SELLER, BUYER, OTHER = Person(1, feeder=1), Person(2, feeder=2), Person(3, feeder=3)


@pytest.fixture
def chain() -> Chain:
    """A chain on which a seller and a buyer were granted 1 kWh each."""
    made = Chain()
    made.add(
        made.grant(
            SELLER.asset(sells_j=KWH, first=FIRST, last=FIRST + 3),
            BUYER.asset(buys_j=KWH, money_uc=200_000, first=FIRST, last=FIRST + 3),
        )
    )
    return made


def refuse(chain: Chain, rule: str, *transactions: SignedTransaction) -> RuleViolation:
    """Expect the last transaction to break a rule, and the block to change nothing."""
    root = chain.state.root()
    chain.make(*transactions[:-1])
    with pytest.raises(RuleViolation) as broken:
        chain.make(*transactions)
    assert broken.value.rule == rule
    assert chain.state.root() == root
    return broken.value


def altered(
    signed: SignedTransaction, *, transaction: Transaction | None = None, signature: bytes | None = None
) -> SignedTransaction:
    """Return what a receiver decodes of a transaction that was tampered with."""
    fields = fields_of(transaction or signed.transaction)
    raw = encode((*fields, signed.public_key, signature or signed.signature))
    return decode_transaction(raw, max_bytes=1 << 20)


def test_a_signature_of_another_chain_is_refused(chain: Chain) -> None:
    other = Chain(genesis(name="test-other"))
    grant = GrantAssets(sequence=1, assets=(OTHER.asset(sells_j=KWH),))
    chain.make(chain.sign(grant, DSO_SECRET))
    refuse(chain, "LED-03", other.sign(grant, DSO_SECRET))


def test_a_tampered_body_is_refused(chain: Chain) -> None:
    signed = chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST))
    cheaper = chain.post(SELLER, SELLER.offer(SELL, KWH, 4, FIRST))
    refuse(chain, "LED-03", altered(signed, transaction=cheaper.transaction))


@pytest.mark.parametrize("at", range(0, 64, 7))
def test_a_tampered_signature_is_refused(chain: Chain, at: int) -> None:
    signed = chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST))
    forged = bytearray(signed.signature)
    forged[at] ^= 1
    refuse(chain, "LED-03", altered(signed, signature=bytes(forged)))


def test_the_high_twin_of_a_signature_is_refused(chain: Chain) -> None:
    """Plain ECDSA accepts it: without the rule, a bystander could give a transaction a second identity."""
    signed = chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST))
    r, s = signed.signature[:32], int.from_bytes(signed.signature[32:])
    twin = altered(signed, signature=r + (crypto.CURVE_ORDER - s).to_bytes(32))
    assert twin.tx_id() != signed.tx_id()
    refuse(chain, "LED-03", twin)


def test_only_the_dso_grants(chain: Chain) -> None:
    grant = GrantAssets(sequence=1, assets=(OTHER.asset(money_uc=1),))
    refuse(chain, "LED-04", chain.sign(grant, OTHER.secret))
    chain.add(chain.sign(grant, DSO_SECRET))


@pytest.mark.parametrize("sequence", [0, 2])
def test_batches_of_grants_come_in_their_order(chain: Chain, sequence: int) -> None:
    grant = GrantAssets(sequence=sequence, assets=(OTHER.asset(money_uc=1),))
    refuse(chain, "LED-05", chain.sign(grant, DSO_SECRET))


def test_a_batch_is_granted_once(chain: Chain) -> None:
    batch = chain.grant(OTHER.asset(money_uc=1))
    refuse(chain, "LED-05", batch, batch)
    chain.add(batch)
    refuse(chain, "LED-05", batch)


def test_a_grant_names_a_feeder_of_the_grid(chain: Chain) -> None:
    refuse(chain, "LED-06", chain.grant(replace(OTHER.asset(money_uc=1), feeder=FeederId(9))))


def test_an_address_is_granted_once_in_its_life(chain: Chain) -> None:
    refuse(chain, "LED-07", chain.grant(SELLER.asset(sells_j=KWH)))
    first, second = chain.grant(OTHER.asset(money_uc=1)), chain.grant(OTHER.asset(money_uc=1), ahead=1)
    refuse(chain, "LED-07", first, second)
    chain.add(chain.deposit(SELLER))
    refuse(chain, "LED-07", chain.grant(SELLER.asset(sells_j=KWH)))


@pytest.mark.parametrize("transaction", [DepositAssets(sequence=0), None])
def test_an_address_without_a_grant_can_do_nothing(chain: Chain, transaction: DepositAssets | None) -> None:
    offer = PostOffer(sequence=0, offer=OTHER.offer(SELL, KWH, 5, FIRST))
    refuse(chain, "LED-08", chain.sign(transaction or offer, OTHER.secret))


def test_the_same_transaction_counts_once(chain: Chain) -> None:
    half = chain.post(SELLER, SELLER.offer(SELL, KWH // 2, 5, FIRST))
    refuse(chain, "LED-09", half, half)
    chain.add(half)
    refuse(chain, "LED-09", half)


@pytest.mark.parametrize("sequence", [1, 2, 1 << 40])
def test_no_number_is_left_out(chain: Chain, sequence: int) -> None:
    refuse(chain, "LED-09", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST), sequence=sequence))
    refuse(chain, "LED-09", chain.sign(DepositAssets(sequence=sequence), SELLER.secret))


def test_an_old_offer_cannot_be_replayed_after_a_deposit(chain: Chain) -> None:
    first = chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST))
    chain.add(chain.deposit(SELLER))
    refuse(chain, "LED-09", first)
    refuse(chain, "LED-12", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST)))


def test_an_offer_is_on_the_feeder_of_its_grant(chain: Chain) -> None:
    refuse(chain, "LED-10", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, FIRST, feeder=2)))


@pytest.mark.parametrize(
    "ranges",
    [
        ((FIRST - 1, FIRST),),
        ((FIRST, FIRST + 8),),
        ((FIRST, FIRST), (FIRST + 8, FIRST + 8)),
        ((FIRST - 5, FIRST - 5),),
    ],
)
def test_an_offer_stays_within_the_horizon(chain: Chain, ranges: tuple[tuple[int, int], ...]) -> None:
    refuse(chain, "MKT-07", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, ranges)))


def test_the_last_interval_of_the_horizon_is_open() -> None:
    chain = Chain()
    chain.add(chain.grant(SELLER.asset(sells_j=KWH)))
    chain.add(chain.post(SELLER, SELLER.offer(SELL, KWH, 5, ((FIRST, FIRST + 7),))))


@pytest.mark.parametrize("ranges", [((FIRST, FIRST + 4),), ((FIRST + 4, FIRST + 4),)])
def test_an_offer_stays_within_the_intervals_of_its_grant(
    chain: Chain, ranges: tuple[tuple[int, int], ...]
) -> None:
    refuse(chain, "LED-11", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, ranges)))
    chain.make(chain.post(SELLER, SELLER.offer(SELL, KWH, 5, ((FIRST + 3, FIRST + 3),))))


def test_an_offer_before_its_grant_is_refused() -> None:
    chain = Chain()
    chain.add(chain.grant(SELLER.asset(sells_j=KWH, first=FIRST + 1)))
    refuse(chain, "LED-11", chain.post(SELLER, SELLER.offer(SELL, KWH, 5, ((FIRST, FIRST + 1),))))


@pytest.mark.parametrize(("person", "side"), [(SELLER, SELL), (BUYER, BUY)])
def test_nobody_offers_more_than_was_granted(chain: Chain, person: Person, side: Side) -> None:
    exact = chain.post(person, person.offer(side, KWH, 5, FIRST))
    refuse(chain, "LED-12", chain.post(person, person.offer(side, KWH + WH, 5, FIRST)))
    chain.make(exact)
    refuse(chain, "LED-12", exact, chain.post(person, person.offer(side, WH, 5, FIRST), sequence=1))


def test_a_side_that_was_not_granted_cannot_be_offered(chain: Chain) -> None:
    refuse(chain, "LED-12", chain.post(SELLER, SELLER.offer(BUY, WH, 0, FIRST)))
    refuse(chain, "LED-12", chain.post(BUYER, BUYER.offer(SELL, WH, 0, FIRST)))


def test_an_offer_to_buy_is_funded_to_the_last_unit(chain: Chain) -> None:
    chain.make(chain.post(BUYER, BUYER.offer(BUY, KWH, 200_000, FIRST)))
    refuse(chain, "LED-13", chain.post(BUYER, BUYER.offer(BUY, KWH, 200_001, FIRST)))
    refuse(chain, "LED-13", chain.post(BUYER, BUYER.offer(BUY, KWH, 200_000, ((FIRST, FIRST + 1),))))
    assert most_owed_uc(KWH, 200_000, ((FIRST, FIRST + 1),)) == 200_001


def test_money_set_aside_is_not_spent_again(chain: Chain) -> None:
    first = chain.post(BUYER, BUYER.offer(BUY, KWH // 2, 200_000, FIRST))
    second = chain.post(BUYER, BUYER.offer(BUY, KWH // 2, 200_001, FIRST), sequence=1)
    refuse(chain, "LED-13", first, second)


def test_an_address_with_open_offers_cannot_deposit(chain: Chain) -> None:
    chain.add(chain.post(SELLER, SELLER.offer(SELL, WH, 5, FIRST)))
    refuse(chain, "LED-14", chain.deposit(SELLER))
    chain.add(at_ms=chain.gate())
    chain.add(chain.deposit(SELLER))
    assert chain.state.meta.deposited == Amounts(production_j=KWH)


def test_nothing_is_deposited_twice(chain: Chain) -> None:
    chain.add(chain.deposit(SELLER))
    refuse(chain, "LED-15", chain.deposit(SELLER))


def test_an_account_keeps_its_number_after_a_deposit(chain: Chain) -> None:
    chain.add(chain.deposit(SELLER))
    assert chain.account(SELLER).next_sequence == 1


def test_what_is_ever_granted_stays_encodable(chain: Chain) -> None:
    """Sixteen grants of the most money passed 64 bits once, and every miner stopped at the root of the state."""
    already = chain.state.meta.granted.money_uc
    rich = Person(4).asset(money_uc=MAX_MONEY_UC)
    assert rich.money_uc + already > MAX_GRANTED
    refuse(chain, "LED-16", chain.grant(rich))
    chain.add(chain.grant(Person(4).asset(money_uc=MAX_GRANTED - already)))
    refuse(chain, "LED-16", chain.grant(Person(5).asset(money_uc=1)))


def test_the_limit_of_grants_counts_energy_of_each_side(chain: Chain) -> None:
    meta = chain.state.meta
    chain.state.meta = meta._replace(granted=meta.granted._replace(production_j=MAX_GRANTED))
    refuse(chain, "LED-16", chain.grant(OTHER.asset(sells_j=WH)))
    chain.make(chain.grant(OTHER.asset(buys_j=WH)))


def test_an_address_has_so_many_open_offers_at_most(chain: Chain) -> None:
    chain.add(
        *(
            chain.post(SELLER, SELLER.offer(SELL, WH, 5, FIRST), sequence=number)
            for number in range(MAX_OPEN_OFFERS)
        )
    )
    refuse(chain, "LED-17", chain.post(SELLER, SELLER.offer(SELL, WH, 5, FIRST)))
    chain.add(at_ms=chain.gate())
    assert chain.account(SELLER).open_offers == 0
    chain.add(chain.post(SELLER, SELLER.offer(SELL, WH, 5, FIRST + 1)))


def test_a_price_is_the_one_price_of_a_uniform_market() -> None:
    chain = Chain(genesis(price=7))
    chain.add(chain.grant(SELLER.asset(sells_j=KWH)))
    refuse(chain, "MKT-09", chain.post(SELLER, SELLER.offer(SELL, KWH, 8, FIRST)))


def test_a_solution_has_no_place_among_the_transactions(chain: Chain) -> None:
    seller_and_buyer(fresh := Chain())
    solved = sell_everything(fresh.close_gate())
    refuse(fresh, "LED-22", fresh.sign(SubmitSolution(solution=solved), SOLVER_SECRET))


def test_a_batch_of_the_same_address_twice_cannot_be_made() -> None:
    asset = OTHER.asset(money_uc=1)
    with pytest.raises(RuleViolation) as broken:
        GrantAssets(sequence=0, assets=(asset, asset))
    assert broken.value.rule == "LED-06"


Maker = Callable[[Chain], SignedTransaction]


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("LED-08", lambda chain: sign_transaction(DepositAssets(sequence=0), chain.chain_id, secret(77))),
        ("LED-05", lambda chain: chain.sign(GrantAssets(sequence=0, assets=(OTHER.asset(),)), DSO_SECRET)),
    ],
)
def test_a_refused_transaction_condemns_the_whole_block(chain: Chain, rule: str, make: Maker) -> None:
    block, _ = chain.make(chain.grant(OTHER.asset(sells_j=KWH)))
    body = replace(block.body, transactions=(*block.body.transactions, make(chain).raw))
    forged = Block(header=replace(block.header, tx_root=tx_root_of(body)), body=body)
    with pytest.raises(RuleViolation) as broken:
        chain.judge(forged)
    assert broken.value.rule == rule
