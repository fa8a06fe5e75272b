"""New, long-absent and forgetful miners: by snapshot to the newest state, and no lie gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.messages.codec import decode_message, encode_message
from light_client.messages.snapshots import GetSnapshot, SnapshotMessage
from light_client.rules.errors import RuleViolation
from light_client.session.actor import Received, Send
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.network.faults import Crash, CrashAtWrite, Faults, Moment
from tests.testbed.miner.broken import GarblingMiner, MuteServerMiner, TamperingMiner, UsurpingMiner
from tests.testbed.miner.chains import START_MS, name_of
from tests.testbed.miner.elections import END_MS, PARAMS, check, miner, world

LATE = name_of(5)
NEW = Faults(crashes=(Crash(node=LATE, at_ms=START_MS + 1, down_ms=40_000),))
ABSENT = Faults(crashes=(Crash(node=name_of(2), at_ms=START_MS + 4_000, down_ms=40_000),))


def test_a_new_miner_joins_by_snapshot_and_is_elected() -> None:
    simulator, watcher, genesis = world(faults=NEW, intervals=2)
    simulator.run(END_MS + 60_000)
    check(simulator, watcher, genesis)
    (joined,) = watcher.named("joined", LATE)
    late, other = miner(simulator, 5).ledger, miner(simulator, 0).ledger
    assert late.store.block(1) is None, "it never saw the first block"
    assert late.tip == other.tip
    assert late.state.root() == other.state.root()
    assert list(late.store.turns) == list(other.store.turns)
    assert joined.value > PARAMS.snapshot_gap  # type: ignore[operator]
    key = miner(simulator, 5)._public_key
    sat = [turn for turn in late.store.turns.values() if turn.committee.index_of(key) is not None]
    assert sat, "elected at some later end of an epoch"
    assert watcher.named("blame") == []


def test_a_long_absent_miner_catches_up_by_snapshot() -> None:
    simulator, watcher, genesis = world(faults=ABSENT)
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert watcher.named("joined", name_of(2))
    ledger, other = miner(simulator, 2).ledger, miner(simulator, 0).ledger
    assert ledger.tip == other.tip
    assert ledger.history.known_from > 0


def test_a_short_absence_is_made_up_block_by_block() -> None:
    params = replace(PARAMS, snapshot_gap=1_000)
    simulator, watcher, genesis = world(faults=ABSENT, params=params)
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert not watcher.named("joined")
    assert miner(simulator, 2).ledger.store.block(1) is not None


def test_old_blocks_are_deleted_and_who_needs_them_fetches_a_snapshot() -> None:
    params = replace(PARAMS, keep_blocks=5, snapshot_gap=1_000)
    simulator, watcher, genesis = world(faults=NEW, params=params)
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert watcher.named("joined", LATE), "asked for blocks, was told that they are gone"
    ledger = miner(simulator, 0).ledger
    kept = [block.header.height for block in ledger.store.stored()]
    assert kept[0] > 1
    assert kept == list(range(kept[0], ledger.height + 1))
    assert len(kept) <= params.keep_blocks + params.checkpoint_blocks + 1
    assert ledger.history.size == ledger.height, "but the hash of every header is kept"
    assert ledger.history.known_from == 0


def test_a_restart_takes_up_the_checkpoint_and_replays_the_rest() -> None:
    params = replace(PARAMS, keep_blocks=5)
    simulator, _, genesis = world(params=params)
    simulator.run(END_MS)
    living, storage = miner(simulator, 1).ledger, simulator.storage(name_of(1))
    again = Ledger(genesis, storage, SignatureMemo(), params)
    assert 0 < again.checkpoints.height <= again.height
    assert next(iter(storage.scan("block")))[0] > (1).to_bytes(8, "big"), "the first blocks are gone"
    assert again.tip == living.tip
    assert again.state.root() == living.state.root()
    for size in (1, living.height):
        assert again.history.root(size) == living.history.root(size)
    for address in living.state.accounts:
        assert again.offers_at(address, again.height) == living.offers_at(address, living.height)
    assert again.store.turns == living.store.turns


@pytest.mark.parametrize(
    ("table", "checkpoint_blocks", "rule"),
    [("record", 3, "LED-6|LED-38|ENC"), ("hash", 3, "LED-61"), ("block", 1_000, "LED-3|ENC|CNS")],
)
def test_a_damaged_disk_is_refused(table: str, checkpoint_blocks: int, rule: str) -> None:
    params = replace(PARAMS, checkpoint_blocks=checkpoint_blocks)
    simulator, _, genesis = world(params=params)
    simulator.run(END_MS)
    storage = simulator.storage(name_of(1))
    Ledger(genesis, storage, SignatureMemo(), params)
    for key in sorted(storage._tables[table])[:12:5]:
        value = storage._tables[table][key]
        storage._tables[table][key] = value[:-1] + bytes((value[-1] ^ 1,))
        with pytest.raises(RuleViolation, match=rule):
            Ledger(genesis, storage, SignatureMemo(), params)
        storage._tables[table][key] = value


@pytest.mark.parametrize("liar", [TamperingMiner, GarblingMiner, UsurpingMiner])
def test_a_lie_is_refused_and_its_author_named(liar: type[Miner]) -> None:
    """Whichever of the others lies, the joining miner gets the true state from one that does not."""
    simulator, watcher, genesis = world(faults=NEW, classes=dict.fromkeys(range(4), liar), candidates=6)
    simulator.run(END_MS)
    chain = check(simulator, watcher, genesis)
    (joined,) = watcher.named("joined", LATE)
    blamed = {seen.value[0] for seen in watcher.named("blame", LATE)}  # type: ignore[index]
    assert blamed, "the first ones asked are liars"
    assert blamed <= {name_of(number) for number in range(4)}
    header = next(header for header in chain if header.height == joined.value)
    assert miner(simulator, 5).ledger.history.known_from == header.height - 1


def test_a_crash_at_any_write_of_joining_leaves_a_valid_state() -> None:
    quiet, _, _ = world(faults=NEW)
    quiet.run(END_MS)
    batches = quiet.batches(LATE)
    assert batches > 5
    for number in range(1, min(batches, 8) + 1):
        for moment in (Moment.BEFORE_WRITES, Moment.AFTER_WRITES):
            crash = CrashAtWrite(node=LATE, number=number, moment=moment, down_ms=500)
            simulator, watcher, genesis = world(
                faults=Faults(crashes=NEW.crashes, crashes_at_writes=(crash,))
            )
            simulator.run(END_MS)
            check(simulator, watcher, genesis)
            assert miner(simulator, 5).ledger.store.block(1) is None


def test_a_miner_that_lost_its_disk_stays_quiet_until_a_height_is_decided() -> None:
    simulator, watcher, genesis = world(faults=ABSENT)
    simulator.run(START_MS + 10_000)
    simulator.storage(name_of(2))._tables.clear()
    simulator.run(END_MS, stop=lambda: bool(watcher.named("joined", name_of(2))))
    simulator.run(simulator.now_ms + 1)
    assert simulator.storage(name_of(2)).get("quiet", b"") is not None
    assert miner(simulator, 2)._seat.number is None
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert simulator.storage(name_of(2)).get("quiet", b"") is None


def test_strangers_are_not_sent_the_state() -> None:
    simulator, _, _ = world()
    simulator.run(START_MS + 30_000)
    serving = miner(simulator, 0)
    request = Received(peer="stranger", message=encode_message(GetSnapshot(known_height=0)))
    assert not [effect for effect in serving.handle(request, simulator.now_ms) if isinstance(effect, Send)]
    answer = serving.handle(replace(request, peer=name_of(1)), simulator.now_ms)
    (sent,) = [effect for effect in answer if isinstance(effect, Send)]
    assert isinstance(decode_message(sent.message), SnapshotMessage)


def test_where_nobody_has_a_snapshot_blocks_do() -> None:
    params = replace(PARAMS, checkpoint_blocks=10_000)
    simulator, watcher, genesis = world(faults=NEW, params=params)
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert watcher.named("no-snapshot", LATE)
    assert not watcher.named("joined", LATE)
    assert miner(simulator, 5).ledger.store.block(1) is not None


def test_silence_costs_a_moment_and_no_name() -> None:
    simulator, watcher, genesis = world(faults=NEW, classes=dict.fromkeys(range(3), MuteServerMiner))
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert watcher.named("joined", LATE)
    assert not watcher.named("blame")
