"""The simulated driver keeps the promises of the actor contract, and is the same for the same seed."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from random import Random

import pytest

from light_client.session.actor import (
    CancelTimer,
    Effect,
    Event,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
    Write,
)
from testbed.network.faults import (
    NO_FAULTS,
    Crash,
    CrashAtWrite,
    Faults,
    Link,
    Moment,
    Partition,
    random_faults,
)
from testbed.network.memory import MemoryStorage
from testbed.network.simulator import Simulator

NUMBERS = 500


@dataclass
class Counter:
    """Sends numbers, one each 10 ms, each written first; counts on where its storage ends."""

    name: str
    peer: str
    storage: Storage
    sent: int = 0

    def __post_init__(self) -> None:
        stored = self.storage.get("count", b"")
        self.sent = int.from_bytes(stored) if stored else 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        if self.sent == NUMBERS or not isinstance(event, Started | TimerFired):
            return []
        self.sent += 1
        number = self.sent.to_bytes(4)
        return [
            Send(peer=self.peer, message=number),
            Write(table="count", key=b"", value=number),
            SetTimer(name="next", at_ms=now_ms + 10),
        ]


@dataclass
class Listener:
    """Keeps what it hears."""

    name: str
    heard: list[tuple[int, int]] = field(default_factory=list)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        if isinstance(event, Received):
            self.heard.append((now_ms, int.from_bytes(event.message)))
            return [Report(name="heard", value=self.heard[-1])]
        return []

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.heard]


def run(link: Link, faults: Faults = NO_FAULTS, seed: int = 1) -> tuple[Simulator, Listener]:
    simulator = Simulator(seed=seed, start_ms=0, link=link, faults=faults)
    listener = Listener("b")
    simulator.add("a", lambda storage: Counter("a", "b", storage))
    simulator.add("b", lambda _: listener)
    simulator.run(60_000)
    return simulator, listener


def test_a_good_link_loses_nothing_and_keeps_the_order() -> None:
    simulator, listener = run(Link(min_delay_ms=3, jitter_ms=50))
    assert listener.numbers == list(range(1, NUMBERS + 1))
    assert simulator.counters.lost == 0


def test_delays_are_as_told() -> None:
    _, listener = run(Link(min_delay_ms=30, jitter_ms=100, ordered=False))
    delays = [at_ms - (number - 1) * 10 for at_ms, number in listener.heard]
    assert min(delays) >= 30
    assert 90 <= sum(delays) / len(delays) - 30 <= 110


def test_an_unordered_link_reorders() -> None:
    _, listener = run(Link(jitter_ms=50, ordered=False))
    assert listener.numbers != sorted(listener.numbers)
    assert sorted(listener.numbers) == list(range(1, NUMBERS + 1))


def test_loss_and_duplication_are_as_told() -> None:
    simulator, listener = run(Link(loss_ppm=200_000, duplicate_ppm=100_000))
    distinct = len(set(listener.numbers))
    assert 360 <= distinct <= 440
    assert simulator.counters.lost == NUMBERS - distinct
    assert 20 <= simulator.counters.duplicated == len(listener.numbers) - distinct <= 60


def test_the_same_seed_is_the_same_world() -> None:
    rough = Link(jitter_ms=80, loss_ppm=100_000, duplicate_ppm=50_000, ordered=False)
    assert run(rough, seed=4)[1].heard == run(rough, seed=4)[1].heard
    assert run(rough, seed=4)[1].heard != run(rough, seed=5)[1].heard


def test_a_partition_cuts_its_groups_off_for_its_time() -> None:
    cut = Partition(groups=(frozenset("a"), frozenset("bc")), from_ms=1_000, to_ms=2_000)
    assert cut.parts("a", "c")
    assert not cut.parts("b", "c")
    assert not cut.parts("a", "other")
    _, listener = run(Link(), Faults(partitions=(cut,)))
    missing = sorted(set(range(1, NUMBERS + 1)) - set(listener.numbers))
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert 99 <= len(missing) <= 101


@pytest.mark.parametrize("moment", list(Moment))
def test_a_node_comes_back_with_what_was_durable(moment: Moment) -> None:
    crash = Crash(node="a", at_ms=1_001, down_ms=500, moment=moment)
    simulator, listener = run(Link(), Faults(crashes=(crash,)))
    assert simulator.counters.crashes == 1
    missing = set(range(1, NUMBERS + 1)) - set(listener.numbers)
    lost_after_writing = {Moment.AFTER_WRITES, Moment.HALFWAY_SENT}
    assert missing == ({102} if moment in lost_after_writing else set())
    assert len(listener.numbers) == len(set(listener.numbers))


def test_a_crash_at_a_write_is_at_that_write() -> None:
    crash = CrashAtWrite(node="a", number=7, moment=Moment.AFTER_WRITES, down_ms=100)
    _, listener = run(Link(), Faults(crashes_at_writes=(crash,)))
    assert set(range(1, NUMBERS + 1)) - set(listener.numbers) == {7}


def test_a_dead_receiver_hears_nothing_and_a_dead_sender_nothing_more() -> None:
    _, listener = run(Link(), Faults(crashes=(Crash(node="b", at_ms=1_001, down_ms=1_000),)))
    assert len(listener.numbers) == NUMBERS - 100
    _, listener = run(Link(), Faults(crashes=(Crash(node="a", at_ms=1_001, down_ms=None),)))
    assert listener.numbers == list(range(1, 102))


@dataclass
class Sleeper:
    """Sets, moves and cancels timers."""

    name: str
    woken: list[tuple[int, str]] = field(default_factory=list)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        if isinstance(event, TimerFired):
            self.woken.append((now_ms, event.name))
            return []
        return [
            SetTimer(name="moved", at_ms=now_ms + 10),
            SetTimer(name="moved", at_ms=now_ms + 30),
            SetTimer(name="cancelled", at_ms=now_ms + 10),
            CancelTimer(name="cancelled"),
            CancelTimer(name="never set"),
            SetTimer(name="past", at_ms=now_ms - 10),
        ]


def test_timers_fire_once_at_their_last_time_by_the_nodes_own_clock() -> None:
    simulator = Simulator(seed=1, start_ms=1_000, faults=Faults(skew_ms={"s": 300}))
    sleeper = Sleeper("s")
    simulator.add("s", lambda _: sleeper)
    simulator.run(5_000)
    assert sleeper.woken == [(1_300, "past"), (1_330, "moved")]


def test_timers_do_not_survive_a_restart() -> None:
    simulator = Simulator(
        seed=1, start_ms=0, faults=Faults(crashes=(Crash(node="s", at_ms=20, down_ms=100),))
    )
    lives: list[Sleeper] = []

    def build(_: Storage) -> Sleeper:
        lives.append(Sleeper("s"))
        return lives[-1]

    simulator.add("s", build)
    simulator.run(5_000)
    assert [life.woken for life in lives] == [[(0, "past")], [(120, "past"), (150, "moved")]]


def test_a_run_ends_when_told() -> None:
    simulator = Simulator(seed=1, start_ms=0)
    listener = Listener("b")
    simulator.add("a", lambda storage: Counter("a", "b", storage))
    simulator.add("b", lambda _: listener)
    assert simulator.run(60_000, stop=lambda: len(listener.heard) == 3)
    assert simulator.now_ms < 100
    assert not simulator.run(200)
    assert simulator.now_ms == 200


def test_the_trace_is_one_json_line_for_each_event() -> None:
    trace = io.StringIO()
    simulator = Simulator(seed=1, start_ms=0, trace=trace)
    simulator.add("a", lambda storage: Counter("a", "b", storage))
    simulator.add("b", lambda _: Listener("b"))
    simulator.run(100)
    lines = [json.loads(line) for line in trace.getvalue().splitlines()]
    assert {line["what"] for line in lines} >= {"Started", "TimerFired", "Received", "report heard"}
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)


def test_two_nodes_of_one_name_are_refused() -> None:
    simulator = Simulator(seed=1, start_ms=0)
    simulator.add("a", lambda _: Listener("a"))
    with pytest.raises(ValueError, match="already"):
        simulator.add("a", lambda _: Listener("a"))


def test_a_link_of_its_own_for_one_direction() -> None:
    simulator = Simulator(seed=1, start_ms=0)
    simulator.set_link("a", "b", Link(loss_ppm=1_000_000))
    listener = Listener("b")
    simulator.add("a", lambda storage: Counter("a", "b", storage))
    simulator.add("b", lambda _: listener)
    simulator.run(1_000)
    assert listener.heard == []


@pytest.mark.parametrize("bad", [{"min_delay_ms": -1}, {"loss_ppm": 1_000_001}, {"duplicate_ppm": -1}])
def test_a_link_out_of_bounds_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        Link(**bad)  # type: ignore[arg-type] # one field each


def test_drawn_faults_are_over_in_time() -> None:
    for seed in range(200):
        faults = random_faults(
            Random(seed), ["a", "b", "c"], from_ms=100, to_ms=1_000, crashes=4, partitions=3
        )
        assert len(faults.crashes) == 4
        assert all(crash.at_ms + (crash.down_ms or 0) <= 1_000 for crash in faults.crashes)
        assert all(100 <= cut.from_ms < cut.to_ms <= 1_000 for cut in faults.partitions)


def test_storage_is_what_was_applied() -> None:
    storage = MemoryStorage()
    rows = [(b"b", b"2"), (b"a", b"1"), (b"c", b"3"), (b"b", None)]
    storage.apply(Write(table="t", key=key, value=value) for key, value in rows)
    assert list(storage.scan("t")) == [(b"a", b"1"), (b"c", b"3")]
    assert list(storage.scan("t", b"b")) == [(b"c", b"3")]
    assert storage.get("t", b"b") is None
    assert storage.get("none", b"b") is None
    assert storage.bytes_written == 6
