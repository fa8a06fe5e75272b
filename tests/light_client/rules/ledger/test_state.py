"""Drafts and the state: what may be adopted, what a root covers, and that nothing comes from nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from light_client.rules.crypto import verify
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.execution import execute
from light_client.rules.ledger.records import Amounts, RecordKind, account_key, encode_account
from light_client.rules.ledger.state import Draft, LedgerState, check_state_conserves
from light_client.rules.market.mechanisms.kinds import TwoStage
from light_client.rules.statetree import update, value_hash_of, verify_state
from light_client.rules.units import OfferId
from tests.epoch_kit import CANDIDATES, epoch_chain, report
from tests.ledger_kit import (
    BUY,
    FIRST,
    KWH,
    Chain,
    Person,
    genesis,
    records_of,
    sell_everything,
    seller_and_buyer,
)
from tests.oracles import naive_statetree


def test_the_root_covers_every_record_after_every_block() -> None:
    chain = Chain()
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()
    seller, buyer = seller_and_buyer(chain, intervals=(FIRST, FIRST + 1))
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()
    problem = chain.close_gate()
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()
    chain.add(solution=chain.solution(sell_everything(problem)))
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()
    chain.add(at_ms=chain.deadline(FIRST + 1))
    chain.add(chain.deposit(seller), chain.deposit(buyer))
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()


def test_the_records_of_a_state_are_what_its_root_covers() -> None:
    chain = epoch_chain()
    seller_and_buyer(chain, intervals=(FIRST, FIRST + 5))
    chain.add(report(chain, {CANDIDATES[0]: (3, 2)}), at_ms=chain.gate(FIRST + 1))
    listed = {record.key(): record.value for record in chain.state.records()}
    assert listed == records_of(chain.state)
    assert {record.kind for record in chain.state.records()} == set(RecordKind) - {RecordKind.REACTION}


def test_the_record_between_two_stages_is_listed_while_it_lasts() -> None:
    chain = Chain(genesis(mechanism=TwoStage(reaction_ms=1_000)))
    seller_and_buyer(chain, sells_j=3 * KWH, ask=100, bid=200)
    other = Person(3)
    chain.add(chain.grant(other.asset(buys_j=KWH, money_uc=KWH)))
    chain.add(chain.post(other, other.offer(BUY, KWH, 50, FIRST)))
    kinds = []
    for time_ms in (chain.gate() - 1, chain.gate(), chain.gate() + 1_000):
        chain.add(at_ms=time_ms)
        listed = {record.key(): record.value for record in chain.state.records()}
        assert listed == records_of(chain.state)
        kinds.append(RecordKind.REACTION in {record.kind for record in chain.state.records()})
    assert kinds == [False, True, False]


def test_an_account_is_proven_present_or_absent() -> None:
    chain = Chain()
    seller, _ = seller_and_buyer(chain)
    encoded, proof = chain.state.prove_account(seller.address)
    assert encoded == encode_account(chain.account(seller))
    verify_state(chain.state.root(), account_key(seller.address), encoded, proof)
    nobody, absence = chain.state.prove_account(Person(9).address)
    assert nobody is None
    verify_state(chain.state.root(), account_key(Person(9).address), None, absence)


def sealed(state: LedgerState) -> Draft:
    """Return a draft that closes the first gate."""
    return execute(
        state,
        time_ms=state.genesis.gate_ms(FIRST) - 1,
        how=Cleared.NOTHING,
        solution=b"",
        transactions=(),
        verify_signature=verify,
    ).draft


def test_only_a_sealed_draft_of_this_very_state_is_adopted() -> None:
    chain = Chain()
    with pytest.raises(LocalError):
        chain.state.adopt(chain.state.draft(), bytes(32))
    with pytest.raises(LocalError):
        chain.state.adopt(sealed(LedgerState(genesis())), bytes(32))
    _, first = chain.make(chain.grant(Person(1).asset(sells_j=KWH)))
    _, second = chain.make(chain.grant(Person(2).asset(sells_j=KWH)))
    chain.state.adopt(first.draft, bytes(32))
    root = chain.state.root()
    with pytest.raises(LocalError):
        chain.state.adopt(second.draft, bytes(32))
    with pytest.raises(LocalError):
        chain.state.adopt(first.draft, bytes(32))
    assert chain.state.root() == root
    check_state_conserves(chain.state)


def test_a_draft_changes_nothing_until_it_is_adopted() -> None:
    chain = Chain()
    root, meta = chain.state.root(), chain.state.meta
    _, outcome = chain.make(chain.grant(Person(1).asset(sells_j=KWH)))
    assert (chain.state.root(), chain.state.meta, chain.state.accounts) == (root, meta, {})
    assert outcome.state_root != root


Thief = Callable[[Draft, Person], None]


def mint_money(draft: Draft, person: Person) -> None:
    """A broken rule: money out of nothing."""
    account = draft.known_account(person.address)
    draft.accounts[person.address] = account._replace(money_uc=account.money_uc + 1)


def lose_an_offer(draft: Draft, person: Person) -> None:
    """A broken rule: an offer vanishes with what it holds."""
    draft.offers[OfferId(1)] = None


def sell_twice(draft: Draft, person: Person) -> None:
    """A broken rule: a sale does not use up what was offered."""
    account = draft.known_account(person.address)
    draft.accounts[person.address] = account._replace(sold_j=account.sold_j + KWH)


def shrink_an_escrow(draft: Draft, person: Person) -> None:
    """A broken rule: a payment leaves the escrow and arrives nowhere."""
    offer = draft.offer(OfferId(2))
    draft.offers[offer.offer_id] = offer._replace(escrow_uc=offer.escrow_uc - 1)


def forget_a_deposit(draft: Draft, person: Person) -> None:
    """A broken rule: the counters say more was granted than the accounts hold."""
    draft.meta = draft.meta._replace(granted=draft.meta.granted._replace(consumption_j=5 * KWH))


@pytest.mark.parametrize("thief", [mint_money, lose_an_offer, sell_twice, shrink_an_escrow, forget_a_deposit])
def test_broken_rules_break_conservation(thief: Thief) -> None:
    chain = Chain()
    seller, _ = seller_and_buyer(chain)
    draft = chain.state.draft()
    thief(draft, seller)
    with pytest.raises(RuleViolation) as broken:
        draft.seal()
    assert broken.value.rule == "LED-20"


@pytest.mark.parametrize("thief", [mint_money, sell_twice, shrink_an_escrow, forget_a_deposit])
def test_the_sum_over_the_whole_state_sees_what_the_touched_records_hide(thief: Thief) -> None:
    chain = Chain()
    seller, _ = seller_and_buyer(chain)
    draft = chain.state.draft()
    thief(draft, seller)
    chain.state.accounts.update(draft.accounts)
    chain.state.offers.update({key: offer for key, offer in draft.offers.items() if offer is not None})
    chain.state.meta = draft.meta
    with pytest.raises(RuleViolation) as broken:
        check_state_conserves(chain.state)
    assert broken.value.rule == "LED-20"


def test_a_touched_record_that_the_seal_missed_would_show_in_the_root() -> None:
    """What the comparison with the naive tree is for: a tree that misses one change has another root."""
    chain = Chain()
    seller, _ = seller_and_buyer(chain)
    other = chain.account(seller)._replace(money_uc=1)
    changed = update(chain.state.tree, {account_key(seller.address): value_hash_of(encode_account(other))})
    assert changed is not None
    assert changed.hash != naive_statetree.root(records_of(chain.state))


def test_amounts_have_one_canonical_form() -> None:
    assert Amounts(production_j=1, money_uc=3).to_wire() == (1, 0, 3, 0, 0)


def test_a_draft_states_its_own_problem() -> None:
    """What a miner asks before a block: the offers of the state, those of the draft, and none that the draft closed."""
    chain = Chain()
    seller_and_buyer(chain)
    more = chain.state.offers[OfferId(1)]._replace(offer_id=OfferId(3), remaining_j=KWH // 2)
    draft = chain.state.draft()
    draft.offers = {OfferId(2): None, OfferId(3): more}
    assert list(draft.problem().shares.values()) == [((1, KWH), (3, KWH // 2))]
