"""One real agent behind a real connection to a broker that lies; the wire is real, its clock is the test's."""

from __future__ import annotations

import selectors
import time
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
        self._sent = 0

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
        deadline = time.monotonic() + 10
        while not self.line.is_ready and time.monotonic() < deadline:
            self._read()
        self.broker.wait()
        self.line.say(self.board.birth(self.now))

    def tell(self, *messages: bytes, topic: str = "", again: bool = False) -> None:
        """The broker says these; returns when the device has dealt with all."""
        for raw in messages:
            self.broker.publish(topic or self.topic, raw, again=again)
            self._sent += 1
            deadline = time.monotonic() + 10
            while self.broker.acknowledged < self._sent and time.monotonic() < deadline:
                self._read()
        self.broker.wait_acknowledged(self._sent)

    def live(self, seconds: int) -> None:
        """So many seconds pass on the board."""
        for _ in range(seconds):
            self.monotonic_ms += 1_000
            for word in self.board.beat(self.now):
                self.line.say(word)

    def loses(self) -> bool:
        """Whether the line notices that it is broken."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if not self._read():
                return True
        return False

    @property
    def refusals(self) -> list[str]:
        """Reasons that were noted."""
        return [note.sentence for note in self.board.notes if note.name == "fleet.refused"]

    @property
    def applied(self) -> list[str]:
        """What was taken up and what became of it."""
        names = ("fleet.staged", "fleet.committed", "fleet.rolled-back")
        return [note.sentence for note in self.board.notes if note.name in names]

    def _read(self) -> bool:
        number = self.line.fileno()
        if number < 0:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(number, selectors.EVENT_READ)
            return self.line.read() if selector.select(0.02) else True

    def _hear(self, payload: bytes) -> None:
        self.offered.append(payload)
        self.monotonic_ms += self.looked_each_ms
        for word in self.board.offer(payload, self.now):
            self.line.say(word)
