"""The management plane as a part of the device: hears the operator, lets the steward act, says how the device is.

    every second     health goes to the agent; files are looked for; what is wanted is applied; letters are sent
    a message        a bundle or key set goes to the agent, a receipt to the outbox
    a chunk          goes to whoever fetches files (`supply.py`), an answer to whoever renews certificates
    a connection     birth, then the newest reported document and health, then the letters; the will is left behind

It needs no broker: bundles from files are taken up without one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from firmware_app.config.check import Checked
from firmware_app.device.reporting import OPERATOR
from firmware_app.fleet.attachment import Want
from firmware_app.fleet.document import Tree
from firmware_app.fleet.events import Health, Offered, Tick, Withdrawn
from firmware_app.fleet.letters import ALARM, Letter, receipt_from_bytes
from firmware_app.fleet.memory import Phase
from firmware_app.fleet.report import Allowance
from firmware_app.fleet.telemetry import Alarm, HealthReport
from firmware_app.fleet.topics import Said as Kind
from firmware_app.fleet.topics import Topics
from firmware_app.management.calling import Caller, pause
from firmware_app.management.credentials import CredentialsError
from firmware_app.management.inbox import Inbox
from firmware_app.management.postman import IN_FLIGHT, Postman
from firmware_app.management.steward import Steward
from firmware_app.management.supply import Supply
from firmware_app.management.view import with_fleet
from firmware_app.management.wellness import LINK, AlarmBook, alarms_of, complaints, health_report, verdict
from firmware_app.runtime.supervision import PartStatus
from firmware_app.status.snapshot import Snapshot
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message, OutboxFullError
from light_client.rules.errors import LightClientError, RuleViolation

ALARMS: Final = "operator-alarms"
"""Of alarms: they wait behind no report."""
_TICK_S: Final = 1.0
_HEALTH_MS: Final = 60_000
"""No word of health sooner after the one before, but for changes."""
_LOOK_TICKS: Final = 10
"""Files are looked for so often."""

Applied = Callable[[Tree], Awaitable[str | None]]
"""Makes the device run by a document: why it cannot, or nothing; None where the whole program begins anew."""


class FleetPart:
    """Of one life of the program."""

    def __init__(
        self,
        steward: Steward,
        store: DeviceStore,
        *,
        snapshot: Callable[[], Snapshot | None],
        supervised: Callable[[], Iterable[PartStatus]],
        utc_ms: Callable[[], int | None],
        apply: Applied,
    ) -> None:
        self._steward = steward
        self._store = store
        self._snapshot = snapshot
        self._supervised = supervised
        self._utc_ms = utc_ms
        self._apply = apply
        self._topics = Topics(steward.memory.key_set.fleet_id)
        self.caller = Caller(
            steward,
            self._topics,
            utc_ms=utc_ms,
            monotonic_ms=_monotonic_ms,
            hear=self._hear,
            greet=self._greet,
        )
        self._supply: Supply | None = None
        self._postmen = {OPERATOR: Postman(), ALARMS: Postman()}
        self._alarms = AlarmBook()
        self._health_pace = Allowance(burst=2, each_ms=_HEALTH_MS)
        self._health_at_ms: int | None = None
        self._told: tuple[str, tuple[Alarm, ...]] | None = None
        self._found: Checked | None = None
        self._inbox: Inbox | None = None
        self._ticks = 0
        self._busy = False

    async def run(self, found: Checked, stop: asyncio.Event) -> None:
        """One life of the part.

        Args:
            found: the configuration that the device runs by.

        Raises:
            StoreError: the outbox cannot be read.
        """
        self._found = found
        self._inbox = Inbox(found.folder, found.config.fleet.stick_folder)
        self._supply = Supply(self._steward, found.config.fleet.stick_folder)
        connecting = asyncio.create_task(self.caller.keep(found, stop))
        try:
            while not stop.is_set():
                await self._tick()
                await pause(stop, _TICK_S)
            await connecting
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await self._supply.end()

    # -- every second --------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        if self._ticks % _LOOK_TICKS == 0:
            await self.look_into_files()
        self._ticks += 1
        snapshot = self._snapshot()
        if snapshot is None:
            self._steward.take(Tick())
        else:
            self._judge(snapshot)
        await self._settle()
        self._speak()
        self._bring()
        self._renew()

    def _judge(self, snapshot: Snapshot) -> None:
        """Health for the agent; health and alarms for the operator."""
        steward = self._steward
        found = complaints(snapshot, self._supervised(), self._link_problem())
        if steward.memory.phase is Phase.SETTLED:
            steward.before = frozenset(found)
            problem = verdict(found, {LINK})
        else:
            problem = verdict(found, steward.before if steward.is_link_on_trial else {*steward.before, LINK})
        self._steward.take(Health(problem=problem))
        self._steward.take(Tick())
        now_ms = _monotonic_ms()
        alarms = alarms_of(snapshot)
        for note in self._alarms.look(alarms, now_ms):
            self._put_alarm(note.alarm.value, note.encode(), raised=note.raised)
        try:
            self._tell_health(health_report(snapshot, problem, alarms, self._letters()), now_ms)
        except RuleViolation as error:  # a report that cannot be written must not end what it reports of
            steward.note("fleet.health", str(error))

    def _link_problem(self) -> str:
        return self.caller.problem if self._found is not None and self._found.config.fleet.broker else ""

    async def _settle(self) -> None:
        """Make the device run by what is wanted, until nothing is."""
        while not self._busy and (wanted := self._steward.wanted) is not None:
            self._busy = True
            try:
                problem = await self._apply(wanted)
            finally:
                self._busy = False
            if problem is None:
                self._steward.wanted = None  # the next life goes on from what is kept
                return
            self._steward.applied(problem)

    async def look_into_files(self) -> None:
        """Offer what lies in the inbox and on a stick."""
        if self._inbox is None:
            return
        for raw in self._inbox.fresh():
            self._steward.take(Offered(raw=raw))
            await self._settle()
        self._inbox.clear(self._steward.waiting)

    async def answer(self, asked: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """What the control socket answers to `fleet`; with `look`, after a look at the files."""
        if asked.get("look") is True:
            await self.look_into_files()
        yield self.standing()

    def standing(self) -> dict[str, Any]:
        """The reported document, and how the connection is."""
        fleet = None if self._found is None else self._found.config.fleet
        return {
            **self._steward.reported(),
            "fleet": self._steward.memory.key_set.fleet_id.hex(),
            "broker": f"{fleet.broker}:{fleet.port}" if fleet is not None and fleet.broker else None,
            "connected": not self.caller.problem,
            "problem": self.caller.problem or None,
            "letters": self._letters(),
        }

    def show(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot with the operator's side of the device."""
        return with_fleet(snapshot, self.standing(), _monotonic_ms() - self.caller.since_ms)

    # -- what is said --------------------------------------------------------------------------------------------------

    def _speak(self) -> None:
        caller = self.caller
        if not caller.is_ready:
            return
        news = self._steward.news
        if news is not None and caller.publish(Kind.REPORTED, json.dumps(news).encode(), retain=True):
            self._steward.news = None
        for destination, postman in self._postmen.items():
            for message in postman.due(
                self._store.outbox.pending(destination, 2 * IN_FLIGHT), _monotonic_ms()
            ):
                self._post(message)

    def _post(self, message: Message) -> None:
        try:
            letter = Letter(key=message.key, at_ms=message.at_ms, body=message.body)
            self.caller.publish(Kind.LETTER, letter.encode(), kind=message.kind)
        except LightClientError as error:  # nobody could ever read it: it would hold up the others for ever
            self._steward.note("fleet.letter", f"a letter cannot be sent, and is dropped: {error}")
            self._store.outbox.delivered(message.destination, (message.key,))

    def _bring(self) -> None:
        """Files that bundles wait for, and firmware."""
        if self._supply is not None:
            self._supply.tick(_monotonic_ms(), self._ask)

    def _ask(self, want: Want) -> bool:
        return self.caller.publish(Kind.WANT, want.encode())

    def _renew(self) -> None:
        """The device's certificate, before it ends."""
        renewing = self.caller.renewing
        if renewing is None or not self.caller.is_ready:
            return
        try:
            said = renewing.say(_monotonic_ms(), self._utc_ms())
        except (CredentialsError, ImportError) as error:
            self._steward.note("fleet.unwritten", str(error))
            return
        if said is not None:
            self.caller.publish(Kind.RENEW, said)

    def _put_alarm(self, name: str, body: bytes, *, raised: bool) -> None:
        utc_ms = self._utc_ms()
        stamp = _monotonic_ms() if utc_ms is None else utc_ms
        key = f"alarm/{name}/{'on' if raised else 'off'}/{stamp}"
        self._steward.note("fleet.alarm", f"{name} {'begins' if raised else 'ends'}")
        try:
            self._store.outbox.put(Message(destination=ALARMS, key=key, kind=ALARM, body=body, at_ms=utc_ms))
        except OutboxFullError as error:
            self._steward.note("fleet.letter", str(error))

    def _tell_health(self, health: HealthReport, now_ms: int) -> None:
        gist = (health.problem, health.alarms)
        every_ms = 1_000 * (self._found.config.fleet.health_s if self._found else 300)
        is_due = self._health_at_ms is None or now_ms - self._health_at_ms >= every_ms
        if not self.caller.is_ready or not (is_due or gist != self._told):
            return
        if self._health_pace.take(now_ms) and self.caller.publish(Kind.HEALTH, health.encode(), retain=True):
            self._told, self._health_at_ms = gist, now_ms

    def _letters(self) -> int:
        waiting = self._store.outbox.waiting()
        return sum(waiting.get(destination, 0) for destination in self._postmen)

    # -- what is heard ------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """The connection holds: say everything anew, since nobody knows what was heard before."""
        self._steward.news = self._steward.reported()
        self._told = None
        for postman in self._postmen.values():
            postman.connected()
        if self._supply is not None:
            self._supply.connected()
        self._speak()

    def _hear(self, topic: str, payload: bytes) -> None:
        heard = self._topics.heard(topic)
        if heard is None and topic.startswith(self._topics.keys("")):
            if payload:
                self._steward.take(Offered(raw=payload))
        elif heard is None or heard.device != self._steward.name:
            self._steward.note("fleet.astray", "a message on a topic that is not this device's")
        elif heard.said is Kind.DESIRED:
            self._steward.take(Offered(raw=payload) if payload else Withdrawn())
        elif payload:
            self._hear_answer(heard.said, payload)

    def _hear_answer(self, said: Kind, payload: bytes) -> None:
        """What the operator says to something that the device has said."""
        if said is Kind.RECEIPT:
            self._forget(payload)
        elif said is Kind.CHUNK and self._supply is not None:
            self._supply.hear(payload)
            self._supply.ask(_monotonic_ms(), self._ask)
        elif said is Kind.RENEWED:
            self.caller.hear_renewed(payload)

    def _forget(self, payload: bytes) -> None:
        try:
            receipt = receipt_from_bytes(payload)
        except RuleViolation as error:
            self._steward.note("fleet.refused", str(error))
            return
        for destination, postman in self._postmen.items():
            self._store.outbox.delivered(destination, postman.received(receipt.keys))


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
