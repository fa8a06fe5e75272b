"""The driver keeps what the contract promises: durable before sent, timers at their time, failures not swallowed."""

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from firmware_app.runtime.clock import Clock
from firmware_app.runtime.driver import Driver
from light_client.rules.errors import LocalError, TransportError
from light_client.session.actor import (
    CancelTimer,
    Effect,
    Event,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    TimerFired,
    Write,
)
from light_client.store.batch import Compartment
from light_client.store.errors import StoreError
from light_client.store.memory import MemoryStorage
from light_client.transport.limits import Tally
from light_client.transport.node import Deliver
from testbed.live.reports import ReportLog
from tests.firmware_app.runtime.actors import Counter, Scripted

_PATIENCE_S = 5.0


class _Link:
    """A transport that writes down what is sent."""

    def __init__(self, diary: list[object]) -> None:
        self.diary = diary
        self.tally = Tally(10)
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connected = frozenset({"peer"})
        self.deliver: Deliver | None = None
        self.hundred_sent = asyncio.Event()

    def connect(self, deliver: Deliver) -> "_Link":
        self.deliver = deliver
        return self

    def send(self, peer: str, message: bytes) -> bool:
        self.diary.append((peer, message))
        if sum(isinstance(entry, tuple) for entry in self.diary) == 100:
            self.hundred_sent.set()
        return True


class _Store(MemoryStorage):
    """A store that writes down each batch, and can fail."""

    def __init__(self, diary: list[object]) -> None:
        super().__init__()
        self.diary = diary
        self.fails = False

    def commit(self, writes: Iterable[Write]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        batch = list(writes)
        super().commit(batch)
        self.diary.append([(write.table, write.key, write.value) for write in batch])


class _Stage:
    """A driver with a diary of what left it, in order."""

    def __init__(self, folder: Path, speed: int = 1) -> None:
        self.diary: list[object] = []
        self.store = _Store(self.diary)
        self.reports_path = folder / "reports.jsonl"
        self.reports = ReportLog(self.reports_path)
        self.clock = Clock(start_real_ms=0, start_virtual_ms=0, speed=speed)
        self.driver = Driver(clock=self.clock, store=self.store, reports=self.reports)
        self.stop = asyncio.Event()

    def add(self, actor: Scripted | Counter) -> _Link:
        link = _Link(self.diary)
        self.driver.add(actor, Compartment(self.store, actor.name), link.connect)
        return link

    async def run(self) -> None:
        try:
            await asyncio.wait_for(self.driver.run(self.stop), _PATIENCE_S)
        finally:
            self.reports.close()


def _on_start(*effects: Effect) -> Callable[[Event, int], list[Effect]]:
    return lambda event, _: list(effects) if isinstance(event, Started) else []


def test_what_one_call_writes_is_durable_before_its_messages_leave(tmp_path: Path) -> None:
    async def scene() -> list[object]:
        stage = _Stage(tmp_path)
        actor = Scripted(
            "a",
            _on_start(
                Send(peer="peer", message=b"first"),
                Write(table="t", key=b"1", value=b"x"),
                Send(peer="peer", message=b"second"),
                Write(table="t", key=b"2", value=b"y"),
                SetTimer(name="end", at_ms=0),
            ),
        )
        inner = actor.script

        def script(event: Event, now_ms: int) -> list[Effect]:
            if isinstance(event, TimerFired):
                stage.stop.set()
            return inner(event, now_ms)

        actor.script = script
        stage.add(actor)
        await stage.run()
        return stage.diary

    assert asyncio.run(scene()) == [
        [("a/t", b"1", b"x"), ("a/t", b"2", b"y")],
        ("peer", b"first"),
        ("peer", b"second"),
    ]


def test_what_may_wait_costs_no_commit_of_its_own_and_is_there_after_an_orderly_end(tmp_path: Path) -> None:
    async def scene() -> list[object]:
        stage = _Stage(tmp_path)

        def script(event: Event, now_ms: int) -> list[Effect]:
            match event:
                case Started():
                    return [
                        Write(table="t", key=b"1", value=b"waits", may_wait=True),
                        Send(peer="peer", message=b"at once"),
                        SetTimer(name="second", at_ms=now_ms + 20),
                    ]
                case TimerFired(name="second"):
                    return [
                        Write(table="t", key=b"2", value=b"must"),
                        Send(peer="peer", message=b"after it"),
                        SetTimer(name="third", at_ms=now_ms + 20),
                    ]
                case _:
                    stage.stop.set()
                    return [Write(table="t", key=b"3", value=b"waits", may_wait=True)]

        stage.add(Scripted("a", script))
        await stage.run()
        return stage.diary

    assert asyncio.run(scene()) == [
        ("peer", b"at once"),
        [("a/t", b"1", b"waits"), ("a/t", b"2", b"must")],
        ("peer", b"after it"),
        [("a/t", b"3", b"waits")],
    ]


def test_a_store_that_fails_keeps_the_messages_in(tmp_path: Path) -> None:
    async def scene() -> list[object]:
        stage = _Stage(tmp_path)
        stage.store.fails = True
        stage.add(
            Scripted("a", _on_start(Send(peer="peer", message=b"vote"), Write(table="t", key=b"", value=b"")))
        )
        with pytest.raises(StoreError):
            await stage.run()
        return stage.diary

    assert asyncio.run(scene()) == []


def test_many_events_share_one_commit(tmp_path: Path) -> None:
    async def scene() -> tuple[list[object], int]:
        stage = _Stage(tmp_path)
        counter = Counter("c", stage.store)
        link = stage.add(counter)
        assert link.deliver is not None
        for _ in range(100):
            await link.deliver(Received(peer="peer", message=b"count"))
        running = asyncio.create_task(stage.run())
        await link.hundred_sent.wait()
        stage.stop.set()
        await running
        return stage.diary, counter.count

    diary, count = asyncio.run(scene())
    batches = [entry for entry in diary if isinstance(entry, list)]
    assert count == 100
    assert len(batches) < 5
    assert sum(len(batch) for batch in batches) == 100
    assert diary[-1] == ("peer", (100).to_bytes(8))


_VOTE = b"\x82\x02\x80"
"""Begins as a vote does."""


def _handled(tmp_path: Path, *messages: bytes) -> list[object]:
    """Give an actor messages that all wait at once; return those it answered, in order, and where commits lie."""

    async def scene() -> list[object]:
        stage = _Stage(tmp_path)
        left = len(messages)

        def answering(event: Event, _: int) -> list[Effect]:
            nonlocal left
            if not isinstance(event, Received):
                return []
            left -= 1
            if not left:
                stage.stop.set()
            row = Write(table="t", key=left.to_bytes(2), value=b"")
            return [row, Send(peer="peer", message=event.message)]

        link = stage.add(Scripted("a", answering))
        assert link.deliver is not None
        for message in messages:
            await link.deliver(Received(peer="peer", message=message))
        await stage.run()
        return ["commit" if isinstance(entry, list) else entry[1] for entry in stage.diary]  # type: ignore[index]

    return asyncio.run(scene())


def test_a_vote_overtakes_submissions_and_its_answer_leaves_soon(tmp_path: Path) -> None:
    answered = _handled(tmp_path, *[b"submission"] * 120, _VOTE)
    assert answered.count(b"submission") == 120
    assert answered.index(_VOTE) < 13
    assert answered.count("commit") == 2, "one commit for the short round, one for all the others"


def test_many_urgent_messages_do_not_starve_the_others(tmp_path: Path) -> None:
    answered = _handled(tmp_path, *[_VOTE] * 120, *[b"submission"] * 60)
    last = max(place for place, what in enumerate(answered) if what == b"submission")
    assert answered[:last].count(_VOTE) <= 60
    assert answered.count(_VOTE) == 120


def test_timers_fire_once_in_order_and_can_be_moved_and_cancelled(tmp_path: Path) -> None:
    async def scene() -> tuple[list[str], list[tuple[str, int]]]:
        stage = _Stage(tmp_path, speed=1000)
        late: list[tuple[str, int]] = []
        due: dict[str, int] = {}

        def script(event: Event, now_ms: int) -> list[Effect]:
            if isinstance(event, Started):
                due.update({"soon": now_ms + 5_000, "later": now_ms + 20_000, "moved": now_ms + 30_000})
                return [
                    SetTimer(name="moved", at_ms=now_ms + 1_000),
                    SetTimer(name="cancelled", at_ms=now_ms + 2_000),
                    SetTimer(name="later", at_ms=due["later"]),
                    SetTimer(name="soon", at_ms=due["soon"]),
                    SetTimer(name="moved", at_ms=due["moved"]),
                    CancelTimer(name="cancelled"),
                    CancelTimer(name="never set"),
                    SetTimer(name="end", at_ms=now_ms + 60_000),
                ]
            assert isinstance(event, TimerFired)
            if event.name == "end":
                stage.stop.set()
            else:
                late.append((event.name, now_ms - due[event.name]))
            return []

        actor = Scripted("a", script)
        stage.add(actor)
        await stage.run()
        return actor.fired, late

    fired, late = asyncio.run(scene())
    assert fired == ["soon", "later", "moved", "end"]
    assert all(delay >= 0 for _, delay in late), "no timer fires before its time"


def test_a_timer_cancelled_in_the_same_round_does_not_fire(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        stage = _Stage(tmp_path)

        def script(event: Event, now_ms: int) -> list[Effect]:
            match event:
                case Started():
                    return [SetTimer(name="one", at_ms=0), SetTimer(name="two", at_ms=1)]
                case TimerFired(name="one"):
                    return [CancelTimer(name="two"), SetTimer(name="end", at_ms=now_ms + 30)]
                case _:
                    stage.stop.set()
                    return []

        actor = Scripted("a", script)
        stage.add(actor)
        await stage.run()
        return actor.fired

    assert asyncio.run(scene()) == ["one", "end"]


def test_an_actor_with_an_eager_timer_does_not_starve_its_messages(tmp_path: Path) -> None:
    async def scene() -> bool:
        stage = _Stage(tmp_path)

        def eager(event: Event, now_ms: int) -> list[Effect]:
            if isinstance(event, Received):
                stage.stop.set()
            return [SetTimer(name="again", at_ms=now_ms)]

        link = stage.add(Scripted("a", eager))
        assert link.deliver is not None
        await link.deliver(Received(peer="peer", message=b"x"))
        await stage.run()
        return stage.stop.is_set()

    assert asyncio.run(scene())


def test_a_bug_in_an_actor_and_a_dead_transport_end_the_run(tmp_path: Path) -> None:
    async def bug() -> None:
        stage = _Stage(tmp_path)
        link = stage.add(Counter("c", stage.store))
        assert link.deliver is not None
        await link.deliver(Received(peer="peer", message=b"boom"))
        await stage.run()

    async def dead() -> None:
        stage = _Stage(tmp_path)
        link = stage.add(Scripted("a", _on_start()))
        asyncio.get_running_loop().call_later(
            0.05, link.failure.set_exception, TransportError("the socket is gone")
        )
        await stage.run()

    async def nonsense() -> None:
        stage = _Stage(tmp_path)
        stage.add(Scripted("a", _on_start("hello")))  # type: ignore[arg-type]
        await stage.run()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(bug())
    with pytest.raises(TransportError, match="socket is gone"):
        asyncio.run(dead())
    with pytest.raises(LocalError, match="asked for an effect"):
        asyncio.run(nonsense())


def test_reports_are_readable_lines_and_a_torn_one_is_ended(tmp_path: Path) -> None:
    async def scene(effect: Effect) -> None:
        stage = _Stage(tmp_path)
        actor = Scripted("a", _on_start(effect, SetTimer(name="end", at_ms=0)))
        stage.add(actor)
        asyncio.get_running_loop().call_later(0.05, stage.stop.set)
        await stage.run()

    asyncio.run(scene(Report(name="block", value={"height": 3, "hash": b"\xab", "voters": ("a", "b")})))
    path = tmp_path / "reports.jsonl"
    with path.open("a") as file:
        file.write('{"time_ms":1,"act')
    asyncio.run(scene(Report(name="block", value=Send(peer="p", message=b""))))
    lines = path.read_text().splitlines()
    found = [json.loads(line) for line in lines if line != '{"time_ms":1,"act']
    assert len(found) == len(lines) - 1
    assert [line["schema"] for line in found if "schema" in line] == ["gridlight.live-report/1"] * 2
    blocks = [line["value"] for line in found if line.get("name") == "block"]
    assert blocks == [{"height": 3, "hash": "ab", "voters": ["a", "b"]}, {"peer": "p", "message": ""}]
    assert {"connected": ["peer"], "faults": {}} in [line.get("value") for line in found]
