"""Who may say and hear what, asked of a real mosquitto that runs by the generated configuration."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.broker.authority import Authority, Role
from deploy.broker.folder import replace_file, write_revoked, write_tokens
from deploy.broker.settings import MAX_PACKET_BYTES
from firmware_app.fleet.topics import FROM_DEVICE, TO_DEVICE, Said, Topics
from testbed.rollout.broker import Broker
from tests.deploy.broker.conftest import FLEET, Connect
from tests.deploy.broker.talker import Talker

pytestmark = pytest.mark.system

TOPICS = Topics(FLEET)
A, B = "meter-a", "meter-b"
NEW, OTHER = "token-of-new", "token-of-a"


def topic_of(name: str, said: Said) -> str:
    """One of a device's topics."""
    return TOPICS.device(name, said, "evidence" if said is Said.LETTER else "")


@pytest.mark.parametrize("said", [*FROM_DEVICE, Said.LETTER])
def test_what_a_device_says_reaches_the_operator(connect: Connect, said: Said) -> None:
    desk, device = connect("desk", Role.OPERATOR), connect(A)
    assert desk.subscribe(f"{TOPICS.root}/#") == "Granted QoS 1"
    assert device.publish(topic_of(A, said), b"word") == "Success"
    assert desk.hears(topic_of(A, said)) == b"word"


@pytest.mark.parametrize("said", TO_DEVICE)
def test_what_the_operator_says_reaches_the_device_that_it_is_for(connect: Connect, said: Said) -> None:
    desk, device, other = connect("desk", Role.OPERATOR), connect(A), connect(B)
    assert device.subscribe(topic_of(A, said)) == "Granted QoS 1"
    other.subscribe(topic_of(A, said))
    other.subscribe(f"{TOPICS.root}/#")
    assert desk.publish(topic_of(A, said), b"order") == "Success"
    assert device.hears(topic_of(A, said)) == b"order"
    other.turn(lambda: bool(other.heard), 0.3)
    assert other.heard == [], "another's order must not reach it, whatever it asked for"


@pytest.mark.parametrize("said", list(Said))
def test_a_device_cannot_speak_for_another(connect: Connect, said: Said) -> None:
    desk, device = connect("desk", Role.OPERATOR), connect(A)
    desk.subscribe(f"{TOPICS.root}/#")
    assert device.publish(topic_of(B, said), b"forged") == "Not authorized"
    assert device.publish(topic_of(A, Said.HEALTH), b"last") == "Success"
    desk.hears(topic_of(A, Said.HEALTH))
    assert b"forged" not in [payload for _, payload in desk.heard]


@pytest.mark.parametrize("said", TO_DEVICE)
def test_a_device_gives_itself_no_orders(connect: Connect, said: Said) -> None:
    assert connect(A).publish(topic_of(A, said), b"mine") == "Not authorized"


def test_key_sets_are_heard_by_all_and_said_by_the_operator(connect: Connect) -> None:
    desk, device = connect("desk", Role.OPERATOR), connect(A)
    assert device.publish(TOPICS.keys(2), b"forged", retain=True) == "Not authorized"
    assert desk.publish(TOPICS.keys(2), b"keys", retain=True) == "Success"
    device.subscribe(TOPICS.keys("+"))
    assert device.hears(TOPICS.keys(2)) == b"keys"


def test_the_will_of_a_device_is_bound_by_its_rights(connect: Connect) -> None:
    desk = connect("desk", Role.OPERATOR)
    desk.subscribe(f"{TOPICS.root}/device/+/presence")
    connect(A, will=(topic_of(A, Said.PRESENCE), b"gone")).break_off()
    assert desk.hears(topic_of(A, Said.PRESENCE)) == b"gone"
    forger = connect(B, will=(topic_of(A, Said.PRESENCE), b"forged"))
    if not forger.ended and forger.answer == "Success":
        forger.break_off()
    desk.turn(lambda: len(desk.heard) > 1, 0.5)
    assert [payload for _, payload in desk.heard] == [b"gone"]


def test_a_watcher_listens_and_cannot_speak(connect: Connect) -> None:
    watcher, device = connect("screen", Role.WATCHER), connect(A)
    watcher.subscribe(f"{TOPICS.root}/#")
    device.publish(topic_of(A, Said.HEALTH), b"well")
    device.publish(topic_of(A, Said.LETTER), b"for the operator")
    assert watcher.hears(topic_of(A, Said.HEALTH)) == b"well"
    watcher.turn(lambda: False, 0.2)
    assert b"for the operator" not in [payload for _, payload in watcher.heard]
    assert watcher.publish(topic_of(A, Said.DESIRED), b"order") == "Not authorized"


def test_a_device_named_like_an_operator_is_none(connect: Connect, broker: Broker) -> None:
    device = connect("operator-desk")
    assert device.publish(topic_of(A, Said.DESIRED), b"order") == "Not authorized"
    with pytest.raises(Exception, match="name in a certificate"):
        broker.credential("operator.desk")


def test_the_name_is_the_certificates_whatever_the_client_calls_itself(
    broker: Broker, connect: Connect, tmp_path: Path
) -> None:
    real = connect(A)
    with Talker(A, broker.folder / "authority.crt", tmp_path, broker.credential(B)) as liar:
        liar.connect(broker.port)
        assert liar.publish(topic_of(A, Said.HEALTH), b"forged") == "Not authorized"
    assert real.publish(topic_of(A, Said.HEALTH), b"still here") == "Success", "it was not thrown out"


def test_nobody_comes_in_without_a_certificate(broker: Broker, tmp_path: Path) -> None:
    nobody = Talker(A, broker.folder / "authority.crt", tmp_path, None)
    assert refused(nobody, broker.port)


def test_a_certificate_of_another_authority_is_refused(broker: Broker, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", FLEET, datetime.now(UTC))
    forged = other.client("desk", Role.OPERATOR, datetime.now(UTC))
    assert refused(Talker("operator.desk", broker.folder / "authority.crt", tmp_path, forged), broker.port)


def shake(port: int, authority: Path, version: ssl.TLSVersion | None = None) -> str | None:
    """Shake hands as a device does that trusts this authority; returns the version of TLS."""
    context = ssl.create_default_context(cafile=str(authority))
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = version
            context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=3) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        return wrapped.version()


def test_a_device_does_not_speak_to_a_broker_of_another_authority(broker: Broker, tmp_path: Path) -> None:
    Authority.create(tmp_path, FLEET, datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(broker.port, tmp_path / "authority.crt")
    shake(broker.port, broker.folder / "authority.crt")


def test_a_devices_certificate_serves_nobody_as_a_brokers(broker: Broker) -> None:
    names = ("server.key", "server.crt")
    present = {name: (broker.folder / name).read_bytes() for name in names}
    stolen = broker.credential("127-0-0-1")
    try:
        for name, data in zip(names, (stolen.key, stolen.certificate), strict=True):
            replace_file(broker.folder / name, data)
        broker.stop()
        broker.start()
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(broker.port, broker.folder / "authority.crt")
    finally:
        for name, data in present.items():
            replace_file(broker.folder / name, data)
        broker.stop()
        broker.start()


def test_old_versions_of_tls_are_refused(broker: Broker) -> None:
    authority = broker.folder / "authority.crt"
    versions = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    assert [shake(broker.enrol_port, authority, version) for version in versions] == ["TLSv1.2", "TLSv1.3"]
    with pytest.raises(OSError, match=r"(?i)ssl|reset"):
        shake(broker.enrol_port, authority, ssl.TLSVersion.TLSv1_1)


def test_a_revoked_certificate_opens_nothing_and_an_open_connection_falls_silent(
    broker: Broker, connect: Connect, tmp_path: Path
) -> None:
    stolen = broker.credential("meter-stolen")
    desk, thief = connect("desk", Role.OPERATOR), connect("meter-stolen", credential=stolen)
    healthy = connect(A)
    desk.subscribe(f"{TOPICS.root}/device/+/health")
    assert thief.publish(topic_of("meter-stolen", Said.HEALTH), b"before") == "Success"
    assert desk.hears(topic_of("meter-stolen", Said.HEALTH)) == b"before"
    broker.authority.revoke([stolen.certificate], datetime.now(UTC))
    write_revoked(broker.folder, broker.authority, shut_out=["meter-stolen"])
    broker.reload()
    time.sleep(0.3)
    assert thief.publish(topic_of("meter-stolen", Said.HEALTH), b"after") == "Not authorized"
    again = Talker("meter-stolen", broker.folder / "authority.crt", tmp_path, stolen)
    assert refused(again, broker.port)
    assert healthy.publish(topic_of(A, Said.HEALTH), b"undisturbed") == "Success"
    write_revoked(broker.folder, broker.authority)
    broker.reload()
    time.sleep(0.3)
    fresh = connect("meter-stolen")
    assert fresh.publish(topic_of("meter-stolen", Said.HEALTH), b"enrolled anew") == "Success"
    late = Talker("meter-stolen", broker.folder / "authority.crt", tmp_path, stolen)
    assert refused(late, broker.port), "what is revoked stays so"


def refused(talker: Talker, port: int) -> bool:
    """Whether the broker lets it not in: in TLS 1.3 the refusal comes with the first reading."""
    with talker:
        try:
            talker.connect(port)
        except (ssl.SSLError, OSError):
            return True
        return talker.answer != "Success"


def test_a_token_lets_a_device_ask_for_its_certificate_and_nothing_else(
    broker: Broker, connect: Connect, tmp_path: Path
) -> None:
    write_tokens(broker.folder, {"meter-new": NEW, A: OTHER})
    broker.reload()
    time.sleep(0.3)
    desk, device = connect("desk", Role.OPERATOR), connect("meter-new", token=NEW)
    desk.subscribe(TOPICS.enrol("+", "request"))
    device.subscribe(TOPICS.enrol("meter-new", "grant"))
    assert device.publish(TOPICS.enrol("meter-new", "request"), b"request") == "Success"
    assert desk.hears(TOPICS.enrol("meter-new", "request")) == b"request"
    desk.publish(TOPICS.enrol("meter-new", "grant"), b"certificate")
    assert device.hears(TOPICS.enrol("meter-new", "grant")) == b"certificate"
    assert device.publish(TOPICS.enrol(A, "request"), b"for another") == "Not authorized"
    for said in Said:
        assert device.publish(topic_of("meter-new", said), b"too early") == "Not authorized"
    assert connect("meter-new", token=OTHER).answer in ("Not authorized", "Bad user name or password")
    write_tokens(broker.folder, {A: OTHER})
    broker.reload()
    time.sleep(0.3)
    assert connect("meter-new", token=NEW).answer != "Success", "a token serves once"


def test_a_packet_that_is_too_large_ends_the_connection(connect: Connect) -> None:
    desk, device = connect("desk", Role.OPERATOR), connect(A)
    assert device.publish(topic_of(A, Said.HEALTH), bytes(64 << 10)) == "Success"
    assert device.publish(topic_of(A, Said.HEALTH), bytes(MAX_PACKET_BYTES)) != "Success"
    assert desk.publish(topic_of(A, Said.DESIRED), b"x") == "Success", "others are not disturbed"


def test_what_is_retained_outlives_a_restart(broker: Broker, connect: Connect) -> None:
    connect("desk", Role.OPERATOR).publish(topic_of("meter-c", Said.DESIRED), b"kept", retain=True)
    broker.stop()
    broker.start()
    device = connect("meter-c")
    device.subscribe(topic_of("meter-c", Said.DESIRED))
    assert device.hears(topic_of("meter-c", Said.DESIRED)) == b"kept"
