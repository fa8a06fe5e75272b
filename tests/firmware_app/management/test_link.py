"""One connection to a broker: a real mosquitto, and brokers that mean harm. Whatever they do costs a bounded amount."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from firmware_app.fleet.topics import Said as Kind
from firmware_app.management import link as link_module
from firmware_app.management.credentials import Credentials, CredentialsError, authority_context
from firmware_app.management.link import MAX_OUT, MAX_UNFINISHED, Dial, Link, LinkError, Said
from tests.firmware_app.management import kit

DESIRED = kit.TOPICS.device(kit.NAME, Kind.DESIRED)
PRESENCE = kit.TOPICS.device(kit.NAME, Kind.PRESENCE)
SECONDS = 20.0


def _credentials(folder: Path, authority: kit.Authority, name: str = kit.NAME) -> Credentials:
    certificate, key = authority.issue(folder, "device", name)
    (folder / "ca.pem").write_bytes(authority.pem)
    return Credentials(ca=folder / "ca.pem", certificate=certificate, key=key)


def _dial(context: ssl.SSLContext, port: int, **fields: Any) -> Dial:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "name": kit.NAME,
        "keepalive_s": 10,
        "context": context,
        "subscriptions": (DESIRED,),
    }
    return Dial(**(given | fields))


def _play(dial: Dial, scene: Callable[[Link, list[bytes]], Coroutine[Any, Any, None]]) -> list[bytes]:
    """Be connected during a scene; what was heard."""
    heard: list[bytes] = []

    async def played() -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        link = Link(dial, deliver=lambda _, payload: heard.append(payload), ready=ready.set)
        living = asyncio.create_task(
            link.run(stop, lambda: Said(topic=PRESENCE, payload=b"gone", retain=True))
        )
        async with asyncio.timeout(kit.PATIENCE_S):
            await ready.wait()
            await scene(link, heard)
            stop.set()
            await living

    asyncio.run(played())
    return heard


def _end(dial: Dial) -> str:
    """Why a connection ends."""

    async def played() -> None:
        link = Link(dial, deliver=lambda _, __: None, ready=lambda: None)
        async with asyncio.timeout(kit.PATIENCE_S):
            await link.run(asyncio.Event(), lambda: None)

    with pytest.raises(LinkError) as ended:
        asyncio.run(played())
    return str(ended.value)


async def _until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110 - what is waited for happens in threads and other processes
        await asyncio.sleep(0.02)


@pytest.mark.system
def test_messages_come_and_go_and_the_last_word_is_the_device_s(tmp_path: Path) -> None:
    with kit.broker(tmp_path / "broker") as broker:
        operator = kit.Operator(broker)
        operator.say(DESIRED, b"one", retain=True)
        dial = _dial(_credentials(tmp_path / "device", broker.authority).context(), broker.port)

        async def scene(link: Link, heard: list[bytes]) -> None:
            await _until(lambda: heard == [b"one"])
            assert link.publish(Said(topic=PRESENCE, payload=b"here", retain=True))
            operator.say(DESIRED, b"two")
            await _until(lambda: heard == [b"one", b"two"])

        _play(dial, scene)
        assert operator.until(PRESENCE) == b"here"
        assert operator.until(PRESENCE) == b"gone"
        operator.close()


@pytest.mark.system
def test_what_was_said_while_the_device_was_away_comes_later(tmp_path: Path) -> None:
    with kit.broker(tmp_path / "broker") as broker:
        operator = kit.Operator(broker)
        dial = _dial(_credentials(tmp_path / "device", broker.authority).context(), broker.port)

        async def nothing(_: Link, __: list[bytes]) -> None:
            return

        async def until_heard(_: Link, heard: list[bytes]) -> None:
            await _until(lambda: b"a receipt" in heard)

        _play(dial, nothing)
        operator.say(DESIRED, b"a receipt")
        _play(dial, until_heard)
        operator.close()


@pytest.mark.system
def test_a_connection_that_is_cut_leaves_the_will(tmp_path: Path) -> None:
    with kit.broker(tmp_path / "broker") as broker:
        operator = kit.Operator(broker)
        will = Said(topic=PRESENCE, payload=b"offline", retain=True)
        dial = _dial(_credentials(tmp_path / "device", broker.authority).context(), broker.port, will=will)

        async def scene(link: Link, _: list[bytes]) -> None:
            cut = link._client.socket()
            assert isinstance(cut, ssl.SSLSocket)
            cut.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(operator.until, PRESENCE, lambda raw: raw == b"offline")
            await _until(lambda: not link.is_ready)  # the operator may hear of it before the device does

        with pytest.raises(LinkError):
            _play(dial, scene)
        operator.close()


@pytest.mark.system
def test_strangers_are_refused_on_both_sides(tmp_path: Path) -> None:
    with kit.broker(tmp_path / "broker") as broker:
        ours = _credentials(tmp_path / "device", broker.authority)
        stranger = _credentials(tmp_path / "stranger", kit.Authority("another"))
        assert "CERTIFICATE_VERIFY_FAILED" in _end(_dial(stranger.context(), broker.port))
        anonymous = authority_context(ours.ca)
        assert _end(_dial(anonymous, broker.port)), "a broker lets nobody in without a certificate"
        assert _end(_dial(ours.context(), broker.port, host="localhost.localdomain.invalid"))
        assert "refused" in _end(_dial(ours.context(), kit.free_port()))


# -- brokers that mean harm --------------------------------------------------------------------------------------------

CONNACK = b"\x20\x03\x00\x00\x00"


@contextmanager
def _harmful(
    folder: Path, authority: kit.Authority, talk: Callable[[ssl.SSLSocket, threading.Event], None]
) -> Iterator[int]:
    """A server with the right certificate that says what it likes once somebody connected."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(folder, "server", "localhost"))
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            raw, _ = listening.accept()
            with context.wrap_socket(raw, server_side=True) as peer:
                peer.settimeout(0.5)
                peer.recv(4_096)
                talk(peer, over)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        over.set()
        listening.close()
        thread.join(10)


def _subscribed(peer: ssl.SSLSocket) -> None:
    """Take the connection and the subscription on, as a good broker does."""
    peer.sendall(CONNACK)
    request = peer.recv(4_096)
    peer.sendall(b"\x90\x04" + request[2:4] + b"\x00\x01")


def _endless(peer: ssl.SSLSocket, over: threading.Event) -> None:
    """A packet of 200 MB, as fast as it goes."""
    _subscribed(peer)
    peer.sendall(b"\x32\xff\xff\xff\x5f\x00\x01a\x00\x01\x00")
    while not over.is_set():
        peer.sendall(bytes(65_536))


def _trickle(peer: ssl.SSLSocket, over: threading.Event) -> None:
    """Acknowledgements of nothing, without end."""
    _subscribed(peer)
    while not over.is_set():
        peer.sendall(b"\x40\x02\x00\x63" * 4_096)


def _silent(peer: ssl.SSLSocket, over: threading.Event) -> None:
    over.wait(SECONDS)


def _refusing(peer: ssl.SSLSocket, over: threading.Event) -> None:
    peer.sendall(b"\x20\x03\x00\x87\x00")
    over.wait(SECONDS)


def _no_subscription(peer: ssl.SSLSocket, over: threading.Event) -> None:
    peer.sendall(CONNACK)
    request = peer.recv(4_096)
    peer.sendall(b"\x90\x04" + request[2:4] + b"\x00\x87")
    over.wait(SECONDS)


def _gone(peer: ssl.SSLSocket, _: threading.Event) -> None:
    _subscribed(peer)


def _raw(data: bytes) -> Callable[[ssl.SSLSocket, threading.Event], None]:
    def talk(peer: ssl.SSLSocket, over: threading.Event) -> None:
        _subscribed(peer)
        peer.sendall(data)
        over.wait(2.0)

    return talk


NONSENSE = [
    b"\x00" * 64,
    b"\xff" * 64,
    b"\x20\x03\x00\x00\x00",
    b"\x30\xff\xff\xff\xff\xff",
    b"\x32\x05\xff\xffabc",
    b"\x32\x06\x00\x02\xff\xfe\x00\x01",
    b"\x32\x02\x00\x00",
    b"\x90\x01\x00",
    b"\x40\x00",
    b"\xf0\x02\x00\x00",
    b"\xe0\x02\x8e\x00",
    b"\x62\x02\x00\x09",
    b"\x30\x07\x00\x01a\x03\x7f\x00\x00",
]


@pytest.mark.parametrize(
    "talk", [_endless, _trickle, _refusing, _no_subscription, _gone, *map(_raw, NONSENSE)]
)
def test_a_broker_that_means_harm_ends_the_connection_and_nothing_else(
    tmp_path: Path, talk: Callable[[ssl.SSLSocket, threading.Event], None]
) -> None:
    authority = kit.Authority()
    context = _credentials(tmp_path / "device", authority).context()
    before_kb, began_s = _resident_kb(), time.monotonic()
    with _harmful(tmp_path / "broker", authority, talk) as port:
        assert _end(_dial(context, port))
    assert _resident_kb() - before_kb < 20_000, "it costs no memory to speak of"
    assert time.monotonic() - began_s < SECONDS * 2


def test_a_silent_broker_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_S", 1.0)
    authority = kit.Authority()
    context = _credentials(tmp_path / "device", authority).context()
    with _harmful(tmp_path / "broker", authority, _silent) as port:
        assert "does not answer" in _end(_dial(context, port))


def test_without_the_bound_a_packet_without_end_is_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: what the bound is for."""
    monkeypatch.setattr(link_module, "MAX_UNFINISHED", 1 << 40)
    authority = kit.Authority()
    context = _credentials(tmp_path / "device", authority).context()
    taken = threading.Event()

    def talk(peer: ssl.SSLSocket, over: threading.Event) -> None:
        _subscribed(peer)
        peer.sendall(b"\x32\xff\xff\xff\x5f\x00\x01a\x00\x01\x00")
        for _ in range(4 * MAX_UNFINISHED // 65_536):
            peer.sendall(bytes(65_536))
        taken.set()
        over.wait(SECONDS)

    async def played(port: int) -> None:
        stop = asyncio.Event()
        link = Link(_dial(context, port), deliver=lambda _, __: None, ready=lambda: None)
        living = asyncio.create_task(link.run(stop, lambda: None))
        async with asyncio.timeout(kit.PATIENCE_S):
            await _until(taken.is_set)
            stop.set()
            await living

    with _harmful(tmp_path / "broker", authority, talk) as port:
        asyncio.run(played(port))


def test_a_flood_of_messages_is_slowed_down_to_what_can_be_looked_at(tmp_path: Path) -> None:
    authority = kit.Authority()
    context = _credentials(tmp_path / "device", authority).context()
    sent = [0]

    def flood(peer: ssl.SSLSocket, over: threading.Event) -> None:
        _subscribed(peer)
        topic = DESIRED.encode()
        body = len(topic).to_bytes(2, "big") + topic + b"\x00" + bytes(60)
        packet = b"\x30" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body
        while not over.is_set():
            with suppress(TimeoutError):
                peer.sendall(packet * 16)
                sent[0] += 16

    heard: list[float] = []

    async def played(port: int) -> None:
        stop = asyncio.Event()
        link = Link(
            _dial(context, port), deliver=lambda _, __: heard.append(time.monotonic()), ready=lambda: None
        )
        living = asyncio.create_task(link.run(stop, lambda: None))
        async with asyncio.timeout(kit.PATIENCE_S):
            await _until(lambda: bool(heard))
            await asyncio.sleep(4.0)
            stop.set()
            await asyncio.gather(living, return_exceptions=True)

    with _harmful(tmp_path / "broker", authority, flood) as port:
        asyncio.run(played(port))
    seconds = heard[-1] - heard[0]
    assert len(heard) <= link_module.BURST + link_module.RATE * (seconds + 1)
    assert sent[0] > len(heard), "TCP pushed back"


def test_a_broker_that_acknowledges_nothing_is_sent_a_bounded_number(tmp_path: Path) -> None:
    authority = kit.Authority()
    context = _credentials(tmp_path / "device", authority).context()

    def deaf(peer: ssl.SSLSocket, over: threading.Event) -> None:
        _subscribed(peer)
        over.wait(SECONDS)

    taken: list[bool] = []

    async def played(port: int) -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        link = Link(_dial(context, port), deliver=lambda _, __: None, ready=ready.set)
        assert not link.publish(Said(topic=PRESENCE, payload=b"too early"))
        living = asyncio.create_task(link.run(stop, lambda: None))
        async with asyncio.timeout(kit.PATIENCE_S):
            await ready.wait()
            taken.extend(link.publish(Said(topic=PRESENCE, payload=bytes(100))) for _ in range(200))
            stop.set()
            await living

    with _harmful(tmp_path / "broker", authority, deaf) as port:
        asyncio.run(played(port))
    assert taken == [True] * MAX_OUT + [False] * (200 - MAX_OUT)


# -- credentials -------------------------------------------------------------------------------------------------------


def test_credentials_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path) -> None:
    authority = kit.Authority()
    good = _credentials(tmp_path / "device", authority)
    secret = good.key.read_text(encoding="ascii").splitlines()[1]
    assert good.are_there
    good.key.chmod(0o644)
    with pytest.raises(CredentialsError, match="open to others") as refused:
        good.context()
    assert secret not in str(refused.value)
    good.key.chmod(0o600)
    good.certificate.write_text("no certificate", encoding="ascii")
    with pytest.raises(CredentialsError, match="cannot be used"):
        good.context()
    good.ca.unlink()
    with pytest.raises(CredentialsError, match=r"ca\.pem"):
        good.context()
    good.key.unlink()
    with pytest.raises(CredentialsError, match="enroll --ticket"):
        good.context()
    assert not good.are_there


def test_nothing_of_a_dial_s_secrets_is_shown(tmp_path: Path) -> None:
    context = _credentials(tmp_path / "device", kit.Authority()).context()
    assert "hunter2" not in repr(_dial(context, 1, password="hunter2"))  # noqa: S106 - what must not be shown


def _resident_kb() -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0])
