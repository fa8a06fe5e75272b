"""What device and operator say to each other when a certificate is renewed: a request, an answer, and that it is used.

    device    -- `(1, 1, certificate request, signature)` -->            operator, `device/ID/renew`
    operator  -- `(1, 0, certificate, request's hash)`, or `(1, 1, why not, request's hash)` -->  device, `…/renewed`
    device    connects with the new certificate, and then
    device    -- `(1, 2, the certificate's hash, signature)` -->         operator, who revokes the old one

The request is for a key that was drawn for it. It is signed by the key of the certificate in force, the last word by
the new one: so whoever holds the broker can neither ask in a device's name nor make its old certificate worthless.
The answer needs no signature beside the authority's in the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final

from firmware_app.fleet.enrolling import MAX_MESSAGE_BYTES, MAX_PEM_BYTES
from firmware_app.fleet.form import FORM_RULE, form, octets, record, text, whole
from light_client.rules.crypto import HASH_BYTES
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation

SIGNER_RULE: Final = "FLT-26"
_FORMAT: Final = 1
_MAX_SIGNATURE: Final = 80
"""ECDSA over P-256 as DER."""


class Step(IntEnum):
    """What a device says."""

    REQUEST = 1
    USED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """One word of a device.

    Raises:
        RuleViolation: FLT-02.
    """

    step: Step
    content: bytes
    """The certificate request (DER), or the hash of the certificate (DER) that is used from now on."""
    signature: bytes

    def __post_init__(self) -> None:
        octets("content of a renewal", self.content, 1, MAX_MESSAGE_BYTES)
        octets("signature of a renewal", self.signature, 1, _MAX_SIGNATURE)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, int(self.step), self.content, self.signature))


def signed_part(step: Step, fleet: bytes, device: str, content: bytes) -> bytes:
    """What a device's certificate key signs: its word, for this fleet and device."""
    return encode(("gridlight/renew/1", int(step), fleet, device, content))


def renewal_from_bytes(raw: bytes) -> Renewal:
    """Read a device's message.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, step, content, signature = record("renewal", _decoded("renewal", raw), 4)
    whole("format of a renewal", format_, _FORMAT, _FORMAT)
    step = Step(whole("step of a renewal", step, Step.REQUEST, Step.USED))
    return Renewal(step=step, content=content, signature=signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The operator's answer.

    Raises:
        RuleViolation: FLT-02.
    """

    request: bytes
    """Hash of the request that it answers."""
    certificate_pem: bytes = b""
    refusal: str = ""

    def __post_init__(self) -> None:
        octets("hash of a request", self.request, HASH_BYTES, HASH_BYTES)
        if bool(self.certificate_pem) is bool(self.refusal):
            raise form("answer to a renewal", "both or neither", "a certificate or a refusal")
        octets("certificate", self.certificate_pem, 0, MAX_PEM_BYTES)
        if self.refusal:
            text("refusal", self.refusal)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, int(bool(self.refusal)), self.certificate_pem or self.refusal, self.request))


def renewed_from_bytes(raw: bytes) -> Renewed:
    """Read an operator's message.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, outcome, content, request = record("answer to a renewal", _decoded("answer", raw), 4)
    whole("format of an answer", format_, _FORMAT, _FORMAT)
    if whole("outcome", outcome, 0, 1) == 0:
        return Renewed(request=request, certificate_pem=octets("certificate", content, 1, MAX_PEM_BYTES))
    return Renewed(request=request, refusal=text("refusal", content))


def request_hash(csr_der: bytes) -> bytes:
    """What an answer names."""
    return sha256(csr_der).digest()


def _decoded(what: str, raw: bytes) -> Any:
    try:
        return decode(raw, max_bytes=MAX_MESSAGE_BYTES, max_depth=1, max_items=8)
    except RuleViolation as error:
        raise RuleViolation(FORM_RULE, what, got=str(error), expected="canonical bytes") from None
