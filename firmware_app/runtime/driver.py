"""Runs actors in one process, in real or accelerated time, as `light_client.session.actor` promises them.

One round: take the timers that are due and the messages that wait, hand each to its actor, then commit what all of them
wrote in ONE transaction, and only then send. A crash loses a whole round at most, and no message of it has left.
A round whose writes may all wait has no transaction of its own: they join the next one.

What miners say to each other to agree goes by a lane of its own, in turn with everything else, and makes the round a
short one: a vote waits neither behind hundreds of submissions nor for the end of their round.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from firmware_app.runtime.timers import Timers
from light_client.messages.chain import NewBlock
from light_client.messages.codec import number_of, type_number_of
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.rules.errors import LocalError
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
    TimerFired,
    Write,
)
from light_client.session.channels import is_channel
from light_client.store.batch import Compartment, Store
from light_client.store.holding import Held
from light_client.transport.limits import Tally
from light_client.transport.node import Deliver

_ROUND_EVENTS: Final = 128
"""Most events between two commits: enough to share the cost of a sync, few enough to answer soon."""
_URGENT_EVENTS: Final = 12
"""Most events of a round with an urgent message in it: others wait for what comes of that."""
_WAITING_MESSAGES: Final = 512
"""Most messages that wait in the process; beyond that the sockets' own bounded queues fill."""
_URGENT: Final = frozenset(map(number_of, (Proposal, Vote, RoundStatus, NewBlock)))
"""Types of message that others wait for: few, and each late one delays a block for everybody."""
_STATUS_S: Final = 1.0
"""Pause between the driver's reports about itself, real seconds."""


StatusOf: TypeAlias = Callable[[Actor], object]
"""What an actor shows of itself beyond its reports."""


def nothing(_: Actor) -> object:
    """No status."""
    return None


class Reports(Protocol):
    """Where the driver puts what actors report."""

    def add(self, time_ms: int, actor: str, name: str, value: object) -> None:
        """Take a report; it may stay in memory until `flush`."""

    def flush(self) -> None:
        """Let readers see what was added."""


class DriverClock(Protocol):
    """What the driver needs of a clock."""

    def now_ms(self) -> int:
        """The time that actors are told, UTC ms."""

    def real_seconds_until(self, at_ms: int) -> float:
        """How long to sleep until a time, s; 0 if it has passed."""


class Link(Protocol):
    """What the driver needs of a transport."""

    @property
    def connected(self) -> frozenset[PeerName]:
        """Peers we dialled and reached."""

    @property
    def tally(self) -> Tally:
        """What went wrong, by peer."""

    @property
    def failure(self) -> asyncio.Future[None]:
        """Done with an error when the transport no longer works."""

    def send(self, peer: PeerName, message: bytes) -> bool:
        """Send, or drop and count; return whether the message is on its way."""


@dataclass(slots=True, kw_only=True)
class _Slot:
    """One actor with what belongs to it."""

    actor: Actor
    compartment: Compartment
    transport: Link
    status_of: StatusOf
    status: object = None
    """As last reported."""
    reported: Mapping[str, object] = field(default_factory=dict)
    """State of the connections as last reported."""


@dataclass(slots=True, kw_only=True)
class Load:
    """How the driver is doing, since it last said so."""

    events: int = 0
    commits: int = 0
    written: int = 0
    sent: int = 0
    latest_ms: int = 0
    """Worst delay of a timer since the last status, virtual ms."""


class Driver:
    """Runs its actors until told to stop, or until one of them or the machine fails."""

    def __init__(self, *, clock: DriverClock, store: Store, reports: Reports) -> None:
        """Bind what the actors share. Needs a running event loop."""
        self._clock = clock
        self._store = store
        self._reports = reports
        self._slots: list[_Slot] = []
        self._timers = Timers()
        self._waiting: asyncio.Queue[tuple[int, Event]] = asyncio.Queue(_WAITING_MESSAGES)
        self._urgent: asyncio.Queue[tuple[int, Event]] = asyncio.Queue(_WAITING_MESSAGES)
        self._starting: deque[int] = deque()
        self._held = Held()
        self._wake = asyncio.Event()
        self._load = Load()

    def add(
        self,
        actor: Actor,
        compartment: Compartment,
        connect: Callable[[Deliver], Link],
        status_of: StatusOf = nothing,
    ) -> None:
        """Take on an actor.

        Args:
            actor: built on what its compartment holds.
            compartment: its part of the store.
            connect: opens its transport, given where messages are to go.
            status_of: asked once a second; reported when it has changed.
        """
        number = len(self._slots)

        async def deliver(received: Received) -> None:
            urgent = type_number_of(received.message) in _URGENT
            await (self._urgent if urgent else self._waiting).put((number, received))
            self._wake.set()

        transport = connect(deliver)
        transport.failure.add_done_callback(lambda _: self._wake.set())
        self._slots.append(
            _Slot(actor=actor, compartment=compartment, transport=transport, status_of=status_of)
        )
        self._starting.append(number)
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then all that was handled is committed and sent, and nothing is held back.

        Raises:
            Exception: whatever an actor, the store or a transport raised. What the round had written is not durable,
                and none of its messages left.
        """
        loop = asyncio.get_running_loop()
        status_at_s = loop.time()
        watching = asyncio.create_task(self._wake_on(stop))
        try:
            while not stop.is_set():
                self._wake.clear()  # before looking, so that what comes meanwhile is not slept over
                self._check_transports()
                self._round()
                if loop.time() >= status_at_s:
                    status_at_s = loop.time() + _STATUS_S
                    self._report_status()
                await self._rest(status_at_s - loop.time())
            self._commit(self._held.rest())
        finally:
            watching.cancel()
            self._report_status()

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    def _check_transports(self) -> None:
        for slot in self._slots:
            if slot.transport.failure.done():
                slot.transport.failure.result()

    async def _rest(self, at_most_s: float) -> None:
        """Sleep until there is something to do; give the sockets a turn even if there already is."""
        await asyncio.sleep(0)
        next_ms = self._timers.next_at_ms()
        if next_ms is not None:
            at_most_s = min(at_most_s, self._clock.real_seconds_until(next_ms))
        if at_most_s <= 0 or not self._waiting.empty() or not self._urgent.empty():
            return
        handle = asyncio.get_running_loop().call_later(at_most_s, self._wake.set)
        await self._wake.wait()
        handle.cancel()

    def _round(self) -> None:
        """Handle what there is, commit, send."""
        writes: list[Write] = []
        sends: list[tuple[_Slot, Send]] = []
        for number, event in self._events():
            slot = self._slots[number]
            now_ms = self._clock.now_ms()
            for effect in slot.actor.handle(event, now_ms):
                self._sort(effect, number, now_ms, writes, sends)
        self._commit(self._held.due(writes, self._clock.now_ms()))
        for slot, send in sends:
            self._load.sent += slot.transport.send(send.peer, send.message)
        self._reports.flush()

    def _commit(self, writes: list[Write]) -> None:
        if writes:
            self._store.commit(writes)
            self._load.commits += 1
            self._load.written += len(writes)

    def _events(self) -> Iterable[tuple[int, Event]]:
        """What is to be handled now: starts first, then timers and messages in turn, so that neither starves the other.

        Asked one by one, so that a timer that an earlier event moved or cancelled does not fire. An urgent
        message is every third event at most, and makes the round a short one.
        """
        most = _ROUND_EVENTS
        for turn in range(_ROUND_EVENTS):
            if turn >= most:
                return
            if turn % 3 == 2 and not self._urgent.empty():
                most = _URGENT_EVENTS
                self._load.events += 1
                yield self._urgent.get_nowait()
                continue
            found: tuple[int, Event] | None
            if self._starting:
                found = (self._starting.popleft(), Started())
            elif turn % 2:
                found = self._next_message() or self._due_timer()
            else:
                found = self._due_timer() or self._next_message()
            if found is None:
                if self._urgent.empty():
                    return
                continue
            self._load.events += 1
            yield found

    def _due_timer(self) -> tuple[int, Event] | None:
        now_ms = self._clock.now_ms()
        due = self._timers.pop_due(now_ms)
        if due is None:
            return None
        (number, name), at_ms = due
        self._load.latest_ms = max(self._load.latest_ms, now_ms - at_ms)
        return number, TimerFired(name=name)

    def _next_message(self) -> tuple[int, Event] | None:
        return None if self._waiting.empty() else self._waiting.get_nowait()

    def _sort(
        self, effect: Effect, number: int, now_ms: int, writes: list[Write], sends: list[tuple[_Slot, Send]]
    ) -> None:
        """Put one effect where it belongs; timers and reports take effect at once, nothing leaves."""
        slot = self._slots[number]
        match effect:
            case Write():
                writes.append(slot.compartment.owned(effect))
            case Send():
                sends.append((slot, effect))
            case SetTimer(name=name, at_ms=at_ms):
                self._timers.set((number, name), at_ms)
            case CancelTimer(name=name):
                self._timers.cancel((number, name))
            case Report(name=name, value=value):
                self._reports.add(now_ms, slot.actor.name, name, value)
            case _:
                raise LocalError(f"{slot.actor.name} asked for an effect that there is not", got=effect)

    def _report_status(self) -> None:
        """Report how each actor, its connections and the process are doing."""
        now_ms = self._clock.now_ms()
        load, self._load = self._load, Load()
        for slot in self._slots:
            status = slot.status_of(slot.actor)
            if status != slot.status:
                slot.status = status
                self._reports.add(now_ms, slot.actor.name, "live.status", status)
            connected = sorted(peer for peer in slot.transport.connected if not is_channel(peer))
            value = {"connected": connected, "faults": slot.transport.tally.totals()}
            if value != slot.reported:
                slot.reported = value
                self._reports.add(now_ms, slot.actor.name, "live.connections", value)
        if self._slots:
            self._reports.add(now_ms, self._slots[0].actor.name, "live.load", load)
        self._reports.flush()
