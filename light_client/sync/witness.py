"""When to ask a second server: at random moments, so that nobody can be honest just then.

A witness is asked for the way from the trusted header to its newest. What its answer is worth is judged elsewhere;
this planner picks the server, waits for the answer, and sees to it that there is a next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from light_client.messages.chain import GetUpdate
from light_client.messages.codec import encode_message
from light_client.session.actor import Effect, PeerName, Send, SetTimer
from light_client.sync.servers import Fault, Servers

TIMER = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessParams:
    """How often a second server is asked."""

    every_ms: int = 3_600_000
    """Mean time between two questions, ms; each is drawn between half and one and a half of it."""
    patience_ms: int = 60_000
    """How long an answer may take, ms."""


class WitnessPlanner:
    """One question at a time."""

    def __init__(self, servers: Servers, chance: Random, params: WitnessParams) -> None:
        self._servers = servers
        self._chance = chance
        self._params = params
        self.asked: PeerName | None = None
        """Whose answer is waited for."""
        self.agreed_ms: int | None = None
        """When a witness last agreed, UTC ms."""

    def start(self, now_ms: int) -> list[Effect]:
        """Plan the next question."""
        self.asked = None
        every_ms = self._params.every_ms
        at_ms = now_ms + every_ms // 2 + self._chance.randrange(every_ms + 1)
        return [SetTimer(name=TIMER, at_ms=at_ms)]

    def woken(self, height: int, now_ms: int) -> list[Effect]:
        """Ask a witness about the trusted header; one that did not answer is let rest first."""
        if self.asked is not None:
            self._servers.failed(self.asked, Fault.SILENT, now_ms)
        self.asked = self._servers.witness(now_ms)
        if self.asked is None or height == 0:
            return self.start(now_ms)
        request = encode_message(GetUpdate(trusted_height=height))
        return [Send(peer=self.asked, message=request), self.wait(now_ms)]

    def wait(self, now_ms: int) -> SetTimer:
        """Wait for the answer to a question of the witness, no longer than patience allows."""
        return SetTimer(name=TIMER, at_ms=now_ms + self._params.patience_ms)

    def agreed(self, now_ms: int) -> list[Effect]:
        """The witness has what is trusted here."""
        if self.asked is not None:
            self._servers.answered(self.asked)
        self.agreed_ms = now_ms
        return self.start(now_ms)

    def failed(self, fault: Fault, now_ms: int) -> list[Effect]:
        """The witness is of no use, or worse: ask another one soon."""
        if self.asked is not None:
            self._servers.failed(self.asked, fault, now_ms)
        self.asked = None
        return [self.wait(now_ms)]
