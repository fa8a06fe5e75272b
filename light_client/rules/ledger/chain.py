"""Blocks in sequence: what the next header must say, how a block is made, and how one is judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import (
    Block,
    Body,
    Clearing,
    Header,
    body_matches,
    tx_root_of,
)
from light_client.rules.ledger.clear import ways_to_clear
from light_client.rules.ledger.committee import Committee, Verify
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.execution import Outcome, close_gate, execute
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.state import LedgerState
from light_client.rules.ledger.transactions import (
    ReadTransaction,
    SignedTransaction,
    decode_transaction,
)
from light_client.rules.merkle import History
from light_client.rules.units import HASH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The end of a chain, as far as the next header depends on it."""

    height: int
    header_hash: bytes
    time_ms: int
    history: History
    """Hashes of all headers up to this one."""

    def extend(self, header: Header) -> Tip:
        """The tip after ``header``."""
        header_hash = header.hash()
        history = self.history.append(header_hash)
        return Tip(
            height=header.height,
            header_hash=header_hash,
            time_ms=header.time_ms,
            history=history,
        )


def genesis_tip(genesis: Genesis) -> Tip:
    """The tip before the first block."""
    return Tip(
        height=0,
        header_hash=bytes(HASH_BYTES),
        time_ms=genesis.genesis_time_ms,
        history=History(),
    )


def header_links(tip: Tip, header: Header, chain_id: bytes, committee: Committee) -> None:
    """LED-34: the header belongs to this chain and follows this tip, in height, time, hashes and committee."""
    expected_hash = committee.hash()
    pairs = (
        ("chain id", header.chain_id, chain_id),
        ("height", header.height, tip.height + 1),
        ("previous hash", header.previous_hash, tip.header_hash),
        ("history root", header.history_root, tip.history.root),
        ("committee", header.committee_hash, expected_hash),
    )
    for name, got, expected in pairs:
        if got != expected:
            raise RuleViolation("LED-34", f"{name} of a header", got=got, expected=expected)
    if header.time_ms <= tip.time_ms:
        raise RuleViolation(
            "LED-34",
            "time of a header",
            got=header.time_ms,
            expected=f"after {tip.time_ms}",
        )


def next_committee_is_the_elected(header: Header, elected: Committee) -> None:
    """CNS-28: the next committee is the one that the ledger elects at the end of an epoch, and else the same one."""
    if header.next_committee_hash != elected.hash():
        raise RuleViolation(
            "CNS-28", "next committee of a header", got=header.next_committee_hash, expected=elected.hash()
        )


def time_is_not_ahead(header: Header, now_ms: int, max_drift_ms: int) -> None:
    """LED-35: the header's time is at most the drift ahead of the reader's clock."""
    if header.time_ms > now_ms + max_drift_ms:
        raise RuleViolation(
            "LED-35",
            "time of a header",
            got=header.time_ms,
            expected=f"at most {now_ms + max_drift_ms}",
        )


def way_to_clear(state: LedgerState, time_ms: int, *, have_solution: bool) -> Cleared:
    """How a block of this time clears: the one way that LED-21 leaves to an honest proposer."""
    draft = state.draft()
    close_gate(draft, time_ms)
    problem = None if draft.meta.gate_offer is None else draft.problem()
    allowed = ways_to_clear(draft.genesis, problem, time_ms)
    if have_solution and Cleared.PROVEN in allowed:
        return Cleared.PROVEN
    return next(way for way in allowed if way != Cleared.PROVEN)


def make_block(
    state: LedgerState,
    tip: Tip,
    *,
    round_: int,
    time_ms: int,
    solution: bytes,
    transactions: Iterable[SignedTransaction],
    verify_signature: Verify,
    taken: list[SignedTransaction] | None = None,
) -> tuple[Block, Outcome]:
    """Make the next block.

    Args:
        solution: raw signed solution, or no bytes; used only if an interval waits to be cleared.
        transactions: what the block is to hold, all of which executes in this order; with ``taken``, what it may hold.
        taken: where what the block holds is put, as it is executed; what does not execute is left out then.

    Raises:
        RuleViolation: when the content does not execute.
    """
    how = way_to_clear(state, time_ms, have_solution=bool(solution))
    used = solution if how == Cleared.PROVEN else b""
    listed = tuple(transactions) if taken is None else taken
    outcome = execute(
        state,
        time_ms=time_ms,
        how=how,
        solution=used,
        transactions=listed if taken is None else transactions,
        verify_signature=verify_signature,
        taken=taken,
    )
    body = Body(solution=used, transactions=tuple(signed.raw for signed in listed))
    header = Header(
        chain_id=state.chain_id,
        height=tip.height + 1,
        round_=round_,
        time_ms=time_ms,
        previous_hash=tip.header_hash,
        history_root=tip.history.root,
        tx_root=tx_root_of(body),
        state_root=outcome.state_root,
        solution_root=outcome.solution_root,
        committee_hash=state.committee.hash(),
        next_committee_hash=outcome.draft.committee.hash(),
        clearing=outcome.clearing,
    )
    return Block(header=header, body=body), outcome


def judge_block(
    state: LedgerState,
    tip: Tip,
    block: Block,
    verify_signature: Verify,
    read: ReadTransaction = decode_transaction,
) -> Outcome:
    """Check a block against the state and tip that it claims to follow; Proof of Solution is part of it.

    Not checked here: the header's time against a clock (``time_is_not_ahead``), and who proposed or signed it.

    Args:
        read: reads a transaction; for a miner that remembers those it has read before.

    Raises:
        RuleViolation: the first broken rule.
    """
    header, body = block.header, block.body
    header_links(tip, header, state.chain_id, state.committee)
    body_matches(header, body)
    limit = state.genesis.chain.max_tx_bytes
    transactions = [read(raw, max_bytes=limit) for raw in body.transactions]
    outcome = execute(
        state,
        time_ms=header.time_ms,
        how=header.clearing.how,
        solution=body.solution,
        transactions=transactions,
        verify_signature=verify_signature,
    )
    results: tuple[tuple[str, bytes | Clearing, bytes | Clearing], ...] = (
        ("state root", header.state_root, outcome.state_root),
        ("solution root", header.solution_root, outcome.solution_root),
        ("clearing", header.clearing, outcome.clearing),
    )
    for name, got, expected in results:
        if got != expected:
            raise RuleViolation("LED-36", f"{name} of a header", got=got, expected=expected)
    next_committee_is_the_elected(header, outcome.draft.committee)
    return outcome
