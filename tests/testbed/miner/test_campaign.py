"""Hundreds of worlds with bad networks, crashes, partitions and liars; and what happens to them if a miner is broken.

A failing seed is named in the failure; `GRIDLIGHT_SEEDS=17,23 pytest tests/testbed/miner/test_campaign.py` replays it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from light_client.rules.ledger.accountability import Fault
from testbed.miner import miner as miner_module
from testbed.miner.miner import Miner
from tests.testbed.miner.broken import (
    ForgetfulMiner,
    HalfCommittee,
    NoLockConsensus,
    SilentMiner,
    TwoFacedMiner,
)
from tests.testbed.miner.campaign import CALM, SPLIT_HEIGHT, BrokenInvariantError, one_decides_alone, run_seed
from tests.testbed.miner.chains import small_genesis

CHOSEN = [int(seed) for seed in os.environ.get("GRIDLIGHT_SEEDS", "").split(",") if seed]


def batches(count: int, size: int) -> Iterator[list[int]]:
    """Seeds in batches, or only the chosen ones."""
    if CHOSEN:
        yield CHOSEN
        return
    for first in range(0, count, size):
        yield list(range(first, first + size))


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(each, marks=[pytest.mark.slow] if each[0] >= 60 else []) for each in batches(200, 20)],
    ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}",
)
def test_honest_miners_hold_the_same_chain_and_go_on(seeds: list[int]) -> None:
    rounds = sum(run_seed(seed)[1].rounds for seed in seeds)
    assert rounds or CHOSEN, "the faults were too mild to cost a single round"


@pytest.mark.parametrize("liar", [TwoFacedMiner, SilentMiner])
def test_one_dishonest_miner_in_four_changes_nothing(liar: type[Miner]) -> None:
    for seed in CHOSEN or range(1_000, 1_015):
        run_seed(seed, classes={seed % 4: liar}, dishonest=frozenset({seed % 4}))


def test_whoever_contradicts_itself_is_convicted_and_nobody_else() -> None:
    for seed in range(1_000, 1_005):
        simulator, _ = run_seed(seed, classes={0: TwoFacedMiner}, dishonest=frozenset({0}))
        for seat in (1, 2, 3):
            miner = simulator.actor(f"miner-{seat}")
            assert isinstance(miner, Miner)
            (conviction,) = miner.ledger.state.accountability.convictions
            assert conviction.public_key == miner.ledger.genesis.committee.members[0].public_key
            assert conviction.fault is Fault.CONTRADICTION
            assert list(simulator.storage(f"miner-{seat}").scan("evidence")) == []


def test_miners_stay_safe_where_a_third_of_all_messages_vanish() -> None:
    for seed in CHOSEN or range(10, 20):
        run_seed(seed, storm=True)


def first_failure(seeds: range, **world: object) -> str:
    """What the campaign says of the first world that breaks; empty if none does."""
    for seed in seeds:
        try:
            run_seed(seed, **world)  # type: ignore[arg-type]
        except BrokenInvariantError as found:
            return str(found)
    return ""


def test_a_quorum_of_one_half_is_caught() -> None:
    genesis = small_genesis()
    broken = replace(genesis, committee=HalfCommittee(members=genesis.committee.members))
    assert "blocks at height" in first_failure(range(30), genesis=broken)


def test_votes_that_are_not_logged_are_caught() -> None:
    assert "signed twice" in first_failure(range(30), classes=dict.fromkeys(range(4), ForgetfulMiner))


def test_a_missing_lock_is_caught_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner_module, "Consensus", NoLockConsensus)
    assert "blocks at height" in first_failure(range(82, 84), storm=True)


def test_a_missing_lock_is_caught_for_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """One schedule, no chance in it: one miner decides alone, and only a lock keeps the others from another block."""
    _, calm = run_seed(1, schedule=CALM)
    schedule = one_decides_alone(calm.proposed_ms[SPLIT_HEIGHT])
    _, watcher = run_seed(1, schedule=schedule)
    assert watcher.rounds > calm.rounds, "a second round decides the same block: safety and liveness hold"
    monkeypatch.setattr(miner_module, "Consensus", NoLockConsensus)
    with pytest.raises(BrokenInvariantError, match=f"2 blocks at height {SPLIT_HEIGHT}"):
        run_seed(1, schedule=schedule)
