"""The contract between an actor and its driver.

An actor (meter, DSO, solver, miner) is a state machine: it is handed events with the time, and answers with
effects. It never opens a socket, reads a clock or sleeps. Two drivers run the same actors: the live one (asyncio,
ZeroMQ, SQLite, real clock) and the simulated one (in-memory network, virtual clock, one seed).

What a driver promises:

- all ``Write`` effects of one ``handle`` call become durable together, BEFORE any of its messages leaves; if all of
  them *may wait*, they become durable together with the next ones that may not, after ``HOLD_MS`` at the latest, and
  at an orderly end. Nothing overtakes: what was written earlier is durable no later;
- a timer fires at its time or later, at most once; setting it again moves it; timers do not survive a restart;
- messages may be lost, delayed, reordered and duplicated; the name of the peer is authenticated by the transport;
- after a crash a new actor is built on what was durable, and is handed ``Started``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

HOLD_MS = 900_000
"""How long a driver holds back what may wait, ms."""

PeerName = str
"""Name of an actor in the transport, such as ``miner-2`` or ``meter-0417``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The actor runs, for the first time or after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message came in; its bytes are untrusted."""

    peer: PeerName
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that the actor set has run out."""

    name: str


Event = Started | Received | TimerFired


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send bytes to a peer, without a promise that they arrive."""

    peer: PeerName
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Wake the actor at a time, UTC ms; a timer of the same name is moved."""

    name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer:
    """Forget a timer, if it is set."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Store a value (None: delete it) before this call's messages leave, or a little later if it may wait.

    A commit of a few bytes costs flash two blocks or more, so what can be learnt or made again after a power cut should
    not ask for one.
    """

    table: str
    key: bytes
    value: bytes | None
    may_wait: bool = False
    """Whether a power cut may cost it: whoever reads what is durable then has to live without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something an observer may want to know: counted and shown, never acted upon. ``name`` is stable."""

    name: str
    value: object = None


Effect = Send | SetTimer | CancelTimer | Write | Report


class Actor(Protocol):
    """A state machine that a driver can run."""

    name: PeerName

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event; ``now_ms`` is the driver's clock, UTC milliseconds."""


class Storage(Protocol):
    """What an actor may read of its durable values, at any time.

    It writes by ``Write`` effects only, and sees those of earlier calls; what may wait, once it is durable.
    """

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All keys from ``start`` on with their values, ascending."""
