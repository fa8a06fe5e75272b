"""A device joins a fleet by a ticket: over a real broker with a token, or with a certificate that came by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_app.cli import main
from firmware_app.fleet.enrolling import Grant, Ticket, broker_password, read_request
from firmware_app.fleet.memory import Configuration
from firmware_app.management import joining
from firmware_app.management.credentials import CredentialsError
from firmware_app.management.in_force import check_in_force, memory_file
from firmware_app.management.joining import JoiningError, PendingError, join, place_of, prepare
from tests.firmware_app.config.kit import write_device
from tests.firmware_app.fleet.world import FLEET, KEY_SET, next_key_set
from tests.firmware_app.management import kit

TOKEN = bytes(range(16))


def _ticket(authority: kit.Authority, **fields: Any) -> Ticket:
    given: dict[str, Any] = {
        "device": kit.NAME,
        "broker": "127.0.0.1",
        "port": 8_883,
        "enrol_port": 8_884,
        "ca_pem": authority.pem.decode(),
        "key_set": KEY_SET,
        "token": TOKEN,
        "floor": (1, 7),
    }
    return Ticket(**(given | fields))


@contextmanager
def _desk(broker: kit.Broker, answer: Any) -> Iterator[list[bytes]]:
    """An operator who answers each request; yields the requests."""
    operator, over, asked = kit.Operator(broker), threading.Event(), []

    def work() -> None:
        while not over.is_set():
            try:
                raw = operator.until(kit.TOPICS.enrol(kit.NAME, "request"))
            except TimeoutError:
                return
            asked.append(raw)
            for payload in answer(raw):
                operator.say(kit.TOPICS.enrol(kit.NAME, "grant"), payload, retain=True)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        operator.heard.put((kit.TOPICS.enrol(kit.NAME, "request"), b"the end"))
        thread.join(10)
        operator.close()


@pytest.mark.system
def test_a_token_becomes_a_certificate_and_forged_grants_are_passed_over(tmp_path: Path) -> None:
    place = place_of(write_device(tmp_path))
    with kit.broker(tmp_path / "broker", broker_password(TOKEN, FLEET, kit.NAME)) as broker:
        ticket = _ticket(broker.authority, port=broker.port, enrol_port=broker.enrol_port)
        thief = kit.Authority("thief")

        def answer(raw: bytes) -> list[bytes]:
            if raw == b"the end":
                return []
            csr = read_request(raw, TOKEN, FLEET, kit.NAME)
            return [
                b"",
                b"garbage",
                Grant(certificate_pem=thief.grant(csr)).encode(bytes(16), FLEET, kit.NAME, csr),
                Grant(certificate_pem=broker.authority.grant(csr)).encode(TOKEN, FLEET, kit.NAME, csr),
            ]

        with _desk(broker, answer) as asked:
            assert not join(place, ticket, timeout_s=kit.PATIENCE_S)
            assert asked
        config = check_in_force(place.path).config
        assert (config.fleet.broker, config.fleet.port) == ("127.0.0.1", broker.port)
        memory = memory_file(place.folder).load()
        assert memory is not None
        assert (memory.floor, memory.key_set) == ((1, 7), KEY_SET)
        place.credentials.context()

        # what is retained answers the same request again: a device that lost power before it wrote goes on
        place.credentials.certificate.unlink()
        assert join(place, ticket, timeout_s=kit.PATIENCE_S)
        assert place.credentials.are_there


@pytest.mark.system
def test_a_refusal_ends_it_and_silence_is_undecided(tmp_path: Path) -> None:
    place = place_of(write_device(tmp_path))
    with kit.broker(tmp_path / "broker", broker_password(TOKEN, FLEET, kit.NAME)) as broker:
        ticket = _ticket(broker.authority, port=broker.port, enrol_port=broker.enrol_port)
        with pytest.raises(PendingError, match="no grant within"):
            join(place, ticket, timeout_s=1.0)

        def refuse(raw: bytes) -> list[bytes]:
            if raw == b"the end":
                return []
            csr = read_request(raw, TOKEN, FLEET, kit.NAME)
            return [Grant(refusal="revoked").encode(TOKEN, FLEET, kit.NAME, csr)]

        with _desk(broker, refuse), pytest.raises(JoiningError, match="refuses: revoked"):
            join(place, ticket, timeout_s=kit.PATIENCE_S)
        with pytest.raises(PendingError, match=r"refuses|authori") as refused:
            join(place, replace(ticket, token=bytes(16)), timeout_s=kit.PATIENCE_S)
        assert bytes(16).hex() not in str(refused.value)
    assert memory_file(place.folder).load() is None
    with pytest.raises(PendingError, match="refused"):
        join(place, ticket, timeout_s=5.0)


def _by_hand(place: joining.Place, authority: kit.Authority, **fields: Any) -> Ticket:
    _, csr = prepare(place)
    return _ticket(authority, token=b"", certificate_pem=authority.grant(csr).decode(), **fields)


def test_a_registered_key_needs_no_broker(tmp_path: Path) -> None:
    place, authority = place_of(write_device(tmp_path)), kit.Authority()
    file, csr = prepare(place)
    assert (file.read_bytes(), prepare(place)) == (csr, (file, csr)), "the request stays"
    assert place.credentials.key.stat().st_mode & 0o077 == 0
    assert not join(place, _by_hand(place, authority), timeout_s=1.0)
    place.credentials.context()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("authority", "another authority"),
        ("key", "another key"),
        ("name", "certificate is for"),
        ("pem", "no cert"),
    ],
)
def test_a_certificate_that_is_not_this_device_s_is_refused(
    tmp_path: Path, wrong: str, sentence: str
) -> None:
    place, authority = place_of(write_device(tmp_path)), kit.Authority()
    ticket = _by_hand(place, authority)
    if wrong == "authority":
        ticket = replace(ticket, ca_pem=kit.Authority().pem.decode())
    elif wrong == "pem":
        ticket = replace(ticket, certificate_pem="-----BEGIN CERTIFICATE-----\n")
    else:
        name = kit.NAME if wrong == "key" else "meter-0102"
        certificate, _ = authority.issue(tmp_path / "other", "x", name)
        ticket = replace(ticket, certificate_pem=certificate.read_text(encoding="ascii"))
    with pytest.raises(CredentialsError, match=sentence):
        join(place, ticket, timeout_s=1.0)
    assert memory_file(place.folder).load() is None


def test_a_ticket_for_another_device_or_fleet_is_refused(tmp_path: Path) -> None:
    place, authority = place_of(write_device(tmp_path)), kit.Authority()
    with pytest.raises(JoiningError, match="the ticket is for meter-0102"):
        join(place, _ticket(authority, device="meter-0102"), timeout_s=1.0)
    join(place, _by_hand(place, authority), timeout_s=1.0)
    other = replace(KEY_SET, roles=KEY_SET.roles[::-1])
    with pytest.raises(JoiningError, match="is in the fleet"):
        join(place, _by_hand(place, authority, key_set=other), timeout_s=1.0)


def test_joining_anew_never_lowers_the_floor_nor_brings_back_old_keys(tmp_path: Path) -> None:
    place, authority = place_of(write_device(tmp_path)), kit.Authority()
    newer, _ = next_key_set()
    join(place, _by_hand(place, authority, key_set=newer, floor=(2, 9)), timeout_s=1.0)
    file = memory_file(place.folder)
    kept = file.load()
    assert kept is not None
    proven = Configuration(order=(2, 9), hash=bytes(32), document=kept.current.document)
    file.save(replace(kept, current=proven))
    assert join(place, _by_hand(place, authority, key_set=KEY_SET, floor=(1, 3)), timeout_s=1.0)
    again = file.load()
    assert again is not None
    assert (again.floor, again.key_set.version, again.current) == ((2, 9), 2, proven)


def test_a_device_that_lost_its_memory_takes_the_floor_from_the_ticket(tmp_path: Path) -> None:
    place, authority = place_of(write_device(tmp_path)), kit.Authority()
    join(place, _by_hand(place, authority), timeout_s=1.0)
    for name in ("memory", "memory.previous"):
        (place.folder / "fleet" / name).write_bytes(b"\0" * 99)
    assert not join(place, _by_hand(place, authority, floor=(1, 40)), timeout_s=1.0)
    memory = memory_file(place.folder).load()
    assert memory is not None
    assert memory.floor == (1, 40)


# -- as it is typed ----------------------------------------------------------------------------------------------------


def _typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_request_ticket_and_show_as_they_are_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, authority = write_device(tmp_path), kit.Authority()
    gone = ("--config", str(path), "--socket", str(tmp_path / "no.sock"))
    code, _, err = _typed(capsys, "fleet", "show", *gone)
    assert (code, "in no fleet" in err, "enroll --ticket" in err) == (1, True, True)
    code, out, err = _typed(capsys, "enroll", str(path), "--request", "--json")
    request = Path(json.loads(out)["request"])
    assert (code, request.name) == (0, "device.csr")
    assert (tmp_path / "data" / "identity.key").exists(), "the market's keys are made too"
    pem = authority.grant(request.read_bytes()).decode()
    ticket = tmp_path / "ticket.json"
    ticket.write_text(_ticket(authority, token=b"", certificate_pem=pem).to_json(), encoding="utf-8")
    code, out, _ = _typed(capsys, "enroll", str(path), "--ticket", str(ticket), "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "joined")
    code, out, _ = _typed(capsys, "fleet", "show", *gone)
    assert code == 0
    assert "what the device was provisioned with" in out
    ticket.write_text("{}", encoding="utf-8")
    code, _, err = _typed(capsys, "enroll", str(path), "--ticket", str(ticket))
    assert (code, "FLT-02" in err) == (2, True)
    code, _, err = _typed(capsys, "enroll", str(path), "--ticket", str(tmp_path / "none"))
    assert (code, "cannot be read" in err) == (2, True)


def test_a_bundle_is_left_for_a_service_that_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.firmware_app.fleet.world import bundle, signed

    path = kit.enrolled(tmp_path)
    gone = ("--config", str(path), "--socket", str(tmp_path / "no.sock"))
    file = tmp_path / "v1.bundle"
    file.write_bytes(signed(bundle(1)))
    code, out, err = _typed(capsys, "fleet", "apply", str(file), *gone, "--json")
    assert (code, json.loads(out)["outcome"]) == (3, "left")
    assert len(list((tmp_path / "data" / "fleet" / "inbox").iterdir())) == 1
    file.write_bytes(b"no bundle")
    code, _, err = _typed(capsys, "fleet", "apply", str(file), *gone)
    assert (code, "FLT-02" in err) == (1, True)
    code, _, err = _typed(capsys, "fleet", "apply", *gone)
    assert (code, "needs a BUNDLE" in err) == (2, True)
    code, _, err = _typed(capsys, "fleet", "show", "x", *gone)
    assert (code, "takes no BUNDLE" in err) == (2, True)
