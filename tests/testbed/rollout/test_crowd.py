"""A crowd outlives its connections: a line that breaks while a meter speaks is dialled again, and only once."""

from __future__ import annotations

import selectors
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from socket import socket, socketpair
from typing import ClassVar

import pytest

from firmware_app.fleet.topics import Said, Topics
from testbed.rollout import crowd as crowds
from testbed.rollout.board import Board, Word
from testbed.rollout.crowd import Crowd, Seat
from testbed.rollout.fate import Fate
from testbed.rollout.line import Traffic
from tests.firmware_app.fleet.world import FACTS, FLEET, memory

METERS = 30


class BrittleLine:
    """A line whose socket is closed by what is said on it, as the library does when the other end is gone."""

    brittle = False
    made = 0
    standing: ClassVar[set[BrittleLine]] = set()

    def __init__(
        self, name: str, topics: Topics, tls: ssl.SSLContext, traffic: Traffic, hear: Callable[[bytes], None]
    ) -> None:
        del name, topics, tls, traffic, hear
        self._ends: tuple[socket, socket] | None = None
        self.is_ready = False
        self.wants_write = False

    def connect(self, host: str, port: int, will: Word) -> None:
        del host, port, will
        assert self._ends is None
        self._ends = socketpair()
        self.is_ready = True
        BrittleLine.made += 1
        BrittleLine.standing.add(self)

    def fileno(self) -> int:
        return self._ends[0].fileno() if self._ends else -1

    def say(self, word: Word) -> None:
        del word
        if BrittleLine.brittle:
            self.drop()

    def read(self) -> bool:
        return self._ends is not None

    write = keep_alive = read

    def drop(self, *, politely: bool = False) -> None:
        del politely
        for end in self._ends or ():
            end.close()
        self._ends, self.is_ready = None, False
        BrittleLine.standing.discard(self)


class Hasty(selectors.DefaultSelector):
    """Waits for nobody: the test's clock stands still while it would."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        del timeout
        return super().select(0)


class Hours:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hours]:
    """Brittle lines, and a clock for those who dial."""
    clock = Hours()
    monkeypatch.setattr(crowds, "now_ms", clock)
    monkeypatch.setattr(crowds, "Line", BrittleLine)
    monkeypatch.setattr(selectors, "DefaultSelector", Hasty)
    monkeypatch.setattr(BrittleLine, "made", 0)
    yield clock
    for line in list(BrittleLine.standing):
        line.drop()


def _crowd() -> Crowd:
    tls = ssl.create_default_context()
    seats = [
        Seat(board=Board(replace(FACTS, name=f"meter-{n}"), memory(), Fate.HEALTHY), tls=tls)
        for n in range(METERS)
    ]
    return Crowd(seats, Topics(FLEET), "broker", 8883, seed=1, spread_s=0.0)


def _live(crowd: Crowd, hours: Hours, seconds: int) -> None:
    for _ in range(seconds * 20):
        hours.ms += 50
        crowd.turn()


def test_a_line_that_breaks_while_a_meter_speaks_is_dialled_again_and_once(hours: Hours) -> None:
    """Descriptors are used again at once: who still looked after the old one would be told of another meter's."""
    crowd = _crowd()
    _live(crowd, hours, 3)
    assert crowd.connected == BrittleLine.made == METERS
    word = Word(said=Said.HEALTH, payload=b"{}")
    for member in crowd._members[: METERS // 2]:
        crowd.later(0, partial(member._do, lambda _: [word, word]))
    BrittleLine.brittle = True
    try:
        crowd.turn()
    finally:
        BrittleLine.brittle = False
    assert crowd.lost == METERS // 2
    assert crowd.connected == METERS - METERS // 2
    for line in crowd._members[METERS // 2 :]:
        assert crowd.watches(line)
    assert not any(crowd.watches(member) for member in crowd._members[: METERS // 2])
    _live(crowd, hours, 120)
    assert crowd.connected == METERS
    assert BrittleLine.made == METERS + METERS // 2
    crowd.close()
