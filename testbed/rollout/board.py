"""An emulated board around the device's own agent: its disk, its health, its power. No I/O, no clock of its own.

What is light about it: the disk is a variable, and the parts of the device that a configuration steers are not there.
The bundle's judgement, the health gate, the floor, going back and reporting are the device's own code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.document import Tree
from firmware_app.fleet.events import (
    Apply,
    DidApply,
    Effect,
    Event,
    Health,
    Keep,
    Moment,
    Note,
    Offered,
    Report,
    Started,
    Tick,
)
from firmware_app.fleet.memory import Memory, Phase, memory_from_bytes
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.telemetry import HealthReport, Presence
from firmware_app.fleet.topics import Said
from firmware_app.fleet.verification import Clock
from light_client.rules.crypto import verify
from testbed.rollout.fate import Cut, Fate

BEAT_MS: Final = 1_000
"""How often a board that takes something over says how it is."""
IDLE_BEATS: Final = 8
"""So many more beats after the last event: reports that had to wait their turn go out."""
OUT_MS: Final = 3_000
"""How long the power is away."""
FIRMWARE: Final = "0.4.0"

AgentOf = Callable[[Memory, DeviceFacts], Agent]


@dataclass(frozen=True, slots=True)
class Word:
    """Something that a board says to its operator."""

    said: Said
    payload: bytes


def agent_of(memory: Memory, facts: DeviceFacts) -> Agent:
    """The device's own."""
    return Agent(memory, facts, verify_signature=verify)


class PowerCutError(Exception):
    """The power of a board failed: whatever it was doing is lost, but for what was written."""


class Board:
    """One meter."""

    def __init__(
        self,
        facts: DeviceFacts,
        memory: Memory,
        fate: Fate,
        cut: Cut = Cut.TRIAL,
        make_agent: AgentOf = agent_of,
    ) -> None:
        self.facts: Final = facts
        self.fate: Final = fate
        self.disk = memory
        self.starts = 0
        self.mixtures = 0
        """How often it ran by something else than one of two whole documents."""
        self.notes: list[Note] = []
        self._cut: Cut | None = cut if fate is Fate.POWERCUT else None
        self._cut_at_ms: int | None = None
        self._make_agent = make_agent
        self._beats = 0
        self._first = memory.current.hash
        self._said_health: str | None = None
        self._is_up = False

    # -- power ---------------------------------------------------------------------------------------------------------

    def start(self, now: Moment) -> list[Word]:
        """Switch it on."""
        self.starts += 1
        if self.starts > 1:
            self.disk = memory_from_bytes(self.disk.encode())
        self._agent = self._make_agent(self.disk, self.facts)
        self._is_up = True
        self._said_health = None
        self.running: Tree = self.disk.running.document
        return self._tell(Started(), now)

    @property
    def is_up(self) -> bool:
        """Whether it has power."""
        return self._is_up

    def _lose_power(self) -> None:
        self._is_up = False
        self._cut = self._cut_at_ms = None
        del self._agent
        raise PowerCutError(self.facts.name)

    # -- what happens to it --------------------------------------------------------------------------------------------

    def offer(self, raw: bytes, now: Moment) -> list[Word]:
        """Bytes came in its topic.

        Raises:
            PowerCutError: its power failed.
        """
        return self._tell(Offered(raw=raw), now)

    def beat(self, now: Moment) -> list[Word]:
        """A moment passes; it looks at itself.

        Raises:
            PowerCutError: its power failed.
        """
        self._beats -= 1
        if self._cut_at_ms is not None and now.monotonic_ms >= self._cut_at_ms:
            self._lose_power()
        return self._tell(Health(problem=self.problem), now) + self._tell(Tick(), now) + self._health(now)

    @property
    def wants_beat(self) -> bool:
        """Whether something is going on."""
        return self._is_up and (self._beats > 0 or self.disk.phase is not Phase.SETTLED)

    @property
    def problem(self) -> str:
        """What is wrong with it."""
        if self.fate is Fate.FAILING and self.disk.running.hash != self._first:
            return "no fresh reading"
        return ""

    def birth(self, now: Moment) -> Word:
        """What it says when it is connected."""
        return Word(Said.PRESENCE, self._presence(now.clock.utc_ms, online=True))

    def will(self, now: Moment) -> Word:
        """What the broker says when the connection breaks."""
        return Word(Said.PRESENCE, self._presence(now.clock.utc_ms, online=False))

    def report(self) -> Word:
        """How its configuration stands; said anew with each connection."""
        return _reported(self._agent.reported())

    def truth(self) -> dict[str, Any]:
        """How it really stands, for whoever judges the rollout."""
        current, failure = self.disk.current, self.disk.failure
        return {
            "name": self.facts.name,
            "fate": self.fate.value,
            "phase": self.disk.phase.value,
            "version": current.order[1],
            "hash": current.hash.hex(),
            "failed": failure.hash.hex() if failure else "",
            "starts": self.starts,
            "mixtures": self.mixtures,
            "refused": sum(note.name == "fleet.refused" for note in self.notes),
        }

    # -- the agent's effects -------------------------------------------------------------------------------------------

    def _tell(self, event: Event, now: Moment) -> list[Word]:
        words: list[Word] = []
        for effect in self._agent.handle(event, now):
            words += self._do(effect, now)
        if not isinstance(event, Health | Tick):
            self._beats = IDLE_BEATS
        return words

    def _do(self, effect: Effect, now: Moment) -> list[Word]:
        match effect:
            case Keep(memory=memory):
                self._keep(memory, now)
            case Apply(document=document):
                return self._apply(document, now)
            case Report(document=document):
                return [_reported(document)]
            case Note():
                self.notes.append(effect)
        return []

    def _keep(self, memory: Memory, now: Moment) -> None:
        before, self.disk = self.disk.phase, memory
        if before is Phase.SETTLED and memory.phase is Phase.STAGED and self._cut is Cut.KEPT:
            self._lose_power()
        if before is Phase.STAGED and memory.phase is Phase.TRIAL and self._cut is Cut.TRIAL:
            hold_ms = memory.following.plan.hold_ms if memory.following else 0
            self._cut_at_ms = now.monotonic_ms + hold_ms // 2
        if before is Phase.TRIAL and memory.phase is Phase.SETTLED:
            self._beats = IDLE_BEATS
            if self._cut is Cut.PROVEN:
                self._lose_power()

    def _apply(self, document: Tree, now: Moment) -> list[Word]:
        whole = [self.disk.current.document]
        whole += [self.disk.following.configuration.document] if self.disk.following else []
        self.mixtures += document not in whole
        self.running = document
        if self._cut is Cut.APPLIED and self.disk.phase is Phase.STAGED:
            self._lose_power()
        return self._tell(DidApply(), now)

    def _health(self, now: Moment) -> list[Word]:
        problem = self.problem
        if problem == self._said_health:
            return []
        self._said_health = problem
        return [Word(Said.HEALTH, HealthReport(at_ms=now.clock.utc_ms, problem=problem).encode())]

    def _presence(self, since_ms: int | None, *, online: bool) -> bytes:
        return Presence(online=online, since_ms=since_ms, firmware=FIRMWARE, board=self.facts.board).encode()


def _reported(document: dict[str, Any]) -> Word:
    return Word(Said.REPORTED, json.dumps(document, separators=(",", ":")).encode())


def moment(monotonic_ms: int, utc_ms: int) -> Moment:
    """Now, on a board that knows the time."""
    return Moment(monotonic_ms=monotonic_ms, clock=Clock(utc_ms=utc_ms))
