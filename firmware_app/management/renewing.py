"""The device's certificate is renewed before it ends: beside the files in force lie those that follow them.

| `KEY.next` | `CERTIFICATE.next` | means                                                                     |
|------------|--------------------|---------------------------------------------------------------------------|
| no         | no                 | nothing is under way                                                      |
| yes        | no                 | a key was drawn; a certificate for it is asked for                        |
| yes        | yes                | it was granted; the next connection is tried with it                      |
| no         | yes                | it was used, and the power went away between two names: the second is given |

Only a connection that holds puts the new files in the place of the old ones. Then the operator is told, and revokes
the old certificate. When to ask is another moment for each device, so that ten thousand do not come on one day.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from firmware_app.fleet.renewal import (
    Renewal,
    Step,
    renewed_from_bytes,
    request_hash,
    signed_part,
)
from firmware_app.management.credentials import Credentials, CredentialsError, put
from firmware_app.management.validity import ends_ms
from firmware_app.store.files import Files
from light_client.rules.errors import RuleViolation

ASK_EACH_MS: Final = 600_000
"""From one request to the next on one connection, ms: an operator whose service is down does not hear it."""
MAX_FAILURES: Final = 3
"""Connections in a row that fail with a new certificate, before it is thrown away and asked for anew."""
_DAY_MS: Final = 86_400_000
_NEXT: Final = ".next"


def next_of(path: Path) -> Path:
    """Where the file that follows lies."""
    return path.with_name(path.name + _NEXT)


def forget_next(credentials: Credentials) -> None:
    """Nothing is under way any more: the device has joined anew.

    Raises:
        CredentialsError: a file cannot be taken away.
    """
    try:
        for path in (credentials.certificate, credentials.key):
            next_of(path).unlink(missing_ok=True)
    except OSError as error:
        raise CredentialsError(f"{error.filename} cannot be taken away: {error.strerror}") from None


class Renewing:
    """Of one device in one fleet."""

    def __init__(
        self,
        credentials: Credentials,
        name: str,
        fleet: bytes,
        *,
        before_days: int,
        note: Callable[[str, str], None],
        files: Files | None = None,
    ) -> None:
        """Take up what lies there.

        Args:
            before_days: so long before its end a certificate is renewed at the latest.
            note: told of what happens: a stable name and a sentence.
        """
        self._now = credentials
        self._next = Credentials(
            ca=credentials.ca,
            certificate=next_of(credentials.certificate),
            key=next_of(credentials.key),
        )
        self._name = name
        self._fleet = fleet
        share = int.from_bytes(sha256(name.encode()).digest()[:4]) / (1 << 32)
        self._before_ms = int(before_days * _DAY_MS * (0.5 + share / 2))
        self._note = note
        self._files = files or Files()
        self._asked_ms: int | None = None
        self._request = b""
        self._tries_next = False
        self._failures = 0
        self._is_news = False
        self._ends_ms: int | None = None
        self._finish_swap()

    def context(self) -> ssl.SSLContext:
        """TLS for the next connection: with the new certificate where one was granted.

        Raises:
            CredentialsError: the files cannot be used.
        """
        self._tries_next = self._next.certificate.exists() and self._next.key.exists()
        if self._tries_next:
            try:
                return self._next.context()
            except CredentialsError as error:
                self._note("fleet.refused", f"the new certificate is of no use: {error}")
                self._throw_away()
        return self._now.context()

    def held(self) -> None:
        """The connection holds.

        Raises:
            CredentialsError: the new files cannot be put in place.
        """
        self._failures, self._asked_ms = 0, None
        if not self._tries_next:
            return
        try:
            self._files.replace(self._next.key, self._now.key)
            self._files.sync_folder(self._now.key.parent)
        except OSError as error:
            raise CredentialsError(f"{self._now.key} cannot be replaced: {error.strerror}") from None
        self._finish_swap()
        self._tries_next, self._is_news = False, True
        self._note("fleet.renewed", "the new certificate is in use")

    def failed(self) -> None:
        """It did not come about; the old certificate has its turn when the new one has failed too often."""
        if self._tries_next:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                self._note("fleet.refused", "the broker does not take the new certificate")
                self._throw_away()

    def problem(self, utc_ms: int | None) -> str:
        """Why no broker can take this device, where that is so; empty where it may."""
        ends = self._end()
        if ends is None or utc_ms is None or utc_ms < ends:
            return ""
        return "the device's certificate has ended: gridlight enroll --ticket FILE, with a new ticket"

    def say(self, now_ms: int, utc_ms: int | None) -> bytes | None:
        """What to tell the operator now, if anything.

        Args:
            now_ms: monotonic ms.

        Raises:
            CredentialsError: key or request cannot be made.
        """
        if self._is_news:
            self._is_news = False
            return self._used()
        ends = self._end()
        if ends is None or utc_ms is None or utc_ms < ends - self._before_ms:
            return None
        if self._next.certificate.exists():
            return None
        if self._asked_ms is not None and now_ms - self._asked_ms < ASK_EACH_MS:
            return None
        self._asked_ms = now_ms
        return self._asked()

    def hear(self, raw: bytes) -> bool:
        """Take the operator's answer; returns whether there is a new certificate to connect with."""
        from firmware_app.management import certificate  # noqa: PLC0415 - loads a library that is rarely needed

        try:
            answer = renewed_from_bytes(raw)
            if not self._request or answer.request != request_hash(self._request):
                return False
            if answer.refusal:
                self._note("fleet.refused", f"the operator renews no certificate: {answer.refusal}")
                return False
            ca_pem = self._now.ca.read_bytes()
            certificate.check_certificate(answer.certificate_pem, self._next.key, ca_pem, self._name)
            put(self._next.certificate, answer.certificate_pem, self._files)
        except (RuleViolation, CredentialsError, OSError) as error:
            self._note("fleet.refused", f"a new certificate is refused: {error}")
            return False
        return True

    def _asked(self) -> bytes:
        from firmware_app.management import certificate  # noqa: PLC0415 - as above

        certificate.ensure_key(self._next.key, self._files)
        request = next_of(self._now.certificate.with_suffix(".csr"))
        self._request = certificate.ensure_request(request, self._next.key, self._name, self._files)
        signature = certificate.sign(
            self._now.key, signed_part(Step.REQUEST, self._fleet, self._name, self._request)
        )
        return Renewal(step=Step.REQUEST, content=self._request, signature=signature).encode()

    def _used(self) -> bytes:
        from firmware_app.management import certificate  # noqa: PLC0415 - as above

        fingerprint = certificate.fingerprint(self._now.certificate)
        signature = certificate.sign(
            self._now.key, signed_part(Step.USED, self._fleet, self._name, fingerprint)
        )
        return Renewal(step=Step.USED, content=fingerprint, signature=signature).encode()

    def _end(self) -> int | None:
        """When the certificate in force ends, UTC ms; None where it cannot be read."""
        if self._ends_ms is None:
            with suppress(CredentialsError):
                self._ends_ms = ends_ms(self._now.certificate, self._files)
        return self._ends_ms

    def _finish_swap(self) -> None:
        if self._next.certificate.exists() and not self._next.key.exists():
            with suppress(OSError):  # a disk that cannot be written: tried again at the next start
                self._files.replace(self._next.certificate, self._now.certificate)
                self._files.sync_folder(self._now.certificate.parent)
                next_of(self._now.certificate.with_suffix(".csr")).unlink(missing_ok=True)
            self._ends_ms, self._request = None, b""

    def _throw_away(self) -> None:
        self._tries_next, self._failures, self._asked_ms = False, 0, None
        with suppress(OSError):
            self._next.certificate.unlink(missing_ok=True)
            self._next.key.unlink(missing_ok=True)
