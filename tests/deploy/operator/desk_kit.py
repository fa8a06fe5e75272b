"""A desk with a fleet before it: a broker in memory, and meters whose agents are the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import make_desk, open_desk
from deploy.operator.desk.papers import Paper
from deploy.operator.desk.rollouts import Summary
from deploy.operator.pushing import begin, checked_paper
from deploy.operator.rollout.engine import Step
from deploy.operator.rollout.outcomes import Outcome
from deploy.operator.serving.service import Service
from deploy.operator.serving.wire import Message, Sending
from firmware_app.fleet.agent import Agent
from firmware_app.fleet.bundle import Content
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.key_set import KeySet
from firmware_app.fleet.letters import Letter
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.plan import RolloutPlan, Wave
from firmware_app.fleet.selector import DeviceFacts, Everyone
from firmware_app.fleet.telemetry import HealthReport, Presence
from firmware_app.fleet.topics import Said, Topics
from light_client.rules.crypto import verify
from tests.firmware_app.fleet.world import (
    ANNA,
    FLEET,
    KEY_SET,
    NOW_MS,
    ORDINARY,
    Driver,
    bundle,
    example,
)

TOPICS: Final = Topics(FLEET)
STEP_MS: Final = 1_000
WAVES: Final = (Wave(devices=1), Wave(permille=250), Wave(permille=1_000))
PLAN: Final = RolloutPlan(waves=WAVES, abort_permille=100, window_ms=30_000, hold_ms=3_000)


class Meter:
    """One device: the real agent, and the part that speaks to the broker, both without I/O."""

    def __init__(
        self, name: str, *, feeder: int = 7, key_set: KeySet = KEY_SET, now_ms: int = NOW_MS
    ) -> None:
        document = example()
        document["device"]["name"] = name
        facts = DeviceFacts(name=name, board="beaglebone-black", release=(0, 1, 0), feeder=feeder)
        kept = Memory(key_set=key_set, current=Configuration(document=document))
        agent = Agent(kept, facts, verify_signature=verify)
        self.name = name
        self.topics = Topics(key_set.fleet_id)
        self.driver = Driver(kept, agent=agent, now_ms=now_ms)
        self.online = True
        self.problem_with: int | None = None
        """Lot size with which it is not well."""
        self.born = False

    def hear(self, payload: bytes) -> None:
        """What lies in its topic."""
        if payload:
            self.driver.offer(payload)

    def live(self) -> list[Message]:
        """A second passes; what it says."""
        lot = self.driver.running["privacy"]["lot_wh"]
        self.driver.live(1, "the meter does not answer" if lot == self.problem_with else "")
        said = [self._said(Said.REPORTED, json.dumps(self.driver.state).encode())]
        if not self.born:
            self.born = True
            said.insert(0, self.presence(online=True))
        return said

    def presence(self, *, online: bool) -> Message:
        """Birth, or the will that the broker speaks."""
        presence = Presence(online=online, since_ms=NOW_MS, firmware="0.1.0", board="beaglebone-black")
        return self._said(Said.PRESENCE, presence.encode())

    def health(self, **fields: Any) -> Message:
        """How it is."""
        return self._said(Said.HEALTH, HealthReport(**{"at_ms": NOW_MS, "problem": "", **fields}).encode())

    def letter(self, kind: str, letter: Letter) -> Message:
        """Out of its outbox."""
        return Message(self.topics.device(self.name, Said.LETTER, kind), letter.encode())

    def _said(self, said: Said, payload: bytes) -> Message:
        return Message(self.topics.device(self.name, said), payload)


class World:
    """Desk, broker and meters on one clock; a second at a time."""

    def __init__(self, folder: Path, meters: int = 3, now_ms: int = NOW_MS) -> None:
        self.folder = folder
        make_desk(folder, host="localhost", port=8883, enrol_port=8884)
        self.now_ms = now_ms
        self.desk = open_desk(folder)
        self.clerk = open_desk(folder)  # the commands are another process
        self.meters = {
            meter.name: meter
            for meter in (Meter(f"meter-{n:04}", now_ms=now_ms) for n in range(1, meters + 1))
        }
        with self.desk.database.transaction():
            envelope = Envelope(kind=Kind.KEY_SET, body=KEY_SET.encode(), signatures=())
            self.desk.papers.add_key_set(1, envelope, now_ms)
            for name, meter in self.meters.items():
                self.desk.devices.add(
                    Device(name=name, state=State.ENROLLED, feeder=7, firmware="0.1.0"), now_ms
                )
                self.desk.documents.keep(name, meter.driver.running)
        self.retained: dict[str, bytes] = {}
        self.sent: list[Sending] = []
        self.service = Service(self.desk)
        self._lay(self.service.turn((), self.now_ms))

    def restart(self, absent_ms: int = 0) -> None:
        """The operator's machine restarts: nothing is left but the folder."""
        self.desk.close()
        self.now_ms += absent_ms
        self.desk = open_desk(self.folder)
        self.service = Service(self.desk)
        self._lay(self.service.turn((), self.now_ms))
        self._lay(self.service.greeting())

    def hear(self, messages: Sequence[Message]) -> list[Sending]:
        """Let the desk hear something."""
        sendings = self.service.turn(messages, self.now_ms)
        self._lay(sendings)
        return sendings

    def live(self, seconds: int = 1) -> None:
        """So many seconds."""
        for _ in range(seconds):
            self.now_ms += STEP_MS
            said = [message for meter in self.meters.values() if meter.online for message in meter.live()]
            self.hear(said)

    def leave(self, name: str) -> None:
        """A connection breaks."""
        meter = self.meters[name]
        meter.online = False
        self.hear([meter.presence(online=False)])

    def come_back(self, name: str) -> None:
        """A meter connects again: the broker hands it what lies in its topics."""
        meter = self.meters[name]
        meter.online, meter.born = True, False
        meter.hear(self.retained.get(TOPICS.device(name, Said.DESIRED), b""))

    @property
    def time(self) -> datetime:
        """Now."""
        return datetime.fromtimestamp(self.now_ms / 1_000, UTC)

    def request(self, name: str) -> bytes:
        """A certificate request (DER) for a key that is drawn for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.DER)

    def ask_to_join(self, name: str, raw: bytes) -> list[Sending]:
        """A device with a token asks; what the desk answers."""
        return self.hear([Message(self.service.topics.enrol(name, "request"), raw)])

    def _lay(self, sendings: Iterable[Sending]) -> None:
        for sending in sendings:
            self.sent.append(sending)
            if sending.retain:
                self.retained[sending.topic] = sending.payload
            heard = TOPICS.heard(sending.topic)
            meter = self.meters.get(heard.device) if heard and heard.said is Said.DESIRED else None
            if meter and meter.online:
                meter.hear(sending.payload)

    # -- the operator ----------------------------------------------------------------------------------------------

    def paper(self, version: int = 1, content: Content = ORDINARY, **fields: Any) -> Paper:
        """A signed bundle."""
        given = {"plan": PLAN, "target": Everyone(), **fields}
        made = bundle(version, content, **given)
        return checked_paper(self.clerk, made.envelope().signed(FLEET, (ANNA,)))

    def push(self, version: int = 1, content: Content = ORDINARY, **fields: Any) -> int:
        """Push a bundle; returns the rollout's number."""
        paper = self.paper(version, content, **fields)
        devices = self.clerk.devices.selected(paper.bundle.target)
        return begin(self.clerk, paper, devices, who="anna", now_ms=self.now_ms)

    def ask(self, version: int, step: Step, who: str = "anna", why: str = "") -> None:
        """Leave a wish for the service."""
        with self.clerk.database.transaction():
            self.clerk.rollouts.ask(self.summary(version).id, step, who, why)

    def summary(self, version: int = 1) -> Summary:
        """How a rollout stands."""
        return self.desk.rollouts.of_version(version)

    def outcome(self, name: str, version: int = 1) -> Outcome:
        """What became of a meter."""
        return {v: place.outcome for v, place in reversed(self.desk.rollouts.of_device(name))}[version]

    def versions(self) -> list[int]:
        """What each meter runs by."""
        return [meter.driver.agent.memory.current.order[1] for meter in self.meters.values()]
