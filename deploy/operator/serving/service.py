"""One turn of the service: what was heard and what was asked is written in one transaction, and only then answered.

Sans-I/O but for the desk's file: messages come in, sendings go out. Killed at any moment it goes on where it was,
because what lies in topics follows from what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from deploy.operator.desk.folder import Desk
from deploy.operator.desk.papers import Paper
from deploy.operator.rollout.desired import Offer, desired
from deploy.operator.rollout.engine import (
    Ask,
    Awake,
    Effect,
    Event,
    Mark,
    Rollout,
    Seen,
    Stand,
    Standing,
    Tick,
    is_wanted,
)
from deploy.operator.rollout.outcomes import FAILED, Outcome
from deploy.operator.serving.collector import Collector
from deploy.operator.serving.enrolment import Enrolment
from deploy.operator.serving.renewals import Renewals
from deploy.operator.serving.supplying import Supplying
from deploy.operator.serving.wire import Message, Sending
from firmware_app.fleet.envelope import read_envelope
from firmware_app.fleet.topics import FROM_DEVICE, Heard, Said, Topics
from light_client.rules.errors import RuleViolation

TICK_MS: Final = 1_000
FORGET_MS: Final = 3_600_000
WATCH_MS: Final = 86_400_000
"""So long after its end a rollout is still told what its devices say."""
SERVICE: Final = "service"
"""Who it was, in the audit, where no person decided."""


class Service:
    """The desk at work. Whoever drives it holds the desk's lock."""

    def __init__(self, desk: Desk, reload_broker: Callable[[], bool] = lambda: False) -> None:
        """Take up the desk where it was left.

        Args:
            reload_broker: lets the broker read its files again; returns whether it did.
        """
        self._desk: Final = desk
        self.topics: Final = Topics(desk.papers.key_set().fleet_id)
        self._collector = Collector(desk, self.topics)
        self._enrolment = Enrolment(desk, self.topics, reload_broker)
        self._renewals = Renewals(desk, self.topics, reload_broker)
        self._supplying = Supplying(desk.attachments, self.topics)
        self._rollouts: dict[int, tuple[Paper, Rollout]] = {}
        self._lies = {device.name: device.desired for device in desk.devices.all()}
        self._key_sets: dict[int, bytes] = {}
        self._writes = -1
        self._tick_ms = self._forget_ms = 0
        self._hears = False

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Topics to listen to."""
        everyone = [self.topics.device("+", said) for said in (*FROM_DEVICE, Said.DESIRED)]
        return (*everyone, self.topics.device("+", Said.LETTER, "+"), self.topics.enrol("+", "request"))

    def greeting(self) -> list[Sending]:
        """What has to lie in topics, after each connection: the broker may have forgotten it."""
        sendings = [self._key_set_sending(version, raw) for version, raw in self._desk.papers.key_sets()]
        papers = self._desk.papers.papers()
        wanted = {
            place.device
            for _, rollout in self._rollouts.values()
            for place in rollout.places
            if is_wanted(rollout.standing, place.outcome)
        }
        return sendings + [
            self._desired_sending(name, papers[self._lies[name]])
            for name in sorted(wanted)
            if self._lies.get(name) in papers
        ]

    def turn(self, messages: Sequence[Message], now_ms: int, *, hears: bool = True) -> list[Sending]:
        """Deal with everything that was said and asked; what comes back is to be sent.

        Args:
            now_ms: UTC ms.
            hears: whether there is a connection to the broker: without one nobody can be late.
        """
        writes = self._desk.database.writes
        is_idle = not messages and writes == self._writes and hears is self._hears
        if is_idle and now_ms - self._tick_ms < TICK_MS:
            return []
        sendings: list[Sending] = []
        with self._desk.database.transaction():
            touched: set[str] = set()
            if writes != self._writes:
                self._writes = writes
                sendings += self._refresh(now_ms)
                touched |= self._obey(now_ms)
            for message in messages:
                touched |= self._hear(message, now_ms, sendings)
            touched |= self._listen(now_ms, hears=hears)
            touched |= self._pass_time(now_ms, sendings)
            sendings += self._lay(touched)
            sendings += self._collector.receipts()
            self._collector.write_counts()
        return sendings

    # -- what was written by others --------------------------------------------------------------------------------

    def _refresh(self, now_ms: int) -> list[Sending]:
        """Take up devices, key sets and rollouts that commands wrote."""
        self._collector.refresh()
        self._enrolment.refresh(now_ms)
        for device in self._desk.devices.all():
            self._lies.setdefault(device.name, device.desired)
        for number, name in self._desk.rollouts.watched(now_ms - WATCH_MS):
            if number not in self._rollouts:
                paper = self._desk.papers.paper(name)
                rollout = self._desk.rollouts.load(number, paper, self._collector.sight)
                self._rollouts[number] = (paper, rollout)
        fresh = {
            version: raw for version, raw in self._desk.papers.key_sets() if version not in self._key_sets
        }
        self._key_sets |= fresh
        return [self._key_set_sending(version, raw) for version, raw in fresh.items()]

    def _obey(self, now_ms: int) -> set[str]:
        """Do what people asked for."""
        touched: set[str] = set()
        for number, step, who, why in self._desk.rollouts.take_asked():
            if number in self._rollouts:
                touched |= self._tell(number, Ask(step=step, why=why or f"by {who}"), now_ms, who)
        return touched

    # -- what was heard --------------------------------------------------------------------------------------------

    def _hear(self, message: Message, now_ms: int, sendings: list[Sending]) -> set[str]:
        heard = self.topics.heard(message.topic)
        if heard is None:
            sendings += self._enrolment.hear(message, now_ms)
            return set()
        if heard.said is Said.DESIRED:
            sendings += self._put_right(heard.device, message.payload, now_ms)
            return set()
        if heard.said in self._answers:
            sendings += self._answered(heard, message.payload, now_ms)
            return set()
        if not self._collector.take(heard, message.payload, now_ms):
            return set()
        return self._look_at(heard.device, now_ms)

    @property
    def _answers(self) -> Mapping[Said, Callable[[str, bytes, int], list[Sending]]]:
        """What devices ask for, and who answers."""
        return {Said.WANT: self._supplying.hear, Said.RENEW: self._renewals.hear}

    def _answered(self, heard: Heard, payload: bytes, now_ms: int) -> list[Sending]:
        if heard.said is not Said.RENEW and not self._collector.knows(heard.device):
            return []  # who was revoked is told so where it asks for a certificate
        try:
            return self._answers[heard.said](heard.device, payload, now_ms)
        except RuleViolation as error:
            self._collector.refuse(heard, error, now_ms)
            return []

    def _look_at(self, device: str, now_ms: int) -> set[str]:
        touched = {device}
        seen = Seen(device=device, sight=self._collector.sight(device))
        for number, (_, rollout) in tuple(self._rollouts.items()):
            if device in rollout:
                touched |= self._tell(number, seen, now_ms)
        return touched

    def _put_right(self, device: str, payload: bytes, now_ms: int) -> list[Sending]:
        """Lay the right bundle where another lies: an older one that came back with a broker, or a stranger's."""
        lies = self._lies.get(device)
        if lies is None or self._name_of(payload) == lies:
            return []
        self._collector.count("topics_put_right")
        self._desk.inbox.note(
            device, now_ms, "topic put right", "another bundle than the desk's lay in its topic"
        )
        return [self._desired_sending(device, self._paper(lies))]

    def _name_of(self, payload: bytes) -> bytes:
        """The hash of a bundle's bytes, nothing for nothing, and the bytes' own beginning for what is no bundle."""
        if not payload:
            return b""
        try:
            return read_envelope(payload).hash(self.topics.fleet)
        except RuleViolation:
            return payload[:64] + b"?"

    # -- time ------------------------------------------------------------------------------------------------------

    def _listen(self, now_ms: int, *, hears: bool) -> set[str]:
        """Give everybody their time anew when the desk begins to hear."""
        touched: set[str] = set()
        if hears and not self._hears:
            for number in tuple(self._rollouts):
                touched |= self._tell(number, Awake(), now_ms)
        self._hears = hears
        return touched

    def _pass_time(self, now_ms: int, sendings: list[Sending]) -> set[str]:
        touched: set[str] = set()
        if now_ms - self._tick_ms >= TICK_MS:
            self._tick_ms = now_ms
            sendings += self._enrolment.forget(now_ms)
            for number in tuple(self._rollouts) if self._hears else ():
                touched |= self._tell(number, Tick(), now_ms)
        if now_ms - self._forget_ms >= FORGET_MS:
            self._forget_ms = now_ms
            watched = dict(self._desk.rollouts.watched(now_ms - WATCH_MS))
            self._rollouts = {number: found for number, found in self._rollouts.items() if number in watched}
            self._renewals.look_after_own(now_ms)
            self._desk.inbox.forget(self._desk.settings.retention.retention, now_ms)
        return touched

    # -- rollouts --------------------------------------------------------------------------------------------------

    def _tell(self, number: int, event: Event, now_ms: int, who: str = SERVICE) -> set[str]:
        """Tell a rollout, and write what it says; returns the devices whose topics may change."""
        paper, rollout = self._rollouts[number]
        effects = rollout.handle(event, now_ms)
        self._desk.rollouts.write(number, effects, now_ms)
        touched = {effect.place.device for effect in effects if isinstance(effect, Mark)}
        for effect in effects:
            self._tell_people(number, paper, effect, now_ms, who)
        if any(isinstance(effect, Stand) for effect in effects):
            touched |= {place.device for place in rollout.places}
        return touched

    def _tell_people(self, number: int, paper: Paper, effect: Effect, now_ms: int, who: str) -> None:
        version = paper.bundle.version
        if isinstance(effect, Stand):
            what = f"rollout {effect.standing}" if effect.standing is not Standing.RUNNING else "rollout wave"
            detail = {
                "version": version,
                "hash": paper.hash.hex(),
                "wave": effect.wave,
                "reason": effect.reason,
            }
            self._desk.audit.add(now_ms, who, what, detail)
            return
        place = effect.place
        if effect.before is place.outcome:
            return
        reason = f": {place.reason}" if place.reason else ""
        self._desk.inbox.note(place.device, now_ms, f"v{version}", f"{place.outcome}{reason}")
        if place.outcome in FAILED:
            detail = {"version": version, "device": place.device, "reason": place.reason}
            self._desk.audit.add(now_ms, place.device, f"device {place.outcome}", detail)
        elif place.outcome is Outcome.HEALTHY:
            document = self._desk.documents.follow(place.device, paper)
            self._desk.rollouts.write_before(number, place.device, document)

    # -- topics ----------------------------------------------------------------------------------------------------

    def _lay(self, devices: Iterable[str]) -> list[Sending]:
        """Decide what lies in the topics of these devices, write it, and return what to send."""
        changed: list[tuple[str, bytes]] = []
        for name in sorted(devices):
            lies = self._lies.get(name, b"")
            wanted = desired(self._offers(name), lies=lies)
            if wanted != lies:
                self._lies[name] = wanted
                changed.append((name, wanted))
        self._desk.devices.put_desired(changed)
        papers = {name: self._paper(name) for name in {wanted for _, wanted in changed}}
        return [self._desired_sending(device, papers[wanted]) for device, wanted in changed]

    def _offers(self, device: str) -> Iterator[Offer]:
        for paper, rollout in self._rollouts.values():
            if device in rollout:
                yield Offer(paper.bundle.order, paper.hash, rollout.standing, rollout.outcome(device))

    def _paper(self, name: bytes) -> Paper | None:
        for paper, _ in self._rollouts.values():
            if paper.hash == name:
                return paper
        return self._desk.papers.paper(name) if name else None

    def _desired_sending(self, device: str, paper: Paper | None) -> Sending:
        return Sending(self.topics.device(device, Said.DESIRED), paper.raw if paper else b"", retain=True)

    def _key_set_sending(self, version: int, raw: bytes) -> Sending:
        return Sending(self.topics.keys(version), raw, retain=True)
