"""Executing a block: the same for whoever proposes and whoever judges.

1. gate          from the gate time of the next interval on, later offers wait for the one after it; an auction with two
                 stages matches the first and broadcasts its average price
2. clearing      proven solution, kept plan after the deadline, auction, or nothing to trade; makes one interval final
3. transactions  in the order of the body
4. election      at the last block of an epoch, out of what is reported by then
5. conservation  and the root of the new state
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.apply import apply_transaction
from light_client.rules.ledger.block import NO_CLEARING, Clearing, solution_root_of
from light_client.rules.ledger.clear import clear, clearing_is_due, reaction_to
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.election import elect
from light_client.rules.ledger.events import (
    AverageBroadcast,
    Cleared,
    EpochEnded,
    Event,
    SolutionAccepted,
    SolutionFinalised,
)
from light_client.rules.ledger.settle import close_offers, settle
from light_client.rules.ledger.state import Draft, LedgerState
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.rules.market.clearing import Trade
from light_client.rules.market.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What executing a block gives."""

    draft: Draft
    """The state in the making, sealed: ready to be adopted."""
    state_root: bytes
    solution_root: bytes
    clearing: Clearing
    trades: tuple[Trade, ...]
    events: tuple[Event, ...]


def execute(
    state: LedgerState,
    *,
    time_ms: int,
    how: Cleared,
    solution: bytes,
    transactions: Iterable[SignedTransaction],
    verify_signature: Verify,
    taken: list[SignedTransaction] | None = None,
) -> Outcome:
    """Execute a block's content over ``state``, which is not changed.

    Args:
        time_ms: the header's time.
        how: what the block claims to clear by; judged here.
        solution: raw signed solution for ``Cleared.PROVEN``, else no bytes.
        transactions: decoded, in order; their signatures are checked here.
        taken: for a proposer: of the transactions those that execute are put here, and the others left out.

    Raises:
        RuleViolation: the first broken rule; nothing has changed then.
    """
    draft = state.draft()
    events: list[Event] = []
    close_gate(draft, time_ms)
    problem = draft.problem() if draft.meta.gate_offer is not None else None
    if draft.reaction is not None and draft.reaction is not draft.base.reaction:
        average = draft.reaction.average_uc_per_kwh
        events.append(AverageBroadcast(interval=draft.reaction.interval, average_uc_per_kwh=average))
    clearing_is_due(draft.genesis, problem, time_ms, how, solution)
    clearing = NO_CLEARING
    trades: tuple[Trade, ...] = ()
    if problem is not None and how != Cleared.NOTHING:
        clearing, trades = _clear(draft, problem, how, solution, verify_signature, events)
    for signed in transactions:
        try:
            apply_transaction(draft, signed, verify_signature, events)
        except RuleViolation:
            if taken is None:
                raise
        else:
            if taken is not None:
                taken.append(signed)
    _end_epoch(draft, events)
    return Outcome(
        draft=draft,
        state_root=draft.seal(),
        solution_root=solution_root_of(solution, trades, how),
        clearing=clearing,
        trades=trades,
        events=tuple(events),
    )


def close_gate(draft: Draft, time_ms: int) -> None:
    """Begin a block of this time: from its gate time on, an interval takes no more offers.

    What waits to be cleared is recorded, so that a wrong clearing of it can be judged later.
    """
    draft.time_ms = time_ms
    meta = draft.meta
    if meta.gate_offer is None and time_ms >= draft.genesis.gate_ms(meta.next_interval):
        draft.meta = meta._replace(gate_offer=meta.next_offer)
        if not draft.genesis.market.mechanism.by_solver:
            draft.react(reaction_to(draft.problem(), meta.next_offer))
    if draft.meta.gate_offer is not None:
        known = draft.accountability
        draft.accountability = known.with_gate(meta.next_interval, draft.base.head, draft.problem)


def _end_epoch(draft: Draft, events: list[Event]) -> None:
    """At the last block of an epoch, let the ledger name who signs the next one."""
    epochs = draft.genesis.epochs
    if draft.registry is None or not epochs.ends_at(draft.height):
        return
    eligible = [key for key in draft.registry.candidates if not draft.is_convicted(key)]
    election = elect(
        epochs,
        draft.base.chain_id,
        epochs.epoch_of(draft.height) + 1,
        eligible,
        {key: draft.delivery(key) for key in eligible},
        draft.committee,
    )
    if election.elected:
        draft.committee = election.committee
    events.append(EpochEnded(election=election))


def _clear(
    draft: Draft,
    problem: Problem,
    how: Cleared,
    solution: bytes,
    verify_signature: Verify,
    events: list[Event],
) -> tuple[Clearing, tuple[Trade, ...]]:
    """Clear, settle and close; the next interval's offers are open afterwards."""
    done = clear(
        draft.genesis,
        draft.base.chain_id,
        problem,
        candidate=draft.candidate,
        how=how,
        solution=solution,
        verify_signature=verify_signature,
    )
    for trade in done.trades:
        settle(draft, trade)
    close_offers(draft, problem, done.trades, events)
    interval = problem.first_interval
    traded_j = draft.meta.traded_j + done.clearing.traded_j
    draft.meta = draft.meta._replace(next_interval=interval + 1, gate_offer=None, traded_j=traded_j)
    draft.candidate = done.candidate
    draft.react(None)
    if done.solver is not None:
        events.append(SolutionAccepted(interval=interval, solver=done.solver, energy_j=done.planned_j))
    events.append(
        SolutionFinalised(interval=interval, how=how, gap_j=done.clearing.gap_j, trades=done.trades)
    )
    return done.clearing, done.trades
