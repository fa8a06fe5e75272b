"""Certificates are renewed: of devices, when they ask with the one in force; the broker's and the desk's own besides.

| a device                                     | the desk                                                        |
|----------------------------------------------|-----------------------------------------------------------------|
| asks, signed by the certificate in force     | signs, and keeps both; the same request gets the same again     |
| asks anew with another key                   | signs that one; the certificate that was never used is revoked  |
| says, signed by the new key, that it is used | puts it in the place of the old one, which is revoked           |
| is revoked, or asks too early                | refuses, with a line in the audit                               |
| shows a signature that is not the device's   | notes it: that may be anybody who holds the broker              |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.broker.authority import Authority, Role, ends_ms, fingerprint, is_signed_by
from deploy.broker.folder import SERVER, renew_server, replace_file
from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import DESK_NAME, Desk
from deploy.operator.serving.enrolment import hand_over_revoked
from deploy.operator.serving.wire import Sending
from firmware_app.fleet.renewal import (
    SIGNER_RULE,
    Renewal,
    Renewed,
    Step,
    renewal_from_bytes,
    request_hash,
    signed_part,
)
from firmware_app.fleet.topics import Said, Topics
from light_client.rules.errors import LocalError, RuleViolation

_DAY_MS: Final = 86_400_000


class Renewals:
    """Answers devices; every call is inside the service's transaction."""

    def __init__(self, desk: Desk, topics: Topics, reload: Callable[[], bool]) -> None:
        self._desk: Final = desk
        self._topics: Final = topics
        self._reload: Final = reload

    def hear(self, name: str, payload: bytes, now_ms: int) -> list[Sending]:
        """Deal with one word of a device.

        Raises:
            RuleViolation: FLT-02; FLT-26 it is signed by somebody else.
        """
        renewal, device = renewal_from_bytes(payload), self._desk.devices.find(name)
        if device is None:
            return []
        if renewal.step is Step.USED:
            self._used(device, renewal, now_ms)
            return []
        self._check(device, renewal, device.certificate)
        why = self._policy(device, now_ms)
        if why:
            return [self._refused(name, renewal, why, now_ms)]
        return [self._granted(device, renewal, now_ms)]

    def look_after_own(self, now_ms: int) -> None:
        """Renew the broker's certificate and the desk's own before they end, where their folders are here."""
        if renew_own(self._desk, datetime.fromtimestamp(now_ms / 1_000, UTC)):
            self._desk.audit.add(now_ms, "service", "own certificates renewed", {})
            self._reload()

    def _check(self, device: Device, renewal: Renewal, certificate: bytes | None) -> None:
        message = signed_part(renewal.step, self._topics.fleet, device.name, renewal.content)
        if certificate is None or not is_signed_by(certificate, renewal.signature, message):
            raise RuleViolation(SIGNER_RULE, "signer of a renewal", got="another", expected=device.name)

    def _policy(self, device: Device, now_ms: int) -> str:
        """Why the device gets no certificate; empty if it does."""
        if device.state is not State.ENROLLED or device.certificate is None:
            return f"{device.name} is {device.state.value}"
        left_days = (ends_ms(device.certificate) - now_ms) // _DAY_MS
        most = self._desk.settings.certificates.renew_days
        return f"it is valid for {left_days} days, and renewed {most} days before" if left_days > most else ""

    def _granted(self, device: Device, renewal: Renewal, now_ms: int) -> Sending:
        name, key = device.name, request_hash(renewal.content)
        if device.next_certificate is not None and device.next_request == key:
            return self._answer(name, Renewed(request=key, certificate_pem=device.next_certificate))
        now = datetime.fromtimestamp(now_ms / 1_000, UTC)
        try:
            authority = Authority.load(self._desk.authority_folder)
            days = self._desk.settings.certificates.days
            certificate = authority.grant(renewal.content, name, now, days)
        except LocalError as error:
            return self._refused(name, renewal, str(error), now_ms)
        if device.next_certificate is not None:
            self._revoke(authority, device.next_certificate, now)
        self._desk.devices.change(name, now_ms, next_certificate=certificate, next_request=key)
        self._desk.audit.add(now_ms, name, "certificate renewed", {"device": name, "request": key.hex()})
        self._desk.inbox.note(name, now_ms, "certificate", f"renewed for {days} days; not in use yet")
        return self._answer(name, Renewed(request=key, certificate_pem=certificate))

    def _used(self, device: Device, renewal: Renewal, now_ms: int) -> None:
        """The new certificate takes the place of the old one."""
        fresh = device.next_certificate
        if fresh is None or fingerprint(fresh) != renewal.content:
            return
        self._check(device, renewal, fresh)
        old = device.certificate
        self._desk.devices.change(
            device.name,
            now_ms,
            certificate=fresh,
            certificate_until_ms=ends_ms(fresh),
            next_certificate=None,
            next_request=None,
        )
        if old is not None:
            now = datetime.fromtimestamp(now_ms / 1_000, UTC)
            self._revoke(Authority.load(self._desk.authority_folder), old, now)
        self._desk.audit.add(now_ms, device.name, "certificate in use", {"device": device.name})
        self._desk.inbox.note(
            device.name, now_ms, "certificate", "the new one is in use, the old one revoked"
        )

    def _revoke(self, authority: Authority, certificate: bytes, now: datetime) -> None:
        authority.revoke((certificate,), now)
        hand_over_revoked(self._desk, authority)
        self._reload()

    def _refused(self, name: str, renewal: Renewal, why: str, now_ms: int) -> Sending:
        self._desk.audit.add(now_ms, name, "renewal refused", {"device": name, "reason": why})
        return self._answer(name, Renewed(request=request_hash(renewal.content), refusal=why[:255]))

    def _answer(self, name: str, answer: Renewed) -> Sending:
        return Sending(self._topics.device(name, Said.RENEWED), answer.encode(), retain=False)


def renew_own(desk: Desk, now: datetime) -> bool:
    """Renew what ends soon of the broker's and the desk's own; returns whether anything was.

    A desk whose authority lies elsewhere can do nothing here: `gridlight-fleet status` says how long there is.
    """
    before = timedelta(days=desk.settings.certificates.renew_days)
    try:
        authority = Authority.load(desk.authority_folder)
    except LocalError:
        return False
    is_renewed = (desk.broker_folder / SERVER).exists() and renew_server(
        desk.broker_folder, authority, now, before
    )
    own = desk.authority_folder / f"{Role.OPERATOR}{DESK_NAME}.crt"
    if own.exists() and ends_ms(own.read_bytes()) <= (now + before).timestamp() * 1_000:
        credential = authority.client(DESK_NAME, Role.OPERATOR, now)
        replace_file(own.with_suffix(".key"), credential.key)
        replace_file(own, credential.certificate)
        is_renewed = True
    return is_renewed
