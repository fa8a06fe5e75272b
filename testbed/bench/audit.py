"""The whole audit of a day, from ledger bytes: what a meter does that has nothing but two blocks.

One block posts all offers of a day, the next clears it with a certified solution for the whole day. Timed is
everything that the replica does: decoding, the roots of bodies and trades, feasibility, both bounds, shares and
money of the final interval.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from light_client.rules.crypto import address_of, public_key_of
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import (
    NO_CLEARING,
    Body,
    Header,
    body_from_bytes,
    solution_root_of,
    tx_root_of,
)
from light_client.rules.ledger.clear import clear
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import Candidate
from light_client.rules.ledger.transactions import PostOffer, SubmitSolution, assemble, sign_transaction
from light_client.rules.market.clearing import empty_plan
from light_client.rules.market.offer import Offer
from light_client.rules.units import HASH_BYTES, SIGNATURE_BYTES, Address, FeederId, Side
from testbed.bench.cases import Case
from testbed.solver.solve import solve

ASKED_S = 0.150


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTiming:
    """One audited day."""

    case: str
    offers: int
    body_bytes: int
    solution_bytes: int
    audit_s: float
    """Median over the repeats."""

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "case": self.case,
            "offers": self.offers,
            "body_bytes": self.body_bytes,
            "solution_bytes": self.solution_bytes,
            "audit_s": round(self.audit_s, 6),
        }


class Ledger(NamedTuple):
    """A day in two blocks: one posts all offers, the next clears it."""

    genesis: Genesis
    blocks: tuple[tuple[Header, bytes], ...]
    """Each header with the bytes of its body."""
    solution_bytes: int


def measure_audit(case: Case, *, repeats: int) -> AuditTiming:
    """Put a day into two blocks and audit them with a fresh replica, again and again."""
    ledger = ledger_of(case)
    gc.collect()
    gc.freeze()
    seconds = [_audited(ledger) for _ in range(repeats)]
    gc.unfreeze()
    return AuditTiming(
        case=case.name,
        offers=len(case.columns),
        body_bytes=len(ledger.blocks[0][1]),
        solution_bytes=ledger.solution_bytes,
        audit_s=median(seconds),
    )


def ledger_of(case: Case) -> Ledger:
    """Solve the day of a case and put it into two blocks."""
    genesis = _genesis(case)
    posted = Body(solution=b"", transactions=_offers(case, genesis.chain_id()))
    opening = replace(_header(genesis, 1, 0), tx_root=tx_root_of(posted))
    replica = MarketReplica(genesis)
    replica.follow(opening, posted)
    problem = replica.problem()
    submitted = SubmitSolution(solution=solve(problem).solution)
    raw = sign_transaction(submitted, genesis.chain_id(), _secret(2)).raw
    candidate = Candidate(plan=empty_plan(genesis.first_interval), certificate=None)
    done = clear(
        genesis,
        genesis.chain_id(),
        problem,
        candidate=candidate,
        how=Cleared.PROVEN,
        solution=raw,
        verify_signature=lambda *_: True,
    )
    cleared = Body(solution=raw, transactions=())
    closing = replace(
        _header(genesis, 2, genesis.gate_ms(genesis.first_interval)),
        tx_root=tx_root_of(cleared),
        clearing=done.clearing,
        solution_root=solution_root_of(raw, done.trades, Cleared.PROVEN),
    )
    blocks = ((opening, posted.encode()), (closing, cleared.encode()))
    return Ledger(genesis, blocks, len(raw))


def _audited(ledger: Ledger) -> float:
    replica = MarketReplica(ledger.genesis)
    began = perf_counter()
    for header, raw in ledger.blocks:
        replica.follow(header, body_from_bytes(raw, ledger.genesis.chain))
    return perf_counter() - began


def _secret(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _genesis(case: Case) -> Genesis:
    member = Member(public_key=public_key_of(_secret(1)))
    return Genesis(
        name="test-bench",
        genesis_time_ms=0,
        first_interval=case.first_interval,
        market=case.params,
        feeders=case.grid.feeders,
        dso_key=member.public_key,
        committee=Committee(members=(member,)),
    )


def _header(genesis: Genesis, height: int, time_ms: int) -> Header:
    none = bytes(HASH_BYTES)
    return Header(
        chain_id=genesis.chain_id(),
        height=height,
        round_=0,
        time_ms=time_ms,
        previous_hash=none,
        history_root=none,
        tx_root=none,
        state_root=none,
        solution_root=solution_root_of(b"", (), Cleared.NOTHING),
        committee_hash=none,
        next_committee_hash=none,
        clearing=NO_CLEARING,
    )


def _offers(case: Case, chain_id: bytes) -> tuple[bytes, ...]:
    """All offers of the case as transactions; whose they are and that their signatures hold is no part of the audit."""
    columns = case.columns
    rows = zip(
        columns.side.tolist(),
        columns.feeder.tolist(),
        columns.price_uc_per_kwh.tolist(),
        columns.energy_j.tolist(),
        columns.first_interval.tolist(),
        columns.last_interval.tolist(),
        strict=True,
    )
    raws = []
    for number, (side, feeder, price, energy_j, first, last) in enumerate(rows):
        key = b"\x02" + number.to_bytes(32, "big")
        offer = Offer(
            side=Side(side),
            feeder=FeederId(feeder),
            energy_j=energy_j,
            ranges=((first, last),),
            price_uc_per_kwh=price,
            address=Address(address_of(key)),
        )
        post = PostOffer(sequence=0, offer=offer)
        raws.append(assemble(post, chain_id, key, lambda _: bytes(SIGNATURE_BYTES)).raw)
    return tuple(raws)
