"""The simulated driver: one process, virtual time, one seed; the same run every time.

A channel, `miner-2/LABEL`, leads to the node miner-2, which knows the sender as `meter-1/LABEL`: over the live
transport that is a key of its own.

Events wait in a heap ordered by time, then by the order in which they were made. A node that is down misses its
messages and loses its timers and everything in its memory; what its calls wrote is kept, except for what may wait and
was still held back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple, TextIO

from light_client.session.actor import (
    Actor,
    CancelTimer,
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
    Write,
)
from light_client.store.holding import Held
from testbed.network.faults import (
    NO_FAULTS,
    PER_MILLION,
    Crash,
    CrashAtWrite,
    Faults,
    Link,
    Moment,
    Partition,
)
from testbed.network.memory import MemoryStorage

Build = Callable[[Storage], Actor]
"""Makes an actor out of what is durable: called at the first start and after each crash."""

STARTED: Final = Started()


class Seen(NamedTuple):
    """A report as it was made."""

    at_ms: int
    """True time, UTC ms."""
    node: PeerName
    name: str
    value: object


@dataclass(slots=True, kw_only=True)
class Counters:
    """What the network did."""

    events: int = 0
    sent: int = 0
    delivered: int = 0
    lost: int = 0
    """By the link, a partition, or because the receiver was down."""
    duplicated: int = 0
    bytes_sent: int = 0
    crashes: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class _Node:
    """One place where an actor lives."""

    name: PeerName
    build: Build
    skew_ms: int
    storage: MemoryStorage = field(default_factory=MemoryStorage)
    actor: Actor | None = None
    life: int = 0
    """Counts starts: timers of an earlier life do not fire."""
    timers: dict[str, int] = field(default_factory=dict)
    """Timer -> number of the heap entry that will fire it."""
    batches: int = 0
    """Calls that wrote something, over all lives."""
    held: Held = field(default_factory=Held)
    """Writes that are not durable yet."""
    doomed: Crash | None = None
    """A crash that waits for the node's next call."""


class Simulator:
    """Runs actors over a simulated network."""

    def __init__(
        self,
        *,
        seed: int,
        start_ms: int,
        link: Link | None = None,
        faults: Faults = NO_FAULTS,
        trace: TextIO | None = None,
    ) -> None:
        """Set the world up.

        Args:
            start_ms: virtual time at the beginning, UTC ms.
            link: quality of every link that ``set_link`` does not change.
            trace: where each event is written as one JSON line, for people and diffs.
        """
        self.now_ms = start_ms
        self.reports: list[Seen] = []
        self.counters = Counters()
        self.on_report: Callable[[Seen], None] = self.reports.append
        self.on_send: Callable[[PeerName, Send], None] | None = None
        """Sees every message that leaves a node, whatever becomes of it."""
        self._rng = Random(seed)  # noqa: S311 - a simulation wants repeatable chance
        self._link = link or Link()
        self._links: dict[tuple[PeerName, PeerName], Link] = {}
        self._last_arrival: dict[tuple[PeerName, PeerName], int] = {}
        self._faults = faults
        self._partitions: list[Partition] = []
        self._nodes: dict[PeerName, _Node] = {}
        self._heap: list[tuple[int, int, _Node | None, int, Any]] = []
        self._made = 0
        self._trace = trace
        for crash in faults.crashes:
            self._push(crash.at_ms, None, 0, crash)
        for partition in faults.partitions:
            self._push(partition.from_ms, None, 0, partition)

    def add(self, name: PeerName, build: Build) -> None:
        """Add a node and start it at the present time.

        Raises:
            ValueError: there is a node of that name.
        """
        if name in self._nodes:
            raise ValueError(f"there is a node named {name} already")
        node = _Node(name=name, build=build, skew_ms=self._faults.skew_ms.get(name, 0))
        self._nodes[name] = node
        self._push(self.now_ms, node, 0, STARTED)

    def set_link(self, sender: PeerName, receiver: PeerName, link: Link) -> None:
        """Give one direction between two nodes its own quality."""
        self._links[sender, receiver] = link

    def actor(self, name: PeerName) -> Actor | None:
        """The actor that lives at a node now; None while it is down."""
        return self._nodes[name].actor

    def storage(self, name: PeerName) -> MemoryStorage:
        """What is durable at a node."""
        return self._nodes[name].storage

    def batches(self, name: PeerName) -> int:
        """How many calls of a node wrote something, over all its lives."""
        return self._nodes[name].batches

    def run(self, until_ms: int, stop: Callable[[], bool] | None = None) -> bool:
        """Let time pass up to ``until_ms``, or until ``stop`` says so.

        Returns:
            Whether ``stop`` ended it.
        """
        heap = self._heap
        counters = self.counters
        while heap and heap[0][0] <= until_ms:
            at_ms, number, node, life, event = heappop(heap)
            if at_ms > self.now_ms:
                self.now_ms = at_ms
            counters.events += 1
            if node is None:
                self._happen(event)
                continue
            if event.__class__ is TimerFired:
                if life != node.life or node.timers.get(event.name) != number:
                    continue
                del node.timers[event.name]
            elif event is STARTED:
                self._start(node)
            elif node.actor is None:
                counters.lost += 1
                continue
            else:
                counters.delivered += 1
            self._call(node, event)
            if stop is not None and stop():
                return True
        self.now_ms = max(self.now_ms, until_ms)
        return False

    def _push(self, at_ms: int, node: _Node | None, life: int, event: object) -> int:
        self._made += 1
        heappush(self._heap, (at_ms, self._made, node, life, event))
        return self._made

    def _happen(self, event: Crash | Partition) -> None:
        if isinstance(event, Partition):
            if event in self._partitions:
                self._partitions.remove(event)
            else:
                self._partitions.append(event)
                self._push(event.to_ms, None, 0, event)
            self._note("partition", None, [sorted(group) for group in event.groups])
            return
        node = self._nodes[event.node]
        if node.actor is None:
            return
        if event.moment == Moment.BETWEEN_CALLS:
            self._kill(node, event.down_ms)
        else:
            node.doomed = event

    def _start(self, node: _Node) -> None:
        node.life += 1
        node.timers.clear()
        node.actor = node.build(node.storage)

    def _kill(self, node: _Node, down_ms: int | None) -> None:
        self.counters.crashes += 1
        node.actor = None
        node.doomed = None
        node.held.rest()
        self._note("crash", node.name, down_ms)
        if down_ms is not None:
            self._push(self.now_ms + down_ms, node, 0, STARTED)

    def _call(self, node: _Node, event: Event) -> None:
        actor = node.actor
        if actor is None:
            return
        if self._trace is not None:
            self._note(type(event).__name__, node.name, _told(event))
        effects = actor.handle(event, self.now_ms + node.skew_ms)
        if not effects:
            return
        writes = node.held.due([effect for effect in effects if isinstance(effect, Write)], self.now_ms)
        death = self._death(node, bool(writes))
        if death is not None and death.moment == Moment.BEFORE_WRITES:
            self._kill(node, death.down_ms)
            return
        if writes:
            node.storage.apply(writes)
        if death is None:
            self._perform(node, effects)
            return
        if death.moment == Moment.HALFWAY_SENT:
            sends = [effect for effect in effects if effect.__class__ is Send]
            self._perform(node, sends[: len(sends) // 2])
        self._kill(node, death.down_ms)

    def _death(self, node: _Node, writes: bool) -> Crash | CrashAtWrite | None:  # noqa: FBT001 - a private question
        """The crash that this call runs into, if any."""
        node.batches += writes
        if writes:
            for planned in self._faults.crashes_at_writes:
                if planned.node == node.name and planned.number == node.batches:
                    return planned
        return node.doomed

    def _perform(self, node: _Node, effects: Iterable[Effect]) -> None:
        for effect in effects:
            kind = effect.__class__
            if kind is Send:
                self._send(node.name, effect)  # type: ignore[arg-type] # chosen by class one line up
            elif isinstance(effect, SetTimer):
                at_ms = max(effect.at_ms - node.skew_ms, self.now_ms)
                node.timers[effect.name] = self._push(at_ms, node, node.life, TimerFired(name=effect.name))
            elif isinstance(effect, CancelTimer):
                node.timers.pop(effect.name, None)
            elif isinstance(effect, Report):
                self.on_report(Seen(self.now_ms, node.name, effect.name, effect.value))
                if self._trace is not None:
                    self._note(f"report {effect.name}", node.name, str(effect.value))

    def _send(self, sender: PeerName, send: Send) -> None:
        counters = self.counters
        counters.sent += 1
        counters.bytes_sent += len(send.message)
        if self.on_send is not None:
            self.on_send(sender, send)
        name, slash, label = send.peer.partition("/")
        pair = (sender, name)
        receiver = self._nodes.get(name)
        link = self._links.get(pair, self._link)
        chance = self._rng.random
        if (
            receiver is None
            or (link.loss_ppm and chance() * PER_MILLION < link.loss_ppm)
            or (self._partitions and any(partition.parts(*pair) for partition in self._partitions))
        ):
            counters.lost += 1
            return
        received = Received(peer=f"{sender}{slash}{label}", message=send.message)
        self._deliver(pair, receiver, link, received)
        if link.duplicate_ppm and chance() * PER_MILLION < link.duplicate_ppm:
            counters.duplicated += 1
            self._deliver(pair, receiver, link, received)

    def _deliver(self, pair: tuple[PeerName, PeerName], receiver: _Node, link: Link, event: Received) -> None:
        at_ms = self.now_ms + link.min_delay_ms
        if link.jitter_ms:
            at_ms += int(self._rng.expovariate(1 / link.jitter_ms))
        if link.ordered:
            at_ms = max(at_ms, self._last_arrival.get(pair, 0))
            self._last_arrival[pair] = at_ms
        self._push(at_ms, receiver, 0, event)

    def _note(self, what: str, node: PeerName | None, detail: object) -> None:
        if self._trace is not None:
            line = {"at_ms": self.now_ms, "node": node, "what": what, "detail": detail}
            self._trace.write(json.dumps(line) + "\n")


def _told(event: Event) -> object:
    """What a trace says of an event."""
    if isinstance(event, Received):
        head = event.message[:2].hex()
        return {"from": event.peer, "bytes": len(event.message), "head": head}
    return event.name if isinstance(event, TimerFired) else None
