"""Convicting a member of the committee by evidence: every condition first, then the entry in the state.

The punishment is ineligibility for the committees of the next ``exclusion_intervals`` intervals; a conviction covers
everything that the member did up to the block that convicts it. Nobody is convicted of silence or slowness.
"""

from __future__ import annotations

from light_client.rules.encoding import decode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import Conviction, Fault, problem_hash
from light_client.rules.ledger.block import NO_CLEARING, solution_root_of
from light_client.rules.ledger.clear import clear, clearing_is_due
from light_client.rules.ledger.committee import Committee, Verify
from light_client.rules.ledger.events import Cleared, Event, MinerConvicted
from light_client.rules.ledger.evidence import (
    Evidence,
    UnsoundClearing,
    solution_is_the_headers,
    statements_are_signed,
)
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.ledger.state import Draft
from light_client.rules.market.problem import Problem, problem_from_wire


def convict(draft: Draft, evidence: Evidence, verify_signature: Verify, events: list[Event]) -> None:
    """Judge evidence completely, then convict the accused.

    Raises:
        RuleViolation: EVI-03 to EVI-09.
    """
    accused_is_a_member(draft, evidence)
    fault_is_recent(draft, evidence)
    fault_is_unpunished(draft, evidence)
    statements_are_signed(evidence, draft.base.chain_id, verify_signature)
    fault = Fault.CONTRADICTION
    if isinstance(evidence, UnsoundClearing):
        fault = Fault.UNSOUND_CLEARING
        solution_is_the_headers(evidence)
        clearing_does_not_hold(draft, evidence, verify_signature)
    conviction = Conviction(
        public_key=evidence.public_key,
        fault=fault,
        fault_height=evidence.height,
        height=draft.height,
        until_interval=draft.meta.next_interval + draft.genesis.chain.exclusion_intervals,
    )
    draft.accountability = draft.accountability.with_conviction(conviction)
    events.append(MinerConvicted(conviction=conviction))


def accused_is_a_member(draft: Draft, evidence: Evidence) -> None:
    """EVI-04: the accused has a seat or may be elected into one: what others sign binds nobody."""
    key = evidence.public_key
    if not may_sit(draft.committee, draft.registry, key):
        raise RuleViolation(
            "EVI-04", "the accused", got=key, expected="a member of the committee or a candidate"
        )


def may_sit(committee: Committee, registry: MinerRegistry | None, public_key: bytes) -> bool:
    """Whether somebody has a seat, or may be elected into one."""
    candidates = () if registry is None else registry.candidates
    return committee.index_of(public_key) is not None or public_key in candidates


def fault_is_recent(draft: Draft, evidence: Evidence) -> None:
    """EVI-05: the fault is of this height or of the last ``evidence_blocks``."""
    oldest = max(1, draft.height - draft.genesis.chain.evidence_blocks)
    if not oldest <= evidence.height <= draft.height:
        raise RuleViolation(
            "EVI-05", "height of a fault", got=evidence.height, expected=f"{oldest}..{draft.height}"
        )


def fault_is_unpunished(draft: Draft, evidence: Evidence) -> None:
    """EVI-06: no conviction of the accused is in force, and none was passed at or after the height of the fault."""
    earlier = draft.accountability.conviction_of(evidence.public_key)
    if earlier is None:
        return
    in_force = draft.meta.next_interval < earlier.until_interval
    if in_force or evidence.height <= earlier.height:
        raise RuleViolation(
            "EVI-06", "height of a fault", got=evidence.height, expected=f"not punished at {earlier.height}"
        )


def clearing_does_not_hold(draft: Draft, evidence: UnsoundClearing, verify_signature: Verify) -> None:
    """EVI-07, EVI-09: recompute what the header says it clears, from the problem that its signer had before it.

    A header that skips the clearing, clears by the kept plan or after a second stage is judged only by whether it may:
    neither the kept plan nor improved limits are recorded.
    """
    problem = _problem_of(draft, evidence)
    try:
        _recompute(draft, evidence, problem, verify_signature)
    except RuleViolation:
        return
    raise RuleViolation(
        "EVI-09", "clearing of the header", got=evidence.header.clearing, expected="one that does not hold"
    )


def _problem_of(draft: Draft, evidence: UnsoundClearing) -> Problem | None:
    """EVI-07: the problem is that of the gate that was closed after the header's parent, on this very chain."""
    gate = draft.accountability.gate_after(evidence.header.previous_hash)
    if gate is None:
        raise RuleViolation(
            "EVI-07",
            "parent of the header",
            got=evidence.header.previous_hash,
            expected="one at a recent gate",
        )
    if problem_hash(evidence.problem) != gate.problem_hash:
        raise RuleViolation(
            "EVI-07", "hash of the problem", got=problem_hash(evidence.problem), expected=gate.problem_hash
        )
    if evidence.header.time_ms < draft.genesis.gate_ms(gate.interval):
        return None
    wire = decode(evidence.problem, max_bytes=len(evidence.problem))
    return problem_from_wire(wire, params=draft.genesis.market, grid=draft.base.grid)


def _recompute(
    draft: Draft, evidence: UnsoundClearing, problem: Problem | None, verify_signature: Verify
) -> None:
    """Judge the header's clearing as a voter does.

    Raises:
        RuleViolation: what is wrong with it.
    """
    header, how = evidence.header, evidence.header.clearing.how
    clearing_is_due(draft.genesis, problem, header.time_ms, how, evidence.solution)
    if how == Cleared.KEPT or (problem is not None and problem.reaction is not None):
        return
    clearing, root = NO_CLEARING, solution_root_of(b"", (), Cleared.NOTHING)
    if problem is not None and how != Cleared.NOTHING:
        done = clear(
            draft.genesis,
            draft.base.chain_id,
            problem,
            candidate=draft.candidate,
            how=how,
            solution=evidence.solution,
            verify_signature=verify_signature,
        )
        clearing, root = done.clearing, solution_root_of(evidence.solution, done.trades, how)
    if (header.clearing, header.solution_root) != (clearing, root):
        raise RuleViolation("LED-36", "clearing of a header", got=header.clearing, expected=clearing)
