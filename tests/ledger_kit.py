"""A ledger small enough to read: four miners, a DSO, three feeders, quarters of an hour.

`Chain.add` is the way every test makes blocks: a block is made, judged as by a voter and followed by a meter's replica,
and the whole state is added up; so each test checks all of that on the side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from light_client.rules.crypto import address_of, public_key_of, sign, verify
from light_client.rules.encoding import encode
from light_client.rules.ledger.audit import Followed, MarketReplica
from light_client.rules.ledger.block import Block, Header
from light_client.rules.ledger.chain import Tip, genesis_tip, judge_block, make_block
from light_client.rules.ledger.committee import (
    Committee,
    Member,
    QuorumCertificate,
    VoteKind,
    vote_message,
)
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.execution import Outcome
from light_client.rules.ledger.genesis import ChainParams, Genesis
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import Account, account_key, encode_account, encode_offer, offer_key
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.ledger.state import LedgerState, check_state_conserves
from light_client.rules.ledger.transactions import (
    Asset,
    DepositAssets,
    GrantAssets,
    PostOffer,
    SignedTransaction,
    SubmitSolution,
    Transaction,
    sign_transaction,
)
from light_client.rules.market.certificate import Certificate, Steps
from light_client.rules.market.clearing import Solution
from light_client.rules.market.grid import Feeder
from light_client.rules.market.intervals import Ranges
from light_client.rules.market.mechanisms.kinds import MaximumEnergy, MechanismParams
from light_client.rules.market.offer import ClassKey, Offer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.plan import Entries, Plan
from light_client.rules.market.problem import Problem
from light_client.rules.merkle import Tree
from light_client.rules.statetree import state_key
from light_client.rules.units import Address, FeederId, OfferId, Side

INTERVAL_S = 900
INTERVAL_MS = INTERVAL_S * 1_000
FIRST = 1_000
KWH = 3_600_000
"""One kilowatt-hour in joules."""
SELL, BUY = Side.SELL, Side.BUY


def secret(number: int) -> bytes:
    """Return a secret key for tests."""
    return number.to_bytes(32, "big")


DSO_SECRET, SOLVER_SECRET = secret(1), secret(2)
MINER_SECRETS = tuple(secret(number) for number in range(11, 15))


def genesis(
    *,
    price: int | None = None,
    chain: ChainParams | None = None,
    t_clear: int = 1,
    horizon: int = 8,
    c_ext_w: int = 100_000,
    name: str = "test-kit",
    mechanism: MechanismParams | None = None,
    epochs: EpochParams | None = None,
    registry: MinerRegistry | None = None,
) -> Genesis:
    """Return a genesis; ``price`` makes the market uniform."""
    return Genesis(
        name=name,
        genesis_time_ms=(FIRST - t_clear) * INTERVAL_MS,
        first_interval=FIRST,
        market=MarketParams(
            interval_s=INTERVAL_S,
            t_clear=t_clear,
            horizon=horizon,
            uniform_price_uc_per_kwh=price,
            mechanism=mechanism or MaximumEnergy(),
        ),
        feeders=tuple(Feeder(feeder=FeederId(number), c_ext_w=c_ext_w) for number in (1, 2, 3)),
        dso_key=public_key_of(DSO_SECRET),
        committee=Committee(
            members=tuple(Member(public_key=public_key_of(miner)) for miner in MINER_SECRETS)
        ),
        chain=chain or ChainParams(),
        epochs=epochs or EpochParams(),
        registry=registry,
    )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one key."""

    number: int
    feeder: int = 1

    @property
    def secret(self) -> bytes:
        """The key."""
        return secret(1_000 + self.number)

    @property
    def address(self) -> Address:
        """Where the key's assets are."""
        return Address(address_of(public_key_of(self.secret)))

    def asset(
        self,
        *,
        sells_j: int = 0,
        buys_j: int = 0,
        money_uc: int = 0,
        first: int = FIRST,
        last: int = FIRST + 99,
    ) -> Asset:
        """Return what the DSO grants."""
        return Asset(
            address=self.address,
            feeder=FeederId(self.feeder),
            first_interval=first,
            last_interval=last,
            production_j=sells_j,
            consumption_j=buys_j,
            money_uc=money_uc,
        )

    def offer(
        self, side: Side, energy_j: int, price: int, ranges: Ranges | int, *, feeder: int | None = None
    ) -> Offer:
        """Return an offer; an interval stands for the range of it alone."""
        return Offer(
            side=side,
            feeder=FeederId(self.feeder if feeder is None else feeder),
            energy_j=energy_j,
            ranges=((ranges, ranges),) if isinstance(ranges, int) else ranges,
            price_uc_per_kwh=price,
            address=self.address,
        )


class Chain:
    """A chain with one full copy of the ledger, one replica of a meter, and all blocks."""

    def __init__(self, start: Genesis | None = None) -> None:
        self.genesis = start or genesis()
        self.chain_id = self.genesis.chain_id()
        self.state = LedgerState(self.genesis)
        self.tip: Tip = genesis_tip(self.genesis)
        self.replica = MarketReplica(self.genesis)
        self.followed: Followed | None = None
        self.blocks: list[Block] = []
        self.history = Tree(())

    def sign(self, transaction: Transaction, key: bytes) -> SignedTransaction:
        """Sign for this chain."""
        return sign_transaction(transaction, self.chain_id, key)

    def grant(self, *assets: Asset, ahead: int = 0) -> SignedTransaction:
        """Return the DSO's next batch; ``ahead`` counts earlier batches of the same block."""
        ordered = tuple(sorted(assets, key=lambda asset: asset.address))
        number = self.state.meta.next_grant + ahead
        return self.sign(GrantAssets(sequence=number, assets=ordered), DSO_SECRET)

    def post(self, person: Person, offer: Offer, *, sequence: int | None = None) -> SignedTransaction:
        """Return a signed offer with the sequence number that is due."""
        due = self.account(person).next_sequence if sequence is None else sequence
        return self.sign(PostOffer(sequence=due, offer=offer), person.secret)

    def improve(
        self, person: Person, offer_id: int, limit: int, *, sequence: int | None = None
    ) -> SignedTransaction:
        """Return a signed improved limit with the sequence number that is due."""
        due = self.account(person).next_sequence if sequence is None else sequence
        change = ImproveOffer(sequence=due, offer_id=OfferId(offer_id), limit_uc_per_kwh=limit)
        return self.sign(change, person.secret)

    def deposit(self, person: Person) -> SignedTransaction:
        """Return the transaction that hands everything back."""
        return self.sign(DepositAssets(sequence=self.account(person).next_sequence), person.secret)

    def solution(self, solved: Solution) -> bytes:
        """Return a solution signed by the solver."""
        return self.sign(SubmitSolution(solution=solved), SOLVER_SECRET).raw

    def account(self, person: Person) -> Account:
        """Return an account that exists."""
        return self.state.accounts[person.address]

    def gate(self, interval: int = FIRST) -> int:
        """When offers for an interval close."""
        return self.genesis.gate_ms(interval)

    def deadline(self, interval: int = FIRST) -> int:
        """From when on a kept plan may clear."""
        return self.gate(interval) + self.genesis.chain.solve_deadline_ms

    def make(
        self, *transactions: SignedTransaction, at_ms: int | None = None, solution: bytes = b""
    ) -> tuple[Block, Outcome]:
        """Make the next block without adopting it."""
        return make_block(
            self.state,
            self.tip,
            round_=0,
            time_ms=self.tip.time_ms + 1_000 if at_ms is None else at_ms,
            solution=solution,
            transactions=transactions,
            verify_signature=verify,
        )

    def judge(self, block: Block) -> Outcome:
        """Judge a block as a voter."""
        return judge_block(self.state, self.tip, block, verify)

    def add(
        self, *transactions: SignedTransaction, at_ms: int | None = None, solution: bytes = b""
    ) -> Outcome:
        """Make a block, judge it, follow it with the replica, adopt it, and add everything up."""
        block, _ = self.make(*transactions, at_ms=at_ms, solution=solution)
        return self.take(block)

    def take(self, block: Block) -> Outcome:
        """Judge, follow and adopt a block."""
        outcome = self.judge(block)
        self.followed = self.replica.follow(block.header, block.body)
        self.state.adopt(outcome.draft, block.header.hash())
        self.tip = self.tip.extend(block.header)
        self.blocks.append(block)
        self.history.append(block.header.hash())
        check_state_conserves(self.state)
        check_replica_agrees(self.state, self.replica)
        return outcome

    def problem(self) -> Problem:
        """What waits to be cleared."""
        return self.state.draft().problem()

    def close_gate(self, *transactions: SignedTransaction) -> Problem:
        """Add a block at the gate time of the next interval and return the problem that it leaves."""
        self.add(*transactions, at_ms=self.gate(self.state.meta.next_interval))
        return self.problem()

    def certificate(self, header: Header, seats: Iterable[int] = (0, 1, 2)) -> QuorumCertificate:
        """Return precommits of some miners for a header."""
        return certificate_of(self.chain_id, header, seats)


def records_of(state: LedgerState) -> dict[bytes, bytes]:
    """Return everything that the state's root must cover, put together anew: key in the tree -> canonical bytes."""
    records = {account_key(address): encode_account(account) for address, account in state.accounts.items()}
    records |= {offer_key(number): encode_offer(offer) for number, offer in state.offers.items()}
    for public_key, delivery in state.deliveries.items():
        records[state_key("delivery", public_key)] = encode(delivery.to_wire())
    singles = {
        "meta": state.meta.to_wire(),
        "candidate": state.candidate.to_wire(),
        "committee": state.committee.to_wire(),
        "accountability": state.accountability.to_wire(),
    }
    if state.reaction is not None:
        singles["reaction"] = state.reaction.to_wire()
    if state.registry is not None:
        singles["registry"] = state.registry.to_wire()
    records |= {state_key(kind, b""): encode(wire) for kind, wire in singles.items()}
    return records


def check_replica_agrees(state: LedgerState, replica: MarketReplica) -> None:
    """Hold a meter's replica to the ledger: offers, numbers, gate and candidate."""
    assert {key: offer._replace(escrow_uc=0) for key, offer in state.offers.items()} == replica.offers
    assert state.meta.next_offer == replica.next_offer
    assert state.meta.next_interval == replica.next_interval
    assert state.candidate == replica.candidate
    if state.meta.gate_offer is None:
        assert replica.closed is None
        assert state.draft().problem() == replica.problem()
    else:
        assert state.draft().problem() == replica.closed


def certificate_of(
    chain_id: bytes, header: Header, seats: Iterable[int], *, round_: int | None = None
) -> QuorumCertificate:
    """Return precommits of the seats, in their order."""
    signed_in, header_hash = header.round_ if round_ is None else round_, header.hash()
    chosen = sorted(seats)
    message = vote_message(VoteKind.PRECOMMIT, chain_id, header.height, signed_in, header_hash)
    return QuorumCertificate(
        height=header.height,
        round_=signed_in,
        header_hash=header_hash,
        bitmap=sum(1 << seat for seat in chosen),
        signatures=tuple(sign(MINER_SECRETS[seat], message) for seat in chosen),
    )


def sell_everything(problem: Problem) -> Solution:
    """Solve a market in which each interval's buyers want all that is sold in it, every price fits and no limit binds.

    By the theorem of ``market.certificate``, value 0 for every price is tight for the energy (each joule offered is
    sold), and with a large enough weight of the energy for the expiry too (each seller has one interval).
    """
    sold: dict[int, int] = {}
    flows: dict[ClassKey, Entries] = {}
    for key, energy_j in problem.classes.items():
        if key.side == SELL:
            sold[key.last] = sold.get(key.last, 0) + energy_j
            flows[key] = ((key.last, energy_j),)
    if not problem.uniform:
        left = dict(sold)
        for key, energy_j in problem.classes.items():
            part = min(energy_j, left.get(key.last, 0))
            if key.side == BUY and part:
                flows[key] = ((key.last, part),)
                left[key.last] -= part
    weight = (problem.params.expiry_weight + 1) * (problem.first_interval + problem.params.horizon)
    return Solution(
        plan=Plan(first_interval=problem.first_interval, flows=dict(sorted(flows.items()))),
        certificates=(flat_certificate(problem, (1,)), flat_certificate(problem, (weight, 1))),
    )


def flat_certificate(problem: Problem, weights: tuple[int, ...], value: int = 0) -> Certificate:
    """Return the certificate that prices every joule alike."""
    flat: Steps = ((0,), (value,))
    schedules = dict.fromkeys(sorted(problem.two_sided), flat)
    return Certificate(weights=weights, schedules=schedules, net={}, production={}, consumption={})


def seller_and_buyer(
    chain: Chain,
    *,
    sells_j: int = KWH,
    buys_j: int = 2 * KWH,
    ask: int = 100_000,
    bid: int = 200_000,
    intervals: Iterable[int] = (FIRST,),
) -> tuple[Person, Person]:
    """Grant to a seller on feeder 1 and a buyer on feeder 2, and let both post an offer for each interval."""
    seller, buyer = Person(1, feeder=1), Person(2, feeder=2)
    chosen = tuple(intervals)
    count = len(chosen)
    chain.add(
        chain.grant(
            seller.asset(sells_j=count * sells_j),
            buyer.asset(buys_j=count * buys_j, money_uc=count * buys_j * bid // KWH + count),
        )
    )
    chain.add(
        *(chain.post(seller, seller.offer(SELL, sells_j, ask, t), sequence=n) for n, t in enumerate(chosen)),
        *(chain.post(buyer, buyer.offer(BUY, buys_j, bid, t), sequence=n) for n, t in enumerate(chosen)),
    )
    return seller, buyer
