"""Certificate requests of devices that have a one-time token, and the answers.

A token serves one key: the same request is answered again, as often as it comes, and another one is refused. It is
forgotten when the device has come with its certificate, or when its time is over; the broker is told then too.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from deploy.broker.authority import Authority
from deploy.broker.folder import write_revoked, write_tokens
from deploy.operator.desk.devices import NAME, State
from deploy.operator.desk.folder import Desk
from deploy.operator.serving.wire import Message, Sending
from firmware_app.fleet.enrolling import Grant, broker_password, read_request
from firmware_app.fleet.topics import Topics
from light_client.rules.errors import LocalError, RuleViolation

_RELOAD_S: Final = 30


class Enrolment:
    """Answers requests; every call is inside the service's transaction."""

    def __init__(self, desk: Desk, topics: Topics, reload: Callable[[], bool]) -> None:
        self._desk: Final = desk
        self._topics: Final = topics
        self._reload: Final = reload
        self._waited: frozenset[str] = frozenset()
        self._revoked: frozenset[str] = frozenset()

    def refresh(self, now_ms: int) -> None:
        """Let the broker know whose tokens are waited for and who was revoked, where commands changed that."""
        waited = frozenset(self._desk.devices.expected(now_ms))
        revoked = frozenset(
            device.name for device in self._desk.devices.all() if device.state is State.REVOKED
        )
        if (waited, revoked) != (self._waited, self._revoked):
            self._waited, self._revoked = waited, revoked
            write_expected(self._desk, now_ms)
            self._reload()

    def hear(self, message: Message, now_ms: int) -> list[Sending]:
        """Answer one request; nothing for what is none, or comes without a token."""
        name = self._name(message.topic)
        if name is None:
            return []
        token, granted = self._desk.devices.expected(now_ms).get(name, (b"", b""))
        if not token:
            return []
        fleet = self._topics.fleet
        try:
            request = read_request(message.payload, token, fleet, name)
        except RuleViolation as error:
            self._desk.inbox.note(name, now_ms, "enrolment refused", str(error))
            return []
        grant = self._granted(name, request, granted, now_ms)
        topic = self._topics.enrol(name, "grant")
        return [Sending(topic, grant.encode(token, fleet, name, request), retain=True)]

    def _name(self, topic: str) -> str | None:
        start, end = f"{self._topics.root}/enrol/", "/request"
        name = topic.removeprefix(start).removesuffix(end)
        return name if topic == f"{start}{name}{end}" and NAME.fullmatch(name) else None

    def _granted(self, name: str, request: bytes, granted: bytes, now_ms: int) -> Grant:
        key = hashlib.sha256(request).digest()
        device = self._desk.devices.named(name)
        if granted == key and device.certificate:
            return Grant(certificate_pem=device.certificate)
        if granted:
            return self._refused(name, "the token was used for another key", now_ms)
        try:
            authority = Authority.load(self._desk.authority_folder)
            days = self._desk.settings.certificates.days
            certificate = authority.grant(request, name, datetime.fromtimestamp(now_ms / 1_000, UTC), days)
        except LocalError as error:
            return self._refused(name, str(error), now_ms)
        self._desk.devices.enrol(name, certificate, key, now_ms)
        self._desk.audit.add(now_ms, name, "enrolled", {"device": name, "request": key.hex()})
        self._desk.inbox.note(
            name, now_ms, "enrolled", f"certificate for the key of request {key.hex()[:16]}"
        )
        return Grant(certificate_pem=certificate)

    def _refused(self, name: str, why: str, now_ms: int) -> Grant:
        self._desk.audit.add(now_ms, name, "enrolment refused", {"device": name, "reason": why})
        return Grant(refusal=why[:255])

    def forget(self, now_ms: int) -> list[Sending]:
        """Forget tokens that have served their purpose, and take their grants out of the broker."""
        names = self._desk.devices.spend_tokens(now_ms)
        if names:
            self._waited -= set(names)
            write_expected(self._desk, now_ms)
            self._reload()
        return [Sending(self._topics.enrol(name, "grant"), b"", retain=True) for name in names]


def write_expected(desk: Desk, now_ms: int) -> None:
    """Write the tokens that are waited for into the broker's folder, where it is on this machine."""
    if not desk.broker_folder.is_dir():
        return
    fleet = desk.papers.key_set().fleet_id
    waited = desk.devices.expected(now_ms)
    write_tokens(
        desk.broker_folder, {name: broker_password(token, fleet, name) for name, (token, _) in waited.items()}
    )


def hand_over_revoked(desk: Desk, authority: Authority) -> bool:
    """Write whom the broker shuts out into its folder, where it is on this machine; returns whether it is."""
    if not desk.broker_folder.is_dir():
        return False
    revoked = [device.name for device in desk.devices.all() if device.state is State.REVOKED]
    write_revoked(desk.broker_folder, authority, revoked)
    return True


def reload_broker(desk: Desk) -> bool:
    """Let the broker read its files again, where the settings say how; returns whether it did."""
    words = desk.settings.broker.reload
    if not words:
        return False
    try:
        done = subprocess.run(words, check=False, capture_output=True, timeout=_RELOAD_S)  # noqa: S603 - the operator's
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
