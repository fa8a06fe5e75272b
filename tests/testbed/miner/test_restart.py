"""Crashes at every write: a miner comes back, never contradicts itself, and the chain goes on."""

from __future__ import annotations

from random import Random

import pytest

from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.network.faults import Crash, CrashAtWrite, Faults, Link, Moment
from testbed.network.simulator import Simulator
from tests.testbed.miner.broken import ForgetfulMiner
from tests.testbed.miner.campaign import Watcher, check_safety
from tests.testbed.miner.chains import (
    START_MS,
    Client,
    busy_plan,
    committee_of,
    name_of,
    small_genesis,
)

LINK = Link(min_delay_ms=5, jitter_ms=15)
END_MS = START_MS + 75_000
EVERYBODY = frozenset(name_of(seat) for seat in range(4))
MOMENTS = (Moment.BEFORE_WRITES, Moment.AFTER_WRITES, Moment.HALFWAY_SENT)


def run(faults: Faults, classes: dict[int, type[Miner]] | None = None) -> tuple[Simulator, Watcher]:
    genesis = small_genesis()
    simulator = committee_of(genesis, seed=5, link=LINK, faults=faults, classes=classes)
    client = Client(name="client", plan=busy_plan(genesis, Random(5), prosumers=4, intervals=1), miners=4)
    simulator.add("client", lambda _: client)
    watcher = Watcher(EVERYBODY)
    simulator.on_report, simulator.on_send = watcher.report, watcher.send
    simulator.run(END_MS)
    return simulator, watcher


def heights(simulator: Simulator) -> list[int]:
    found = [simulator.actor(name_of(seat)) for seat in range(4)]
    return [miner.ledger.height for miner in found if isinstance(miner, Miner)]


def batches_of_a_quiet_run() -> int:
    simulator, _ = run(Faults())
    return simulator.batches(name_of(1))


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name.lower())
def test_a_crash_at_any_write_breaks_nothing(moment: Moment) -> None:
    batches = batches_of_a_quiet_run()
    assert batches > 20
    for number in range(1, batches + 1):
        crash = CrashAtWrite(node=name_of(1), number=number, moment=moment, down_ms=700)
        simulator, watcher = run(Faults(crashes_at_writes=(crash,)))
        check_safety(number, watcher)
        assert simulator.counters.crashes == 1
        stand = heights(simulator)
        assert len(stand) == 4
        assert min(stand) >= max(stand) - 1 > 3


def test_without_the_log_some_crash_makes_a_miner_contradict_itself() -> None:
    contradicted = 0
    for after_ms in range(1, 60, 6):
        crash = Crash(node=name_of(1), at_ms=START_MS + after_ms, down_ms=50, moment=Moment.AFTER_WRITES)
        _, honest = run(Faults(crashes=(crash,)))
        assert not honest.contradictions
        _, watcher = run(Faults(crashes=(crash,)), {1: ForgetfulMiner})
        contradicted += bool(watcher.contradictions)
    assert contradicted


def test_two_dead_miners_of_four_stop_the_chain_and_it_goes_on_with_three() -> None:
    crashes = (
        Crash(node=name_of(0), at_ms=START_MS + 5_000, down_ms=None),
        Crash(node=name_of(1), at_ms=START_MS + 5_000, down_ms=20_000),
    )
    simulator, watcher = run(Faults(crashes=crashes))
    check_safety(5, watcher)
    times = sorted(height for height in watcher.blocks)
    assert simulator.actor(name_of(0)) is None
    stand = heights(simulator)
    assert len(stand) == 3
    assert min(stand) == max(stand) == times[-1] > 3


def test_a_ledger_is_replayed_from_disk_and_a_damaged_one_is_refused() -> None:
    simulator, _ = run(Faults())
    storage = simulator.storage(name_of(2))
    miner = simulator.actor(name_of(2))
    assert isinstance(miner, Miner)
    replayed = Ledger(small_genesis(), storage, SignatureMemo())
    assert replayed.tip == miner.ledger.tip
    assert replayed.state.root() == miner.ledger.state.root()
    assert replayed.history.root(replayed.height) == miner.ledger.history.root(miner.ledger.height)
    key, value = next(iter(storage.scan("block", (3).to_bytes(8, "big"))))
    storage._tables["block"][key] = value.replace(replayed.state.chain_id, bytes(32))
    with pytest.raises(Exception, match="LED-34"):
        Ledger(small_genesis(), storage, SignatureMemo())
