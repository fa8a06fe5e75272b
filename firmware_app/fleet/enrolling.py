"""How a device gets its certificate: a ticket from the operator, a request by the device, a grant by the operator.

    operator  -- ticket: where the broker is, whom to believe, a one-time token -->  device, by hand, card or stick
    device    makes a key, which never leaves it
    device    -- request `(1, certificate request, mac)` --------------------->      operator, `enrol/ID/request`
    operator  -- grant `(1, 0, certificate, mac)` or `(1, 1, why not, mac)` -->      device, `enrol/ID/grant`

The token never travels: the broker gets a password that was derived from it, the messages carry codes that only
somebody with the token can make. So neither the broker nor whoever reads its password file can enrol a device of
theirs, or give one a certificate of theirs. A ticket may hold the certificate itself instead of a token, where the
device's public key was registered before.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final

from firmware_app.fleet.form import FORM_RULE, MAX_NUMBER, form, octets, record, text, whole
from firmware_app.fleet.key_set import KeySet, key_set_from_bytes
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation

TICKET: Final = "gridlight.ticket/1"
TOKEN_BYTES: Final = 16
MAX_TICKET_BYTES: Final = 64 << 10
MAX_MESSAGE_BYTES: Final = 16 << 10
MAX_PEM_BYTES: Final = 12 << 10
_MAC_BYTES: Final = 32
_PASSWORD_DIGITS: Final = 32
_FORMAT: Final = 1
MAC_RULE: Final = "FLT-21"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a device is given to join a fleet.

    Raises:
        RuleViolation: FLT-02.
    """

    device: str
    broker: str
    port: int
    """For whoever has a certificate."""
    enrol_port: int
    """For whoever has a token; 0 for none."""
    ca_pem: str
    """Certificate of the authority that signs the broker's and the devices' certificates."""
    key_set: KeySet
    """The fleet's keys: what the device judges bundles by from now on."""
    token: bytes = field(default=b"", repr=False)
    """One-time secret, 16 bytes; empty where the certificate is here already."""
    certificate_pem: str = ""
    floor: tuple[int, int] = (0, 0)
    """Order of the newest bundle that the fleet ever saw: a device that lost its memory takes up nothing older."""

    def __post_init__(self) -> None:
        for part in record("floor", self.floor, 2):
            whole("floor", part, 0, MAX_NUMBER)
        text("device", self.device, 59)
        text("broker", self.broker, 253)
        whole("port", self.port, 1, 65_535)
        whole("enrol_port", self.enrol_port, 1 if self.token else 0, 65_535)
        text("ca", self.ca_pem, MAX_PEM_BYTES)
        if bool(self.token) is bool(self.certificate_pem):
            raise form("ticket", "both or neither", "a token or a certificate")
        if self.token:
            _token(self.token)
        else:
            text("certificate", self.certificate_pem, MAX_PEM_BYTES)

    @property
    def fleet(self) -> bytes:
        """Name of the fleet."""
        return self.key_set.fleet_id

    def to_json(self) -> str:
        """The file. It holds a secret: mode 0600, and destroyed after use."""
        document = {
            "schema": TICKET,
            "device": self.device,
            "broker": self.broker,
            "port": self.port,
            "enrol_port": self.enrol_port,
            "ca": self.ca_pem,
            "key_set": self.key_set.encode().hex(),
            "token": self.token.hex(),
            "certificate": self.certificate_pem,
            "floor": list(self.floor),
        }
        return json.dumps(document, indent=1) + "\n"


def ticket_from_json(raw: bytes) -> Ticket:
    """Read a ticket.

    Raises:
        RuleViolation: FLT-02: it is none; what it holds is not shown.
    """
    names = ("device", "broker", "port", "enrol_port", "ca", "key_set", "token", "certificate", "floor")
    wrong = form("ticket", "something else", f"{TICKET} with {', '.join(names)}")
    if len(raw) > MAX_TICKET_BYTES:
        raise wrong
    try:
        wire = json.loads(raw)
    except (ValueError, RecursionError):
        raise wrong from None
    if type(wire) is not dict or wire.keys() != {"schema", *names} or wire["schema"] != TICKET:
        raise wrong
    try:
        token, key_set = bytes.fromhex(wire["token"]), bytes.fromhex(wire["key_set"])
    except (ValueError, TypeError):
        raise wrong from None
    if type(wire["certificate"]) is not str or type(wire["floor"]) is not list:
        raise wrong
    return Ticket(
        device=wire["device"],
        broker=wire["broker"],
        port=wire["port"],
        enrol_port=wire["enrol_port"],
        ca_pem=wire["ca"],
        key_set=key_set_from_bytes(key_set),
        token=token,
        certificate_pem=wire["certificate"],
        floor=tuple(wire["floor"]),
    )


class _Purpose(IntEnum):
    PASSWORD = 0
    REQUEST = 1
    GRANT = 2


def broker_password(token: bytes, fleet: bytes, device: str) -> str:
    """What the device says to the broker, whose user name is the device's, until it has a certificate."""
    return _mac(token, _Purpose.PASSWORD, fleet, device).hex()[:_PASSWORD_DIGITS]


def request_bytes(token: bytes, fleet: bytes, device: str, csr_der: bytes) -> bytes:
    """The request of a device.

    Args:
        csr_der: PKCS #10, common name the device's.
    """
    return encode((_FORMAT, csr_der, _mac(token, _Purpose.REQUEST, fleet, device, csr_der)))


def read_request(raw: bytes, token: bytes, fleet: bytes, device: str) -> bytes:
    """The certificate request (DER) out of a device's message.

    Raises:
        RuleViolation: FLT-02 its form; FLT-21 whoever made it has not the token.
    """
    format_, csr_der, mac = record("request", _decoded("request", raw), 3)
    whole("format of a request", format_, _FORMAT, _FORMAT)
    octets("certificate request", csr_der, 1, MAX_MESSAGE_BYTES)
    _check(mac, _mac(token, _Purpose.REQUEST, fleet, device, csr_der), "request")
    return bytes(csr_der)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The operator's answer: a certificate, or why there is none.

    Raises:
        RuleViolation: FLT-02.
    """

    certificate_pem: bytes = b""
    refusal: str = ""

    def __post_init__(self) -> None:
        if bool(self.certificate_pem) is bool(self.refusal):
            raise form("grant", "both or neither", "a certificate or a refusal")
        octets("certificate", self.certificate_pem, 0, MAX_PEM_BYTES)
        if self.refusal:
            text("refusal", self.refusal)

    def encode(self, token: bytes, fleet: bytes, device: str, csr_der: bytes) -> bytes:
        """The message; it answers this very request, and no other."""
        content = self.certificate_pem or self.refusal
        outcome = 0 if self.certificate_pem else 1
        mac = _mac(token, _Purpose.GRANT, fleet, device, csr_der, outcome, content)
        return encode((_FORMAT, outcome, content, mac))


def read_grant(raw: bytes, token: bytes, fleet: bytes, device: str, csr_der: bytes) -> Grant:
    """The answer to a request.

    Raises:
        RuleViolation: FLT-02 its form; FLT-21 whoever made it has not the token, or answers another request.
    """
    format_, outcome, content, mac = record("grant", _decoded("grant", raw), 4)
    whole("format of a grant", format_, _FORMAT, _FORMAT)
    whole("outcome", outcome, 0, 1)
    if outcome == 0:
        grant = Grant(certificate_pem=octets("certificate", content, 1, MAX_PEM_BYTES))
    else:
        grant = Grant(refusal=text("refusal", content))
    _check(mac, _mac(token, _Purpose.GRANT, fleet, device, csr_der, outcome, content), "grant")
    return grant


def _token(token: bytes) -> bytes:
    if type(token) is not bytes or len(token) != TOKEN_BYTES:
        raise form("token", "another length", f"{TOKEN_BYTES} bytes")
    return token


def _mac(token: bytes, purpose: _Purpose, fleet: bytes, device: str, *parts: Any) -> bytes:
    message = encode(("gridlight/enrol/1", int(purpose), fleet, device, parts))
    return hmac.new(_token(token), message, sha256).digest()


def _check(got: Any, expected: bytes, what: str) -> None:
    octets("code", got, _MAC_BYTES, _MAC_BYTES)
    if not hmac.compare_digest(got, expected):
        raise RuleViolation(MAC_RULE, f"code of a {what}", got="another", expected="made with the token")


def _decoded(what: str, raw: bytes) -> Any:
    try:
        return decode(raw, max_bytes=MAX_MESSAGE_BYTES, max_depth=1, max_items=8)
    except RuleViolation as error:
        raise RuleViolation(FORM_RULE, what, got=str(error), expected="canonical bytes") from None
