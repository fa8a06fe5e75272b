"""One real agent behind a real connection to a broker that lies; the wire is real, its clock is the test's."""

from __future__ import annotations

import selectors
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.broker.authority import Authority, Role
from firmware_app.fleet.agent import Agent
from firmware_app.fleet.events import Moment
from firmware_app.fleet.memory import Memory
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.topics import Said, Topics
from firmware_app.fleet.verification import Clock
from light_client.rules.crypto import verify
from testbed.adversaries.brokers import LyingBroker
from testbed.rollout.board import Board
from testbed.rollout.fate import Fate
from testbed.rollout.line import Line, Traffic, tls_of
from tests.firmware_app.fleet.world import FACTS, FLEET, NOW_MS, memory

TOPICS = Topics(FLEET)
_PATIENCE_S = 10.0
_AT_ONCE = 32 << 10
"""Bytes that are said before the device listens: a socket holds more."""


class Visit:
    """A board at the line of a lying broker; a context manager."""

    def __init__(self, folder: Path, kind: type[Agent] = Agent) -> None:
        authority = Authority.create(folder / "authority", FLEET, datetime.now(UTC))
        server = authority.server(["127.0.0.1"], datetime.now(UTC))
        device = authority.client(FACTS.name, Role.DEVICE, datetime.now(UTC))
        for name, data in (("s.crt", server.certificate), ("s.key", server.key)):
            (folder / name).write_bytes(data)
        (folder / "device.pem").write_bytes(device.key + device.certificate)
        root = folder / "authority" / "authority.crt"
        self.broker = LyingBroker(folder / "s.crt", folder / "s.key", root)
        self.traffic = Traffic()

        def agent_of(kept: Memory, facts: DeviceFacts) -> Agent:
            return kind(kept, facts, verify_signature=verify)

        self.board = Board(FACTS, memory(), Fate.HEALTHY, make_agent=agent_of)
        self.line = Line(FACTS.name, TOPICS, tls_of(root, folder / "device.pem"), self.traffic, self._hear)
        self.topic = TOPICS.device(FACTS.name, Said.DESIRED)
        self.monotonic_ms = 0
        self.looked_each_ms = 1_000
        """From one message to the next, by the board's clock."""
        self.offered: list[bytes] = []
        self._sent = self._heard_before = 0

    def __enter__(self) -> Self:
        self.broker.__enter__()
        self.board.start(self.now)
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.line.drop()
        self.broker.__exit__(kind, error, trace)

    @property
    def now(self) -> Moment:
        """By the board's clock."""
        return Moment(monotonic_ms=self.monotonic_ms, clock=Clock(utc_ms=NOW_MS + self.monotonic_ms))

    def connect(self) -> None:
        """Dial, and subscribe."""
        self.line.connect("127.0.0.1", self.broker.port, self.board.will(self.now))
        while not self.line.is_ready:
            self._wait()
        self.broker.wait()
        self.line.say(self.board.birth(self.now))

    def connect_anew(self) -> None:
        """After a connection that was lost."""
        self.broker.hang_up()
        self.line.drop()
        self.broker.acknowledged = self._sent = 0
        self._heard_before = self.traffic.heard
        self.connect()

    def tell(self, *messages: bytes, topic: str = "", again: bool = False) -> None:
        """The broker says these; returns when the device has dealt with all.

        Raises:
            ConnectionError: the line was lost.
            TimeoutError: the device heard nothing of it.
        """
        under_way = 0
        for raw in messages:
            if under_way + len(raw) > _AT_ONCE:
                self._listen()
                under_way = 0
            self.broker.publish(topic or self.topic, raw, again=again)
            self._sent += 1
            under_way += len(raw)
        self._listen()
        self.broker.wait_acknowledged(self._sent)

    def live(self, seconds: int) -> None:
        """So many seconds pass on the board."""
        for _ in range(seconds):
            self.monotonic_ms += 1_000
            for word in self.board.beat(self.now):
                self.line.say(word)

    @property
    def refusals(self) -> list[str]:
        """Reasons that were noted."""
        return [note.sentence for note in self.board.notes if note.name == "fleet.refused"]

    @property
    def applied(self) -> list[str]:
        """What was taken up and what became of it."""
        names = ("fleet.staged", "fleet.committed", "fleet.rolled-back")
        return [note.sentence for note in self.board.notes if note.name in names]

    def _listen(self) -> None:
        """Until everything that was said is heard."""
        while self.traffic.heard - self._heard_before < self._sent:
            self._wait()

    def _wait(self) -> None:
        """Until something came over the line, and was read."""
        number = self.line.fileno()
        if number < 0:
            raise ConnectionError("the line is lost")
        with selectors.DefaultSelector() as selector:
            selector.register(number, selectors.EVENT_READ)
            if not selector.select(_PATIENCE_S):
                raise TimeoutError("nothing came over the line")
        if not self.line.read():
            raise ConnectionError("the line is lost")

    def _hear(self, payload: bytes) -> None:
        self.offered.append(payload)
        self.monotonic_ms += self.looked_each_ms
        for word in self.board.offer(payload, self.now):
            self.line.say(word)
