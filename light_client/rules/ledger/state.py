"""The ledger state, and drafts of the next one.

A draft lies over a state and holds only what a block touches; a proposed block is executed on a draft, judged by
its root, and either adopted or forgotten. The state itself changes in ``adopt`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from light_client.rules.encoding import encode
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import (
    CANDIDATE_KEY,
    META_KEY,
    REACTION_KEY,
    Account,
    Amounts,
    Candidate,
    Meta,
    account_key,
    encode_account,
    encode_offer,
    offer_key,
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
    update,
    value_hash_of,
)
from light_client.rules.units import Address, OfferId, Side


class LedgerState:
    """Accounts, open offers, counters and the candidate plan, with their authenticated map."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.chain_id = genesis.chain_id()
        self.grid = genesis.grid
        self.accounts: dict[Address, Account] = {}
        self.offers: dict[OfferId, OpenOffer] = {}
        self.meta = Meta(next_interval=genesis.first_interval, granted=Amounts(), deposited=Amounts())
        self.candidate = Candidate(plan=empty_plan(genesis.first_interval), certificate=None)
        self.reaction: Reaction | None = None
        """Between two stages of an auction, else None."""
        self.tree: Node = update(
            None,
            {
                META_KEY: value_hash_of(encode(self.meta.to_wire())),
                CANDIDATE_KEY: value_hash_of(encode(self.candidate.to_wire())),
            },
        )

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

    def adopt(self, draft: Draft) -> None:
        """Make a draft of this state the state.

        Raises:
            LocalError: the draft is of another state, or of this one before it last changed, or was never sealed.
        """
        if draft.base is not self or draft.base_tree is not self.tree or draft.tree is None:
            raise LocalError("only a sealed draft of this very state can be adopted")
        self.accounts.update(draft.accounts)
        for offer_id, offer in draft.offers.items():
            if offer is None:
                self.offers.pop(offer_id, None)
            else:
                self.offers[offer_id] = offer
        self.meta = draft.meta
        self.candidate = draft.candidate
        self.reaction = draft.reaction
        self.tree = draft.tree[0]


class Draft:
    """A state in the making."""

    def __init__(self, base: LedgerState) -> None:
        self.base = base
        self.base_tree = base.tree
        self.genesis = base.genesis
        self.accounts: dict[Address, Account] = {}
        self.offers: dict[OfferId, OpenOffer | None] = {}
        self.meta = base.meta
        self.candidate = base.candidate
        self.reaction = base.reaction
        self.time_ms = 0
        """Time of the block in the making, UTC ms; set where a block begins (``execution.close_gate``)."""
        self.tree: tuple[Node] | None = None

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

    def find_offer(self, offer_id: OfferId) -> OpenOffer | None:
        """An open offer as it stands in this draft, or None."""
        return self.offers[offer_id] if offer_id in self.offers else self.base.offers.get(offer_id)

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
        offers = self.open_offers()
        taking_part = offers if gate is None else (offer for offer in offers if offer.offer_id < gate)
        return problem_of(
            taking_part,
            first_interval=self.meta.next_interval,
            params=self.genesis.market,
            grid=self.base.grid,
            reaction=self.reaction,
        )

    def seal(self) -> bytes:
        """Compute the root after the draft's changes; the draft is not changed afterwards."""
        check_block_conserves(self)
        changes: dict[bytes, bytes | None] = {
            account_key(address): value_hash_of(encode_account(account))
            for address, account in self.accounts.items()
        }
        for offer_id, offer in self.offers.items():
            changes[offer_key(offer_id)] = None if offer is None else value_hash_of(encode_offer(offer))
        if self.meta != self.base.meta:
            changes[META_KEY] = value_hash_of(encode(self.meta.to_wire()))
        if self.candidate is not self.base.candidate:
            changes[CANDIDATE_KEY] = value_hash_of(encode(self.candidate.to_wire()))
        reaction = self.reaction
        if reaction is not self.base.reaction:
            changes[REACTION_KEY] = None if reaction is None else value_hash_of(encode(reaction.to_wire()))
        self.tree = (update(self.base.tree, changes),)
        return root_of(self.tree[0])


def held(account: Account) -> Amounts:
    """What an account holds of each conserved quantity."""
    return Amounts(
        production_j=account.production_j,
        consumption_j=account.consumption_j,
        money_uc=account.money_uc,
        sold_j=account.sold_j,
        bought_j=account.bought_j,
    )


def locked(offer: OpenOffer) -> Amounts:
    """What an open offer holds of each conserved quantity."""
    if offer.side == Side.SELL:
        return Amounts(production_j=offer.remaining_j)
    return Amounts(consumption_j=offer.remaining_j, money_uc=offer.escrow_uc)


def check_block_conserves(draft: Draft) -> None:
    """LED-20: what the touched records gained equals what came in less what went out, for energy and for money.

    Source: the workflow of section 6.4 of the transactive-energy paper; checked after every block, over the
    touched records only, so that its cost does not grow with the ledger. ``check_state_conserves`` adds up everything.
    """
    base = draft.base
    gained = [0, 0, 0, 0, 0]
    for address, account in draft.accounts.items():
        _add(gained, held(account), 1)
        before = base.accounts.get(address)
        if before is not None:
            _add(gained, held(before), -1)
    for offer_id, offer in draft.offers.items():
        if offer is not None:
            _add(gained, locked(offer), 1)
        old = base.offers.get(offer_id)
        if old is not None:
            _add(gained, locked(old), -1)
    _compare(gained, expected_holdings(draft.meta), expected_holdings(base.meta))


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
    total = [0, 0, 0, 0, 0]
    for account in state.accounts.values():
        _add(total, held(account), 1)
    for offer in state.offers.values():
        _add(total, locked(offer), 1)
    _compare(total, expected_holdings(state.meta), [0, 0, 0, 0, 0])


def _add(total: list[int], amounts: Amounts, sign: int) -> None:
    for position, value in enumerate(amounts.to_wire()):
        total[position] += sign * value


def _compare(gained: list[int], after: list[int], before: list[int]) -> None:
    names = ("production", "consumption", "money", "sold energy", "bought energy")
    for name, gain, now, then in zip(names, gained, after, before, strict=True):
        if gain != now - then:
            raise RuleViolation("LED-20", f"{name} is not conserved", got=gain, expected=now - then)
