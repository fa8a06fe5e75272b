"""A fleet of one device and its operators, for the tests of the agent and its rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from firmware_app.config import commands
from firmware_app.fleet.agent import Agent
from firmware_app.fleet.bundle import Bundle, Content, Delta
from firmware_app.fleet.change import Change
from firmware_app.fleet.document import Tree, read_toml
from firmware_app.fleet.envelope import Envelope, Kind
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
    Tick,
)
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.selector import DeviceFacts, Everyone
from firmware_app.fleet.verification import Clock, Standing
from light_client.rules.crypto import public_key_of, verify

ANNA, BERT, CLEO, DORA, STRANGER = (bytes(31) + bytes([number]) for number in range(1, 6))
EXAMPLE: Final = commands.EXAMPLE
NOW_MS: Final = 1_800_000_000_000
FACTS: Final = DeviceFacts(
    name="meter-0101", board="beaglebone-black", release=(0, 4, 0), feeder=7, labels={"site": "north"}
)
PLAN: Final = RolloutPlan(window_ms=60_000, hold_ms=10_000)


def signers(threshold: int, *secrets: bytes) -> Signers:
    """Some keys."""
    return Signers(threshold=threshold, keys=tuple(sorted(public_key_of(secret) for secret in secrets)))


KEY_SET: Final = KeySet(
    roles=(signers(2, ANNA, BERT, CLEO), signers(1, ANNA, BERT), signers(2, BERT, CLEO, DORA))
)
FLEET: Final = KEY_SET.fleet_id


def example() -> Tree:
    """The shipped example as a tree, with a password of the device's own."""
    tree = read_toml(EXAMPLE.read_text(encoding="utf-8"), "example")
    tree["status"]["password_file"] = "hunter-two-hunter"  # noqa: S105 - what a test must not find again
    return tree


def delta(*changes: tuple[str, Any], base: int = 0) -> Delta:
    """A delta of dotted paths and values."""
    made = [Change(path=tuple(path.split(".")), value=value) for path, value in changes]
    return Delta(changes=tuple(sorted(made, key=lambda change: change.path)), base=base)


ORDINARY: Final = delta(("privacy.lot_wh", 250))


def bundle(version: int = 1, content: Content = ORDINARY, **fields: Any) -> Bundle:
    """A bundle for everyone."""
    given: dict[str, Any] = {
        "fleet": FLEET,
        "key_set": 1,
        "issued_ms": NOW_MS - 1_000,
        "expires_ms": NOW_MS + 86_400_000,
        "target": Everyone(),
        "plan": PLAN,
    }
    return Bundle(version=version, content=content, **(given | fields))


def signed(what: Bundle, secrets: Iterable[bytes] = (ANNA,)) -> bytes:
    """Its bytes with signatures."""
    return what.envelope().signed(what.fleet, secrets).encode()


def next_key_set(
    current: KeySet = KEY_SET, secrets: Sequence[bytes] = (ANNA, BERT), **fields: Any
) -> tuple[KeySet, bytes]:
    """The set after this one, and its bytes with signatures."""
    given: dict[str, Any] = {
        "fleet": current.fleet_id,
        "version": current.version + 1,
        "roles": current.roles,
    }
    fresh = KeySet(**(given | fields))
    envelope = Envelope(kind=Kind.KEY_SET, body=fresh.encode(), signatures=())
    return fresh, envelope.signed(current.fleet_id, secrets).encode()


def standing(**fields: Any) -> Standing:
    """What the device brings to a judgement."""
    at_first = Standing(facts=FACTS, key_set=KEY_SET, floor=(0, 0), version=0, document=example())
    return replace(at_first, **fields)


def memory() -> Memory:
    """That of a device fresh from provisioning."""
    return Memory(key_set=KEY_SET, current=Configuration(document=example()))


class Driver:
    """Does the agent's effects at once, and remembers them; the clock is known unless told otherwise."""

    def __init__(
        self,
        kept: Memory | None = None,
        *,
        knows_time: bool = True,
        agent: Agent | None = None,
        now_ms: int = NOW_MS,
    ) -> None:
        start = kept or memory()
        self.agent = agent or Agent(start, FACTS, verify_signature=verify)
        self.disk = start
        self.running = start.running.document
        self.monotonic_ms = 0
        self.knows_time = knows_time
        self.now_ms = now_ms
        self.cannot_apply = ""
        self.effects: list[Effect] = []

    def tell(self, event: Event) -> tuple[Effect, ...]:
        """One event, and what follows from it."""
        utc_ms = self.now_ms + self.monotonic_ms if self.knows_time else None
        moment = Moment(monotonic_ms=self.monotonic_ms, clock=Clock(utc_ms=utc_ms))
        effects = self.agent.handle(event, moment)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Keep):
                self.disk = effect.memory
            elif isinstance(effect, Apply):
                if not self.cannot_apply:
                    self.running = effect.document
                self.tell(DidApply(problem=self.cannot_apply))
        return effects

    def offer(self, raw: bytes) -> None:
        """A bundle arrives, not too soon after the last."""
        self.monotonic_ms += 1_000
        self.tell(Offered(raw=raw))

    def live(self, seconds: int, problem: str = "") -> None:
        """So many seconds with this health."""
        for _ in range(seconds):
            self.monotonic_ms += 1_000
            self.tell(Health(problem=problem))
            self.tell(Tick())

    @property
    def notes(self) -> list[str]:
        """Names of everything noted."""
        return [effect.name for effect in self.effects if isinstance(effect, Note)]

    @property
    def state(self) -> dict[str, Any]:
        """What it reports."""
        return self.agent.reported()
