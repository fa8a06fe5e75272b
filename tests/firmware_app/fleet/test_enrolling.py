"""Enrolment messages: whoever has the token is believed, nobody else, and each answer belongs to one request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.fleet.enrolling import (
    Grant,
    Ticket,
    broker_password,
    read_grant,
    read_request,
    request_bytes,
    ticket_from_json,
)
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from tests.firmware_app.fleet.world import KEY_SET

TOKEN = bytes(range(16))
FLEET = KEY_SET.fleet_id
TICKET = Ticket(
    device="home-1",
    broker="broker.example",
    port=8883,
    enrol_port=8884,
    ca_pem="-----BEGIN",
    key_set=KEY_SET,
    token=TOKEN,
    floor=(1, 12),
)


def test_request_and_grant_come_back() -> None:
    assert read_request(request_bytes(TOKEN, FLEET, "home-1", b"csr"), TOKEN, FLEET, "home-1") == b"csr"
    for grant in (Grant(certificate_pem=b"pem"), Grant(refusal="revoked")):
        raw = grant.encode(TOKEN, FLEET, "home-1", b"csr")
        assert read_grant(raw, TOKEN, FLEET, "home-1", b"csr") == grant


@pytest.mark.parametrize(
    ("token", "fleet", "device"),
    [(bytes(16), FLEET, "home-1"), (TOKEN, bytes(32), "home-1"), (TOKEN, FLEET, "home-2")],
)
def test_another_token_fleet_or_device_is_refused(token: bytes, fleet: bytes, device: str) -> None:
    with pytest.raises(RuleViolation, match="FLT-21"):
        read_request(request_bytes(token, fleet, device, b"csr"), TOKEN, FLEET, "home-1")
    with pytest.raises(RuleViolation, match="FLT-21"):
        read_grant(Grant(refusal="no").encode(token, fleet, device, b"csr"), TOKEN, FLEET, "home-1", b"csr")


def test_a_grant_answers_one_request_only() -> None:
    raw = Grant(certificate_pem=b"pem").encode(TOKEN, FLEET, "home-1", b"an earlier one")
    with pytest.raises(RuleViolation, match="FLT-21"):
        read_grant(raw, TOKEN, FLEET, "home-1", b"csr")


def test_a_request_is_no_grant() -> None:
    wire: Any = decode(request_bytes(TOKEN, FLEET, "home-1", b"csr"), max_bytes=1 << 10)
    with pytest.raises(RuleViolation, match="FLT-21"):
        read_grant(encode((1, 0, b"csr", wire[2])), TOKEN, FLEET, "home-1", b"csr")


@given(st.binary(max_size=120))
def test_whatever_comes_is_refused(raw: bytes) -> None:
    with pytest.raises(RuleViolation, match="FLT-02"):
        read_request(raw, TOKEN, FLEET, "home-1")
    with pytest.raises(RuleViolation, match="FLT-02"):
        read_grant(raw, TOKEN, FLEET, "home-1", b"csr")


def test_no_bit_of_a_grant_can_be_changed() -> None:
    raw = Grant(certificate_pem=b"pem").encode(TOKEN, FLEET, "home-1", b"csr")
    for place in range(8 * len(raw)):
        forged = bytearray(raw)
        forged[place // 8] ^= 1 << place % 8
        with pytest.raises(RuleViolation):
            read_grant(bytes(forged), TOKEN, FLEET, "home-1", b"csr")


def test_the_password_tells_nothing_of_the_token_and_differs_by_device() -> None:
    password = broker_password(TOKEN, FLEET, "home-1")
    assert len(password) == 32
    assert TOKEN.hex() not in password
    assert password != broker_password(TOKEN, FLEET, "home-2")


def test_a_ticket_comes_back_and_shows_no_secret() -> None:
    assert ticket_from_json(TICKET.to_json().encode()) == TICKET
    assert str(TOKEN) not in repr(TICKET)
    assert TOKEN.hex() not in repr(TICKET)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "gridlight.ticket/2"},
        {"token": "zz"},
        {"token": "00"},
        {"token": ""},
        {"token": 7},
        {"certificate": "pem"},
        {"certificate": None},
        {"port": 0},
        {"port": "8883"},
        {"enrol_port": 0},
        {"floor": 7},
        {"floor": [1]},
        {"floor": [1, -1]},
        {"broker": ""},
        {"key_set": "00"},
        {"more": 1},
    ],
)
def test_a_ticket_of_another_form_is_refused_without_showing_it(change: dict[str, object]) -> None:
    raw = json.dumps({**json.loads(TICKET.to_json()), **change}).encode()
    with pytest.raises(RuleViolation, match="FLT-02") as refused:
        ticket_from_json(raw)
    assert TOKEN.hex() not in str(refused.value)


def test_what_is_no_json_is_no_ticket() -> None:
    for raw in (b"", b"[]", b"[" * 10_000, b"\xff", TICKET.to_json().encode() + b" " * (64 << 10) + b"x"):
        with pytest.raises(RuleViolation, match="FLT-02"):
            ticket_from_json(raw)
