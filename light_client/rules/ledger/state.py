"""The ledger state, and drafts of the next one.

A draft lies over a state and holds only what a block touches; a proposed block is executed on a draft, judged by
its root, and either adopted or forgotten. The state itself changes in ``adopt`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from operator import sub

from light_client.rules.encoding import encode
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.accountability import Accountability
from light_client.rules.ledger.delivery import DeliveryRecord, encode_delivery
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import (
    Account,
    Amounts,
    Candidate,
    Meta,
    Record,
    RecordKind,
    account_key,
    encode_account,
    encode_offer,
    offer_identity,
)
from light_client.rules.market.clearing import empty_plan
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.statetree import (
    Node,
    StateProof,
    prove,
    root_of,
    state_key,
    update,
    value_hash_of,
)
from light_client.rules.units import HASH_BYTES, Address, OfferId, Side


class LedgerState:
    """Accounts, open offers, counters, candidate plan, who signs, who was convicted; and their authenticated map."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.chain_id = genesis.chain_id()
        self.grid = genesis.grid
        self.accounts: dict[Address, Account] = {}
        self.offers: dict[OfferId, OpenOffer] = {}
        self.deliveries: dict[bytes, DeliveryRecord] = {}
        """Public key of a registered miner -> what was reported of it."""
        self.meta = Meta(
            next_interval=genesis.first_interval,
            next_report=genesis.first_interval,
            granted=Amounts(),
            deposited=Amounts(),
        )
        self.candidate = Candidate(plan=empty_plan(genesis.first_interval), certificate=None)
        self.reaction: Reaction | None = None
        """Between two stages of an auction, else None."""
        self.committee = genesis.committee
        """Signs the next block."""
        self.registry = genesis.registry
        self.accountability = Accountability()
        self.height = 0
        """Height of the block after which this is the state; 0 before the first."""
        self.head = bytes(HASH_BYTES)
        """Hash of that block's header; 32 zero bytes before the first."""
        self.tree: Node = update(
            None, {record.key(): value_hash_of(record.value) for record in self.records()}
        )

    def records(self) -> Iterator[Record]:
        """All records, in no order."""
        for address, account in self.accounts.items():
            yield Record(RecordKind.ACCOUNT, address, encode_account(account))
        for offer_id, offer in self.offers.items():
            yield Record(RecordKind.OFFER, offer_identity(offer_id), encode_offer(offer))
        for public_key, delivery in self.deliveries.items():
            yield Record(RecordKind.DELIVERY, public_key, encode_delivery(delivery))
        yield Record(RecordKind.META, b"", encode(self.meta.to_wire()))
        yield Record(RecordKind.CANDIDATE, b"", encode(self.candidate.to_wire()))
        yield Record(RecordKind.COMMITTEE, b"", encode(self.committee.to_wire()))
        if self.reaction is not None:
            yield Record(RecordKind.REACTION, b"", encode(self.reaction.to_wire()))
        yield Record(RecordKind.ACCOUNTABILITY, b"", encode(self.accountability.to_wire()))
        if self.registry is not None:
            yield Record(RecordKind.REGISTRY, b"", encode(self.registry.to_wire()))

    def root(self) -> bytes:
        """Root of the authenticated map, 32 bytes."""
        return root_of(self.tree)

    def prove_account(self, address: Address) -> tuple[bytes | None, StateProof]:
        """An account's canonical bytes (None: no such account) with their proof."""
        account = self.accounts.get(address)
        return None if account is None else encode_account(account), prove(self.tree, account_key(address))

    def draft(self) -> Draft:
        """A fresh draft over this state."""
        return Draft(self)

    def adopt(self, draft: Draft, header_hash: bytes) -> None:
        """Make a draft of this state the state.

        Args:
            header_hash: of the block that the draft was made for.

        Raises:
            LocalError: the draft is of another state, or of this one before it last changed, or was never sealed.
        """
        newest = draft.base is self and draft.base_tree is self.tree and draft.height == self.height + 1
        if not newest or draft.tree is None:
            raise LocalError("only a sealed draft of this very state can be adopted")
        self.accounts.update(draft.accounts)
        for offer_id, offer in draft.offers.items():
            if offer is None:
                self.offers.pop(offer_id, None)
            else:
                self.offers[offer_id] = offer
        for key, record in draft.deliveries.items():
            if record is None:
                self.deliveries.pop(key, None)
            else:
                self.deliveries[key] = record
        self.meta = draft.meta
        self.candidate = draft.candidate
        self.reaction = draft.reaction
        self.committee = draft.committee
        self.registry = draft.registry
        self.accountability = draft.accountability
        self.tree = draft.tree[0]
        self.height, self.head = draft.height, header_hash


class Draft:
    """A state in the making."""

    def __init__(self, base: LedgerState) -> None:
        self.base = base
        self.base_tree = base.tree
        self.genesis = base.genesis
        self.accounts: dict[Address, Account] = {}
        self.offers: dict[OfferId, OpenOffer | None] = {}
        self.deliveries: dict[bytes, DeliveryRecord | None] = {}
        self.meta = base.meta
        self.candidate = base.candidate
        self.reaction = base.reaction
        self.committee = base.committee
        self.registry = base.registry
        self.accountability = base.accountability
        self.height = base.height + 1
        """Height of the block in the making."""
        self.time_ms = 0
        """Time of the block in the making, UTC ms; set where a block begins (``execution.close_gate``)."""
        self.tree: tuple[Node] | None = None
        self.changed: dict[bytes, Record | None] = {}
        """Once sealed: key in the tree -> the record as it is now, None for one that ended."""
        self._closed: Problem | None = None

    def account(self, address: Address) -> Account | None:
        """The account as it stands in this draft."""
        found = self.accounts.get(address)
        return found if found is not None else self.base.accounts.get(address)

    def known_account(self, address: Address) -> Account:
        """The account, which must exist.

        Raises:
            RuleViolation: LED-08.
        """
        account = self.account(address)
        if account is None:
            raise RuleViolation(
                "LED-08",
                "the address was never granted anything",
                got=address,
                expected="a known address",
            )
        return account

    def offer(self, offer_id: OfferId) -> OpenOffer:
        """An open offer as it stands in this draft."""
        offer = self.offers.get(offer_id)
        return offer if offer is not None else self.base.offers[offer_id]

    def react(self, reaction: Reaction | None) -> None:
        """Open a second stage, take in an improved limit, or end the stage."""
        self.reaction = reaction
        if self._closed is not None:
            self._closed = replace(self._closed, reaction=reaction)

    def find_offer(self, offer_id: OfferId) -> OpenOffer | None:
        """An open offer as it stands in this draft, or None."""
        return self.offers[offer_id] if offer_id in self.offers else self.base.offers.get(offer_id)

    def delivery(self, public_key: bytes) -> DeliveryRecord:
        """What was reported of a registered miner, as it stands in this draft."""
        known = self.deliveries if public_key in self.deliveries else self.base.deliveries
        return known.get(public_key) or DeliveryRecord()

    def is_convicted(self, public_key: bytes) -> bool:
        """Whether evidence keeps a candidate out of the committee that is elected now."""
        return self.accountability.is_convicted(public_key, self.meta.next_interval)

    def open_offers(self) -> Iterator[OpenOffer]:
        """All open offers of this draft."""
        for offer_id, offer in self.base.offers.items():
            if offer_id not in self.offers:
                yield offer
        for changed in self.offers.values():
            if changed is not None:
                yield changed

    def problem(self) -> Problem:
        """What has to be cleared now: offers accepted before the gate closed (all, while it is open)."""
        gate = self.meta.gate_offer
        if gate is not None and self._closed is not None:
            return self._closed
        offers = self.open_offers()
        taking_part = offers if gate is None else (offer for offer in offers if offer.offer_id < gate)
        found = problem_of(
            taking_part,
            first_interval=self.meta.next_interval,
            params=self.genesis.market,
            grid=self.base.grid,
            reaction=self.reaction,
        )
        if gate is not None:
            self._closed = found
        return found

    def seal(self) -> bytes:
        """Compute the root after the draft's changes; the draft is not changed afterwards."""
        check_block_conserves(self)
        changes: dict[bytes, bytes | None] = {}
        for kind, identity, value in self._changes():
            key = state_key(kind, identity)
            self.changed[key] = None if value is None else Record(kind, identity, value)
            changes[key] = None if value is None else value_hash_of(value)
        self.tree = (update(self.base.tree, changes),)
        return root_of(self.tree[0])

    def _changes(self) -> Iterator[tuple[RecordKind, bytes, bytes | None]]:
        """Kind, identity and new bytes of the records that this draft changes; None for one that ends."""
        base = self.base
        for address, account in self.accounts.items():
            yield RecordKind.ACCOUNT, address, encode_account(account)
        for offer_id, offer in self.offers.items():
            value = None if offer is None else encode_offer(offer)
            yield RecordKind.OFFER, offer_identity(offer_id), value
        for public_key, delivery in self.deliveries.items():
            yield RecordKind.DELIVERY, public_key, None if delivery is None else encode_delivery(delivery)
        if self.meta != base.meta:
            yield RecordKind.META, b"", encode(self.meta.to_wire())
        if self.candidate is not base.candidate:
            yield RecordKind.CANDIDATE, b"", encode(self.candidate.to_wire())
        if self.reaction is not base.reaction:
            yield RecordKind.REACTION, b"", None if self.reaction is None else encode(self.reaction.to_wire())
        if self.committee is not base.committee:
            yield RecordKind.COMMITTEE, b"", encode(self.committee.to_wire())
        if self.accountability is not base.accountability:
            yield RecordKind.ACCOUNTABILITY, b"", encode(self.accountability.to_wire())
        if self.registry is not None and self.registry is not base.registry:
            yield RecordKind.REGISTRY, b"", encode(self.registry.to_wire())


def held(account: Account) -> Amounts:
    """What an account holds of each conserved quantity."""
    return Amounts(
        account.production_j, account.consumption_j, account.money_uc, account.sold_j, account.bought_j
    )


def locked(offer: OpenOffer) -> Amounts:
    """What an open offer holds of each conserved quantity."""
    if offer.side == Side.SELL:
        return Amounts(offer.remaining_j)
    return Amounts(0, offer.remaining_j, offer.escrow_uc)


def check_block_conserves(draft: Draft) -> None:
    """LED-20: what the touched records gained equals what came in less what went out, for energy and for money.

    Source: the workflow of section 6.4 of the transactive-energy paper; checked after every block, over the
    touched records only, so that its cost does not grow with the ledger. ``check_state_conserves`` adds up everything.
    """
    base = draft.base
    before = (base.accounts.get(address) for address in draft.accounts)
    old = (base.offers.get(offer_id) for offer_id in draft.offers)
    gained = map(sub, _holdings(draft.accounts.values(), draft.offers.values()), _holdings(before, old))
    _compare(list(gained), expected_holdings(draft.meta), expected_holdings(base.meta))


def expected_holdings(meta: Meta) -> list[int]:
    """What accounts and open offers must hold together: granted, less deposited; trades turn assets into energy."""
    granted, deposited, traded = meta.granted, meta.deposited, meta.traded_j
    return [
        granted.production_j - deposited.production_j - traded,
        granted.consumption_j - deposited.consumption_j - traded,
        granted.money_uc - deposited.money_uc,
        traded - deposited.sold_j,
        traded - deposited.bought_j,
    ]


def check_state_conserves(state: LedgerState) -> None:
    """LED-20 over the whole state: every account and every open offer added up."""
    total = _holdings(state.accounts.values(), state.offers.values())
    _compare(list(total), expected_holdings(state.meta), [0, 0, 0, 0, 0])


def _holdings(accounts: Iterable[Account | None], offers: Iterable[OpenOffer | None]) -> Amounts:
    """What records hold together; those that there are not hold nothing."""
    production_j = consumption_j = money_uc = sold_j = bought_j = 0
    held_here = (held(account) for account in accounts if account is not None)
    locked_here = (locked(offer) for offer in offers if offer is not None)
    for amounts in chain(held_here, locked_here):
        production_j += amounts.production_j
        consumption_j += amounts.consumption_j
        money_uc += amounts.money_uc
        sold_j += amounts.sold_j
        bought_j += amounts.bought_j
    return Amounts(production_j, consumption_j, money_uc, sold_j, bought_j)


def _compare(gained: list[int], after: list[int], before: list[int]) -> None:
    names = ("production", "consumption", "money", "sold energy", "bought energy")
    for name, gain, now, then in zip(names, gained, after, before, strict=True):
        if gain != now - then:
            raise RuleViolation("LED-20", f"{name} is not conserved", got=gain, expected=now - then)
