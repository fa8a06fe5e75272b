"""New, long-absent and forgetful miners: by snapshot to the newest state, and no lie gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.messages.chain import GetUpdate, Unavailable, UpdateMessage
from light_client.messages.codec import decode_message, encode_message, number_of, type_number_of
from light_client.messages.snapshots import GetHashes, GetSnapshot, HashesMessage, SnapshotMessage
from light_client.rules.errors import RuleViolation
from light_client.session.actor import Effect, Event, Received, Send, SetTimer, TimerFired, Write
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.miner.serving import Server
from testbed.network.faults import Crash, CrashAtWrite, Faults, Moment
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.broken import GarblingMiner, MuteServerMiner, TamperingMiner, UsurpingMiner
from tests.testbed.miner.chains import START_MS, build_miner, name_of
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
    assert proves_everything(ledger), "what was skipped has been fetched by now"


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
    assert miner(simulator, 5).ledger.store.block(header.height) is None, "that one came with the snapshot"


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


# -- what the snapshot skipped -----------------------------------------------------------------------------------------


def proves_everything(ledger: Ledger) -> bool:
    """Whether a client gets from any height to the newest here."""
    server = Server(ledger)
    answers = [
        server.answer(GetUpdate(trusted_height=height), "anon", 0) for height in range(1, ledger.height)
    ]
    return all(isinstance(answer, UpdateMessage) for answer in answers)


def test_what_the_snapshot_skipped_is_fetched_afterwards_and_then_proven() -> None:
    simulator, watcher, genesis = world(faults=NEW)
    simulator.run(END_MS + 20_000)
    check(simulator, watcher, genesis)
    assert watcher.named("joined", LATE)
    assert watcher.named("history", LATE)
    late, other = miner(simulator, 5).ledger, miner(simulator, 0).ledger
    assert late.history.known_from == 0
    for size in range(1, late.height + 1):
        assert late.history.root(size) == other.history.root(size)
    assert proves_everything(late)
    again = Ledger(genesis, simulator.storage(LATE), SignatureMemo(), PARAMS)
    assert again.history.known_from == 0, "after a restart too"
    assert again.history.root(late.height) == late.history.root(late.height)


def test_without_it_older_history_is_unavailable_and_the_answer_says_that_we_are_not_behind() -> None:
    deaf = {5: Incurious}
    simulator, watcher, genesis = world(faults=NEW, classes=deaf)  # type: ignore[arg-type]
    simulator.run(END_MS + 20_000)
    check(simulator, watcher, genesis)
    ledger = miner(simulator, 5).ledger
    assert ledger.history.known_from > 2
    assert not proves_everything(ledger)
    answer = Server(ledger).answer(GetUpdate(trusted_height=2), "anon", 0)
    assert isinstance(answer, Unavailable)
    assert answer.height == ledger.height
    assert isinstance(Server(ledger).answer(GetHashes(from_height=1, limit=5), "miner-1", 0), Unavailable)


class Incurious(Miner):
    """Never asks for what its snapshot skipped."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        asked = number_of(GetHashes)
        return [
            effect
            for effect in super().handle(event, now_ms)
            if not (isinstance(effect, Send) and type_number_of(effect.message) == asked)
        ]


class HistoryForger(Miner):
    """Sends another hash in the place of one of them."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        return [self._forged(effect) for effect in super().handle(event, now_ms)]

    def _forged(self, effect: Effect) -> Effect:
        if not isinstance(effect, Send) or type_number_of(effect.message) != number_of(HashesMessage):
            return effect
        message = decode_message(effect.message)
        assert isinstance(message, HashesMessage)
        wrong = replace(message, hashes=(bytes(32), *message.hashes[1:]))
        return Send(peer=effect.peer, message=encode_message(wrong))


def test_whoever_sends_another_history_is_named_and_somebody_else_asked() -> None:
    simulator, watcher, genesis = world(faults=NEW, classes=dict.fromkeys(range(2), HistoryForger))
    simulator.run(END_MS + 40_000)
    check(simulator, watcher, genesis)
    assert {seen.value for seen in watcher.named("blame", LATE)} == {
        (name_of(0), "LED-61"),
        (name_of(1), "LED-61"),
    }
    assert proves_everything(miner(simulator, 5).ledger)


def test_a_snapshot_is_taken_up_only_once_it_is_on_disk() -> None:
    """A live driver makes several calls durable together: what was written by one is not there for the next."""
    simulator, _, genesis = world(intervals=2)
    simulator.run(END_MS)
    source, storage, now_ms = miner(simulator, 0), MemoryStorage(), simulator.now_ms
    late = build_miner(genesis, 5, storage, PARAMS)
    newest = source._server.newest()
    assert newest is not None
    waiting: list[Event] = [Received(peer=name_of(0), message=encode_message(newest))]
    rounds = 0
    while waiting and late.ledger.height < source.ledger.height and rounds < 40:
        rounds += 1
        writes: list[Write] = []
        for _ in range(40):  # one round of a driver: many calls, one commit
            if not waiting:
                break
            for effect in late.handle(waiting.pop(0), now_ms):
                if isinstance(effect, Write):
                    writes.append(effect)
                elif isinstance(effect, SetTimer) and effect.name == "rebuild":
                    waiting.append(TimerFired(name="rebuild"))
                elif isinstance(effect, Send) and effect.peer == name_of(0):
                    answers = source.handle(Received(peer=LATE, message=effect.message), now_ms)
                    sent = [answer for answer in answers if isinstance(answer, Send) and answer.peer == LATE]
                    waiting += [Received(peer=name_of(0), message=answer.message) for answer in sent]
        storage.apply(writes)
        waiting = waiting or [Received(peer=name_of(0), message=encode_message(newest))]
    assert late.ledger.state.root() == source.ledger.state.root()
    assert late.ledger.history.known_from > 0, "by a snapshot"
    assert rounds < 10
