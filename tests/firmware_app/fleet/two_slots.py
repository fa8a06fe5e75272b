"""A board with two systems and a boot loader that counts attempts; its power can be cut before whatever it does."""

from __future__ import annotations

from typing import Final

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.attachment import Attachment
from firmware_app.fleet.document import Tree
from firmware_app.fleet.events import (
    Apply,
    Confirm,
    DidApply,
    DidInstall,
    Effect,
    Event,
    Health,
    Install,
    Keep,
    Moment,
    Note,
    Offered,
    Restart,
    Started,
    Tick,
)
from firmware_app.fleet.memory import Memory, Phase, memory_from_bytes
from firmware_app.fleet.verification import Clock
from light_client.rules.crypto import verify
from tests.firmware_app.fleet.world import FACTS, NOW_MS, memory

ATTEMPTS: Final = 3
OTHER: Final = {"A": "B", "B": "A"}


class CutError(Exception):
    """The power is gone."""


class TwoSlots:
    """What it did is what lies on its disk, in its slots and in the boot loader's sector."""

    def __init__(
        self, *, firmware: bytes, is_bad: bool = False, is_dead: bool = False, kind: type[Agent] = Agent
    ) -> None:
        """Begin in slot A with what it was provisioned with.

        Args:
            firmware: name of the one that will be offered.
            is_bad: that firmware never gets well; ``is_dead``: it does not even start.
        """
        self.disk: Memory = memory()
        self.holds = {"A": b"first", "B": b"empty"}
        self.booted = self.next = "A"
        self.good = {"A"}
        self.attempts = {"A": ATTEMPTS, "B": ATTEMPTS}
        self.cannot_install = ""
        self.cut_at: int | None = None
        self.steps = 0
        self.boots = 0
        self.notes: list[str] = []
        self.running: Tree = {}
        self.here: set[bytes] = set()
        self._firmware, self._is_bad, self._is_dead, self._kind = firmware, is_bad, is_dead, kind
        self._monotonic_ms = 0
        self.boot()

    # -- power ---------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """As the boot loader does: count the attempt, and go back where they are used up."""
        while True:
            self.boots += 1
            if self.next not in self.good:
                if self.attempts[self.next] == 0:
                    self.next = OTHER[self.next]
                else:
                    self.attempts[self.next] -= 1
            self.booted = self.next
            if not (self._is_dead and self.holds[self.booted] == self._firmware):
                break
        self.disk = memory_from_bytes(self.disk.encode())
        self._agent = self._kind(
            self.disk,
            FACTS,
            verify_signature=verify,
            is_here=lambda one: "" if one.root in self.here else "its files",
        )
        self.running = self.disk.running.document
        self._tell(Started(slot=self.booted))

    def tell(self, event: Event) -> None:
        """Let something happen; where the power is cut meanwhile, the board starts anew."""
        try:
            self._tell(event)
        except CutError:
            self._boot_again()

    def _boot_again(self) -> None:
        while True:
            try:
                self.boot()
            except CutError:
                continue
            return

    def offer(self, raw: bytes) -> None:
        """Bytes in its topic."""
        self._monotonic_ms += 1_000
        self.tell(Offered(raw=raw))

    def live(self, seconds: int) -> None:
        """So many seconds."""
        for _ in range(seconds):
            self._monotonic_ms += 1_000
            ill = self._is_bad and self.holds[self.booted] == self._firmware
            self.tell(Health(problem="the meter is not read" if ill else ""))
            self.tell(Tick())

    @property
    def wanted(self) -> tuple[Attachment, ...]:
        """What it fetches."""
        return self._agent.wanted

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way."""
        return self.disk.phase is Phase.SETTLED

    # -- what the agent wants ------------------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        moment = Moment(monotonic_ms=self._monotonic_ms, clock=Clock(utc_ms=NOW_MS + self._monotonic_ms))
        for effect in self._agent.handle(event, moment):
            if not isinstance(effect, Note):
                self._step()
            self._do(effect)

    def _step(self) -> None:
        self.steps += 1
        if self.cut_at == self.steps:
            raise CutError

    def _do(self, effect: Effect) -> None:
        match effect:
            case Keep(memory=kept):
                self.disk = kept
            case Apply(document=document):
                self.running = document
                self._tell(DidApply())
            case Install(firmware=firmware):
                self._install(firmware)
            case Restart(back_to=back_to):
                self.next = back_to or self.next
                raise CutError
            case Confirm():
                self.good.add(self.booted)
            case Note(sentence=sentence):
                self.notes.append(sentence)

    def _install(self, firmware: Attachment) -> None:
        if self.cannot_install:
            self._tell(DidInstall(problem=self.cannot_install))
            return
        idle = OTHER[self.booted]
        self.holds[idle] = b"half"
        self.good.discard(idle)
        self._step()
        self.holds[idle] = firmware.root
        self.next, self.attempts[idle] = idle, ATTEMPTS
        self._step()
        self._tell(DidInstall())
