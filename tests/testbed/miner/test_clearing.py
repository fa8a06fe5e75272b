"""Proof of Solution at a miner: only a proven solution is kept, proposed and voted for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Body, body_from_bytes
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.transactions import (
    SignedTransaction,
    SubmitSolution,
    decode_transaction,
    sign_transaction,
)
from light_client.rules.market.clearing import Solution
from light_client.rules.market.plan import Plan
from testbed.miner.clearing import MAX_EARLY, TRIES_PER_SOLVER, Solutions
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.miner.wal import SeenBlock
from testbed.network.memory import MemoryStorage
from testbed.solver.service import SolverService
from tests.testbed.miner.chains import (
    START_MS,
    Client,
    busy_plan,
    committee_of,
    name_of,
    secret,
    small_genesis,
)

GENESIS = small_genesis()


@dataclass
class Bench:
    """A ledger that stands right before a proven clearing, and what cleared it."""

    ledger: Ledger
    proven: SeenBlock
    solution: SignedTransaction


@pytest.fixture
def bench() -> Bench:
    simulator = committee_of(GENESIS, seed=3)
    plan = busy_plan(GENESIS, Random(3), prosumers=4, intervals=1)
    client = Client(name="client", plan=plan, miners=4)
    miners = tuple(name_of(seat) for seat in range(4))
    simulator.add("client", lambda _: client)
    simulator.add("solver", lambda _: SolverService("solver", GENESIS, secret(3, 0), miners))
    simulator.run(START_MS + 90_000)
    miner = simulator.actor(name_of(0))
    assert isinstance(miner, Miner)
    ledger = Ledger(GENESIS, MemoryStorage(), SignatureMemo())
    for height in range(1, miner.ledger.height + 1):
        block = miner.ledger.store.block(height)
        assert block is not None
        if block.header.clearing.how == Cleared.PROVEN:
            body = body_from_bytes(block.body, GENESIS.chain)
            signed = decode_transaction(body.solution, max_bytes=GENESIS.chain.max_block_bytes)
            return Bench(ledger, SeenBlock(block.header, block.body), signed)
        ledger.adopt(block)
    raise AssertionError("nothing was cleared with a proof")


def resigned(
    bench: Bench, solver: int, *, plan: Plan | None = None, first: int | None = None
) -> SignedTransaction:
    """The solution with another plan or interval, under another solver's good signature."""
    submitted = bench.solution.transaction
    assert isinstance(submitted, SubmitSolution)
    solution = submitted.solution
    chosen = plan or solution.plan
    if first is not None:
        chosen = Plan(first_interval=first, flows={})
    changed = Solution(plan=chosen, certificates=() if first is not None else solution.certificates)
    return sign_transaction(SubmitSolution(solution=changed), GENESIS.chain_id(), secret(3, solver))


def idle_plan(bench: Bench) -> Plan:
    return Plan(first_interval=bench.ledger.state.meta.next_interval, flows={})


def test_a_proven_solution_is_kept_and_a_worse_one_refused(bench: Bench) -> None:
    solutions = Solutions(bench.ledger, SignatureMemo())
    with pytest.raises(RuleViolation, match="MKT-29"):
        solutions.submit(resigned(bench, 1, plan=idle_plan(bench)))
    assert solutions.best == b""
    assert solutions.submit(bench.solution)
    assert solutions.best == bench.solution.raw
    assert solutions.knows(bench.solution.raw)
    assert not solutions.submit(resigned(bench, 2))
    assert solutions.best == bench.solution.raw


def test_a_forged_signature_is_refused(bench: Bench) -> None:
    raw = bytearray(bench.solution.raw)
    raw[-1] ^= 1
    forged = decode_transaction(bytes(raw), max_bytes=1 << 20)
    with pytest.raises(RuleViolation, match="LED-03"):
        Solutions(bench.ledger, SignatureMemo()).submit(forged)


def test_a_solver_cannot_keep_a_miner_busy(bench: Bench) -> None:
    solutions = Solutions(bench.ledger, SignatureMemo())
    for _ in range(TRIES_PER_SOLVER):
        with pytest.raises(RuleViolation, match="MKT-29"):
            solutions.submit(resigned(bench, 1, plan=idle_plan(bench)))
    with pytest.raises(RuleViolation, match="SOL-01"):
        solutions.submit(resigned(bench, 1, plan=idle_plan(bench)))
    assert solutions.submit(bench.solution)


def test_solutions_for_other_intervals_wait_or_are_refused(bench: Bench) -> None:
    solutions = Solutions(bench.ledger, SignatureMemo())
    interval = bench.ledger.state.meta.next_interval
    with pytest.raises(RuleViolation, match="SOL-02"):
        solutions.submit(resigned(bench, 1, first=interval - 1))
    for solver in range(MAX_EARLY + 3):
        assert not solutions.submit(resigned(bench, solver, first=interval + 1))
    assert len(solutions._early) == MAX_EARLY
    assert solutions.renew() == []
    assert len(solutions._early) == MAX_EARLY


def test_an_early_solution_is_judged_when_the_gate_closes(bench: Bench) -> None:
    solutions = Solutions(bench.ledger, SignatureMemo())
    meta = bench.ledger.state.meta
    bench.ledger.state.meta = type(meta)(
        next_interval=meta.next_interval,
        next_report=meta.next_report,
        granted=meta.granted,
        deposited=meta.deposited,
    )
    assert not solutions.submit(bench.solution)
    assert not solutions.submit(resigned(bench, 1, plan=idle_plan(bench)))
    bench.ledger.state.meta = meta
    judged = {signed.raw: broken for signed, broken in solutions.renew()}
    assert judged.pop(bench.solution.raw) is None
    assert solutions.best == bench.solution.raw


def test_no_honest_miner_proposes_or_votes_for_what_is_not_proven(bench: Bench) -> None:
    worse = resigned(bench, 1, plan=idle_plan(bench))
    header, body = bench.proven
    with pytest.raises(RuleViolation, match="MKT-29"):
        bench.ledger.make(0, header.time_ms, worse.raw, ())
    transactions = body_from_bytes(body, GENESIS.chain).transactions
    for solution in (worse.raw, b"", bench.solution.raw + b"\0"):
        forged = SeenBlock(header, Body(solution=solution, transactions=transactions).encode())
        assert not bench.ledger.is_valid(forged)
    assert bench.ledger.is_valid(bench.proven)
