"""Clearing an interval in a block: judged from the open offers alone, so that a meter's replica does it too."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Clearing
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.kept import kept_gap
from light_client.rules.ledger.records import Candidate
from light_client.rules.ledger.transactions import (
    ReadTransaction,
    SubmitSolution,
    check_signature,
    decode_transaction,
)
from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import (
    Solution,
    Trade,
    check_solution,
    empty_plan,
    kept_plan,
    needs_no_solution,
)
from light_client.rules.market.feasibility import check_feasible
from light_client.rules.market.levelling import complete
from light_client.rules.market.mechanisms.checking import check_trades
from light_client.rules.market.mechanisms.kinds import TwoStage
from light_client.rules.market.mechanisms.maximum_energy import MaximumEnergyMarket
from light_client.rules.market.mechanisms.mechanism import Outcome, Transfer
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.market.problem import Problem
from light_client.rules.market.routing import path_queue, routes_hash
from light_client.rules.units import Address, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedInterval:
    """An interval as it becomes final."""

    clearing: Clearing
    trades: tuple[Trade, ...]
    transfers: tuple[Transfer, ...]
    """Who delivers to whom, in the order of the path queue."""
    candidate: Candidate
    """What clears the next interval if no solver answers."""
    solver: Address | None
    """Who found the proven solution."""
    planned_j: int
    """Energy of the whole plan, J."""


def deadline_ms(genesis: Genesis, interval: int) -> int:
    """From this header time on, UTC ms, ``interval`` may clear without a solution: by the kept plan, or an auction."""
    mechanism = genesis.market.mechanism
    if mechanism.by_solver:
        return genesis.gate_ms(interval) + genesis.chain.solve_deadline_ms
    return genesis.gate_ms(interval) + (mechanism.reaction_ms if isinstance(mechanism, TwoStage) else 0)


def reaction_to(problem: Problem, gate_offer: int) -> Reaction | None:
    """What the gate of an interval opens: the second stage of an auction that has one, with its broadcast average."""
    mechanism = problem.params.mechanism
    average = None if mechanism.by_solver else auction_of(mechanism).average(problem)
    if average is None:
        return None
    return Reaction(interval=problem.first_interval, average_uc_per_kwh=average, gate_offer=gate_offer)


def ways_to_clear(genesis: Genesis, problem: Problem | None, time_ms: int) -> tuple[Cleared, ...]:
    """How a block of this time may clear, out of the state alone.

    Args:
        problem: what the closed gate left to clear, or None while offers are open.
    """
    if problem is None:
        return (Cleared.NOTHING,)
    if needs_no_solution(problem):
        return (Cleared.VACUOUS,)
    early = time_ms < deadline_ms(genesis, problem.first_interval)
    if genesis.market.mechanism.by_solver:
        return (Cleared.NOTHING, Cleared.PROVEN) if early else (Cleared.PROVEN, Cleared.KEPT)
    return (Cleared.NOTHING,) if early and problem.reaction is not None else (Cleared.COMPUTED,)


def clearing_is_due(
    genesis: Genesis,
    problem: Problem | None,
    time_ms: int,
    how: Cleared,
    solution: bytes,
) -> None:
    """LED-21: how a block may clear follows from the state and the header's time, so that all voters agree on it."""
    allowed = ways_to_clear(genesis, problem, time_ms)
    if how not in allowed:
        raise RuleViolation(
            "LED-21",
            "how the block clears",
            got=how.name,
            expected=[kind.name for kind in allowed],
        )
    if (how == Cleared.PROVEN) != bool(solution):
        raise RuleViolation(
            "LED-21",
            "a solution goes with a proven clearing only",
            got=len(solution),
            expected=how.name,
        )


def clear(
    genesis: Genesis,
    chain_id: bytes,
    problem: Problem,
    *,
    candidate: Candidate,
    how: Cleared,
    solution: bytes,
    verify_signature: Verify,
    read: ReadTransaction = decode_transaction,
) -> ClearedInterval:
    """Make the first interval of ``problem`` final in the stated way, which ``clearing_is_due`` has allowed.

    Raises:
        RuleViolation: LED-03, LED-22, or the market rule that a solution breaks.
    """
    solver = None
    gap_j = 0
    certificate: Certificate | None = None
    match how:
        case Cleared.PROVEN:
            submitted, solver = read_solution(genesis, chain_id, solution, verify_signature, read)
            proven = check_solution(problem, submitted)
            stated, plan, gap_j = submitted.plan, proven.plan, proven.gaps[0]
            certificate = submitted.certificates[0]
        case Cleared.KEPT:
            stated, certificate = candidate.plan, candidate.certificate
            plan = complete(problem, kept_plan(problem, stated))
            check_feasible(problem, plan)
            gap_j = kept_gap(problem, plan, certificate)
        case _:
            stated = plan = empty_plan(problem.first_interval)
    interval = problem.first_interval
    computed = how == Cleared.COMPUTED
    outcome = _computed(problem) if computed else MaximumEnergyMarket().outcome(problem, plan)
    trades = outcome.trades
    traded_j = sum(trade.energy_j for trade in trades if trade.side == Side.SELL)
    routes = routes_hash(interval, path_queue(problem.grid.parents, outcome.transfers))
    return ClearedInterval(
        clearing=Clearing(how=how, interval=interval, traded_j=traded_j, gap_j=gap_j, routes=routes),
        trades=trades,
        transfers=outcome.transfers,
        candidate=Candidate(plan=stated.without(interval), certificate=certificate),
        solver=solver,
        planned_j=sum(q for key, entries in plan.flows.items() if key.side == Side.SELL for _, q in entries),
    )


def _computed(problem: Problem) -> Outcome:
    """The outcome of an auction, and what must hold of it asked again: a mistake in the one is caught by the other."""
    outcome = auction_of(problem.params.mechanism).outcome(problem)
    check_trades(problem, outcome.trades)
    return outcome


def read_solution(
    genesis: Genesis,
    chain_id: bytes,
    raw: bytes,
    verify_signature: Verify,
    read: ReadTransaction = decode_transaction,
) -> tuple[Solution, Address]:
    """Decode a signed solution and check its signature; returns it with the solver's address.

    Raises:
        RuleViolation: ENC-xx, LED-02, LED-03, LED-22, MKT-10, MKT-20 to MKT-22.
    """
    signed = read(raw, max_bytes=genesis.chain.max_block_bytes)
    submitted = signed.transaction
    if not isinstance(submitted, SubmitSolution):
        raise RuleViolation(
            "LED-22",
            "the solution is another transaction",
            got=type(submitted).__name__,
            expected="a solution",
        )
    check_signature(signed, chain_id, verify_signature)
    return submitted.solution, signed.address
