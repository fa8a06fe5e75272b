"""The replica: the open offers, rebuilt from block bodies, against which anyone re-judges every clearing.

A light meter follows offers and clearings only. Accounts, balances and signatures of other people's transactions
are the quorum's business; whether a clearing is feasible and optimal is not taken from anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import (
    NO_CLEARING,
    Body,
    Header,
    body_matches,
    solution_root_of,
)
from light_client.rules.ledger.clear import ClearedInterval, clear, clearing_is_due, reaction_to
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import Candidate
from light_client.rules.ledger.settle import ended_offers
from light_client.rules.ledger.transactions import (
    Kind,
    PostOffer,
    ReadTransaction,
    decode_transaction,
    kind_of,
)
from light_client.rules.market.clearing import empty_plan
from light_client.rules.market.mechanisms.reaction import Reaction, improve
from light_client.rules.market.offer import Offer, OpenOffer
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import Address, OfferId

_FOLLOWED = (Kind.POST_OFFER, Kind.IMPROVE_OFFER)
"""Transactions that change what is cleared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What the replica learned from one block."""

    cleared: ClearedInterval | None
    """The interval that became final, or None."""
    posted: tuple[OpenOffer, ...]
    """Offers that the block accepted, with the numbers that the ledger gives them."""
    reaction: Reaction | None
    """The second stage of an auction under way after the block, with all limits improved so far."""
    ended: tuple[OfferId, ...]
    """Offers that the clearing left nothing of: served or expired."""
    others: tuple[bytes, ...]
    """All other transactions, raw: that they are valid is the quorum's word."""


class MarketReplica:
    """Open offers, gate and candidate plan of one chain, as of ``height``."""

    def __init__(self, genesis: Genesis, read: ReadTransaction = decode_transaction) -> None:
        """Begin at the genesis.

        Args:
            read: how transactions are read; what they mean is judged here in any case.
        """
        self.genesis = genesis
        self.chain_id = genesis.chain_id()
        self._read = read
        self.grid = genesis.grid
        self.height = 0
        self.next_interval = genesis.first_interval
        self.next_offer = 1
        self.offers: dict[OfferId, OpenOffer] = {}
        self.candidate = Candidate(plan=empty_plan(genesis.first_interval), certificate=None)
        self.closed: Problem | None = None
        """What the closed gate left to clear; None while offers for the next interval are open."""

    def problem(self) -> Problem:
        """What would have to be cleared if the gate closed now."""
        return problem_of(
            self.offers.values(),
            first_interval=self.next_interval,
            params=self.genesis.market,
            grid=self.grid,
        )

    def follow(self, header: Header, body: Body) -> Followed:
        """Take in the next block, whose header a quorum is known to have signed; judge what it clears.

        Raises:
            RuleViolation: LED-32 a body that is not the header's; LED-33 a clearing or solution root that does not
                follow from the offers; LED-21, LED-22, MKT-11 to MKT-38 a clearing that no honest voter accepts.
                The replica is unchanged then.
        """
        if header.height != self.height + 1:
            raise RuleViolation(
                "LED-33",
                "height of the block to follow",
                got=header.height,
                expected=self.height + 1,
            )
        body_matches(header, body)
        offers, improvements, others = self._read_body(body)
        problem = self.closed
        if problem is None and header.time_ms >= self.genesis.gate_ms(self.next_interval):
            problem = self.problem()
            reaction = reaction_to(problem, self.next_offer)
            problem = problem if reaction is None else replace(problem, reaction=reaction)
        done = self._judge(header, body, problem)
        self.closed = self._improve(problem if done is None else None, improvements)
        ended: tuple[OfferId, ...] = ()
        if done is not None and problem is not None:
            ended = self._finalise(problem, done)
        posted = tuple(self._take(offer) for offer in offers)
        self.height = header.height
        reaction = None if self.closed is None else self.closed.reaction
        return Followed(cleared=done, posted=posted, reaction=reaction, ended=ended, others=others)

    def _read_body(
        self, body: Body
    ) -> tuple[list[Offer], list[tuple[Address, ImproveOffer]], tuple[bytes, ...]]:
        """The offers of a body, the improved limits with their signers, and everything else in it, raw."""
        limit = self.genesis.chain.max_tx_bytes
        offers: list[Offer] = []
        improvements: list[tuple[Address, ImproveOffer]] = []
        others: list[bytes] = []
        for raw in body.transactions:
            signed = self._read(raw, max_bytes=limit) if kind_of(raw) in _FOLLOWED else None
            match signed and signed.transaction:
                case PostOffer() as post:
                    offers.append(post.offer)
                case ImproveOffer() as improvement if signed is not None:
                    improvements.append((signed.address, improvement))
                case _:
                    others.append(raw)
        return offers, improvements, tuple(others)

    def _improve(
        self, closed: Problem | None, improvements: list[tuple[Address, ImproveOffer]]
    ) -> Problem | None:
        """The problem that waits, with the improved limits of a block; judged like any other part of the market."""
        reaction = None if closed is None else closed.reaction
        for address, improvement in improvements:
            limit = improvement.limit_uc_per_kwh
            _, reaction = improve(reaction, self.offers.get(improvement.offer_id), address, limit)
        return closed if closed is None or not improvements else replace(closed, reaction=reaction)

    def _judge(self, header: Header, body: Body, problem: Problem | None) -> ClearedInterval | None:
        how = header.clearing.how
        clearing_is_due(self.genesis, problem, header.time_ms, how, body.solution)
        done = None
        if problem is not None and how != Cleared.NOTHING:
            done = clear(
                self.genesis,
                self.chain_id,
                problem,
                candidate=self.candidate,
                how=how,
                solution=body.solution,
                verify_signature=verify,
                read=self._read,
            )
        clearing = NO_CLEARING if done is None else done.clearing
        if clearing != header.clearing:
            raise RuleViolation(
                "LED-33",
                "what the header says it cleared",
                got=header.clearing,
                expected=clearing,
            )
        root = solution_root_of(body.solution, () if done is None else done.trades, how)
        if root != header.solution_root:
            raise RuleViolation(
                "LED-33",
                "root of the final trades",
                got=header.solution_root,
                expected=root,
            )
        return done

    def _finalise(self, problem: Problem, done: ClearedInterval) -> tuple[OfferId, ...]:
        remaining_j: dict[int, int] = {}
        for trade in done.trades:
            offer = self.offers[OfferId(trade.offer_id)]
            left = remaining_j[trade.offer_id] = offer.remaining_j - trade.energy_j
            self.offers[offer.offer_id] = offer.left_with(left)
        ended = tuple(ended_offers(problem, done.trades, remaining_j))
        for offer_id in ended:
            del self.offers[offer_id]
        self.next_interval = done.clearing.interval + 1
        self.candidate = done.candidate
        return ended

    def _take(self, offer: Offer) -> OpenOffer:
        taken = OpenOffer(
            offer_id=OfferId(self.next_offer),
            address=offer.address,
            side=offer.side,
            feeder=offer.feeder,
            price_uc_per_kwh=offer.price_uc_per_kwh,
            ranges=offer.ranges,
            remaining_j=offer.energy_j,
            escrow_uc=0,
        )
        self.offers[taken.offer_id] = taken
        self.next_offer += 1
        return taken
