"""The loop: acknowledged is what is written, greeted is each connection, and an error acknowledges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.operator.serving.loop import run
from deploy.operator.serving.wire import Message, Sending
from firmware_app.console import CommandError
from firmware_app.fleet.letters import Letter
from firmware_app.fleet.topics import Said
from tests.deploy.operator.desk_kit import TOPICS, World

NAME = "meter-0001"


class Spy:
    """A broker that looks at the disk whenever something is acknowledged."""

    def __init__(self, world: World, batches: list[list[Message]]) -> None:
        self.world = world
        self.batches = batches
        self.connections = 1
        self.connected = True
        self.acknowledged: list[int] = []
        self.on_disk: list[int] = []
        self.sent: list[Sending] = []

    def take(self, wait_s: float) -> Sequence[Message]:
        return self.batches.pop(0) if self.batches else []

    def written(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [message.number for message in messages]
        self.on_disk.append(len(self.world.clerk.inbox.letters(NAME, "alarm")))

    def send(self, sendings: Sequence[Sending]) -> None:
        self.sent += sendings


def letters(first: int, count: int) -> list[Message]:
    topic = TOPICS.device(NAME, Said.LETTER, "alarm")
    made = (Letter(key=f"k-{number:03}", at_ms=None, body=b"x") for number in range(first, first + count))
    return [Message(topic, letter.encode(), first + at) for at, letter in enumerate(made)]


def turns(count: int) -> list[bool]:
    return [True] * count + [False]


def test_nothing_is_acknowledged_before_it_is_on_the_disk(tmp_path: Path) -> None:
    world = World(tmp_path / "desk", 1)
    spy = Spy(world, [letters(0, 50), letters(50, 30)])
    go = iter(turns(3))
    run(world.service, spy, goes_on=lambda: next(go), now_ms=lambda: world.now_ms)
    assert spy.acknowledged == list(range(80))
    assert spy.on_disk[:2] == [50, 80]
    receipts = [sending for sending in spy.sent if sending.topic == TOPICS.device(NAME, Said.RECEIPT)]
    assert len(receipts) == 2
    assert [sending.topic for sending in spy.sent].count(TOPICS.keys(1)) == 1, "the greeting"


def test_an_error_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "desk", 1)
    spy = Spy(world, [letters(0, 5)])
    monkeypatch.setattr(
        world.desk.inbox, "keep_letter", lambda *_: (_ for _ in ()).throw(CommandError("disk full"))
    )
    with pytest.raises(CommandError, match="disk full"):
        run(world.service, spy, goes_on=lambda: True, now_ms=lambda: world.now_ms)
    assert spy.acknowledged == []
    assert world.clerk.inbox.letters(NAME, "alarm") == []


def test_each_connection_is_greeted(tmp_path: Path) -> None:
    world = World(tmp_path / "desk", 2)
    world.live(1)
    world.push()
    world.live(1)
    spy = Spy(world, [])
    go = iter(turns(4))

    def goes_on() -> bool:
        spy.connections += 1
        return next(go)

    run(world.service, spy, goes_on=goes_on, now_ms=lambda: world.now_ms)
    laid = [sending for sending in spy.sent if sending.topic.endswith("desired")]
    assert len(laid) == 4, "the canary's bundle lies there again after each"
    assert len({sending.topic for sending in laid}) == 1
