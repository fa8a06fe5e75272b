"""A broker that lies: it has the fleet's certificate, speaks MQTT 5 well enough to be believed, and says what it likes.

It stands for a broker that was taken over, and for everybody on the way who holds its key. It cannot sign: it drops,
holds back, reorders, duplicates, delivers to the wrong device, replays what it kept, and forges from what it saw.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _PINGREQ, _PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13
_WAIT_S: Final = 10.0
_MAX_LENGTH: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device told the broker."""

    topic: str
    payload: bytes


class LyingBroker:
    """Serves one device after the other in a thread; a context manager."""

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.load_verify_locations(authority)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: Final[int] = self._server.getsockname()[1]
        self.heard: list[Heard] = []
        self.connections = 0
        self.acknowledged = 0
        self._device: ssl.SSLSocket | None = None
        self._listening = threading.Event()
        self._ended = threading.Event()
        self._number = 0
        self._tls = threading.Lock()
        """One thread at a time in the library, which may not be written to while it reads."""
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.hang_up()
        with suppress(OSError):  # wakes the thread, which waits for a connection
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        self._thread.join()
        self._server.close()

    # -- what it does to a device --------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until a device has connected and subscribed.

        Raises:
            TimeoutError: none did.
        """
        if not self._listening.wait(_WAIT_S):
            raise TimeoutError("no device came to the lying broker")

    def publish(self, topic: str, payload: bytes, *, again: bool = False, retain: bool = False) -> None:
        """Say something in a topic, without waiting for the device's word.

        Args:
            again: marked as a repetition.
            retain: marked as having lain there.
        """
        self._number = self._number % 65_535 + 1
        name = topic.encode()
        head = _PUBLISH << 4 | again << 3 | 1 << 1 | retain
        body = len(name).to_bytes(2, "big") + name + self._number.to_bytes(2, "big") + b"\x00" + payload
        self.say(bytes([head]) + _length(len(body)) + body)

    def say(self, raw: bytes) -> None:
        """Any bytes."""
        device = self._device
        if device is None:
            raise ConnectionError("no device is connected")
        with self._tls:
            device.sendall(raw)

    def hang_up(self) -> None:
        """Break the connection; the thread that reads from it closes it, or would read from the next one."""
        device, self._device = self._device, None
        self._listening.clear()
        if device is not None:
            with suppress(OSError):  # of the TCP connection: that of TLS would let the thread read ciphertext
                socket.socket.shutdown(device, socket.SHUT_RDWR)

    def wait_acknowledged(self, count: int) -> None:
        """Until the device has acknowledged so many messages.

        Raises:
            TimeoutError: it did not.
        """
        with self._news:
            if not self._news.wait_for(lambda: self.acknowledged >= count, _WAIT_S):
                raise TimeoutError(f"the device acknowledged {self.acknowledged}, expected {count}")

    # -- MQTT ----------------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._ended.is_set():
            plain, _ = self._server.accept()
            if self._ended.is_set():
                plain.close()
                return
            try:
                device = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            self._device = device
            self.connections += 1
            with device, suppress(OSError, EOFError):
                while True:
                    self._answer(*self._packet(device))

    def _answer(self, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == _CONNECT:
            self.say(bytes([_CONNACK << 4, 3, 0, 0, 0]))
        elif kind == _SUBSCRIBE:
            granted = bytes([1] * _filters(body))
            self.say(bytes([_SUBACK << 4, 3 + len(granted)]) + body[:2] + b"\x00" + granted)
            self._listening.set()
        elif kind == _PUBLISH:
            self._hear(body)
        elif kind == _PUBACK:
            with self._news:
                self.acknowledged += 1
                self._news.notify_all()
        elif kind == _PINGREQ:
            self.say(bytes([_PINGRESP << 4, 0]))

    def _packet(self, device: ssl.SSLSocket) -> tuple[int, bytes]:
        head = self._exactly(device, 1)[0]
        raw = b""
        while not raw or raw[-1] & 0x80:
            raw += self._exactly(device, 1)
        return head, self._exactly(device, min(_varint(raw)[0], _MAX_LENGTH))

    def _exactly(self, device: ssl.SSLSocket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not device.pending():
                select.select([device], [], [])
            with self._tls:
                more = device.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _hear(self, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        topic, number, rest = body[2:end].decode(), body[end : end + 2], body[end + 2 :]
        size, used = _varint(rest)
        self.heard.append(Heard(topic, rest[used + size :]))
        self.say(bytes([_PUBACK << 4, 2]) + number)


def _varint(raw: bytes) -> tuple[int, int]:
    """A length as MQTT writes it, and how many bytes it took. Source: MQTT 5.0 §1.5.5."""
    value = 0
    for place, byte in enumerate(raw[:4]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, place + 1
    return value, 4


def _length(size: int) -> bytes:
    raw = bytearray()
    while True:
        size, low = divmod(size, 128)
        raw.append(low | (0x80 if size else 0))
        if not size:
            return bytes(raw)


def _filters(body: bytes) -> int:
    """How many topics a device asks for."""
    size, used = _varint(body[2:])
    place, found = 2 + used + size, 0
    while place < len(body):
        place += 2 + int.from_bytes(body[place : place + 2], "big") + 1
        found += 1
    return found


# -- what it makes of genuine messages ---------------------------------------------------------------------------------

Tactic = Callable[[Sequence[bytes], Random], Iterator[bytes]]
"""Genuine messages in their order -> what the device is told."""


def dropping(genuine: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """Half of them never arrive."""
    return (raw for raw in genuine if chance.random() < 0.5)


def reordering(genuine: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """All arrive, in any order."""
    shuffled = list(genuine)
    chance.shuffle(shuffled)
    return iter(shuffled)


def duplicating(genuine: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """Each arrives up to five times."""
    return (raw for raw in genuine for _ in range(chance.randint(1, 5)))


def replaying(genuine: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """After each come some of those before it again."""
    for place, raw in enumerate(genuine):
        yield raw
        yield from chance.choices(genuine[: place + 1], k=4)


def forging(genuine: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """Before each come versions of it that were changed, cut, or put together from two."""
    for place, raw in enumerate(genuine):
        for _ in range(6):
            yield _changed(raw, genuine[chance.randrange(place + 1)], chance)
        yield raw


def _changed(raw: bytes, other: bytes, chance: Random) -> bytes:
    place = chance.randrange(1, len(raw))
    ways = (
        raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :],
        raw[:place],
        raw + chance.randbytes(chance.randrange(1, 65)),
        raw[:place] + chance.randbytes(4) + raw[place:],
        raw[:place] + other[place:] if other != raw else raw[: place - 1] + raw[place:],
        raw[: -64 - chance.randrange(8)] + chance.randbytes(64),
    )
    return chance.choice(ways)


TACTICS: Final[dict[str, Tactic]] = {
    "drops": dropping,
    "reorders": reordering,
    "duplicates": duplicating,
    "replays": replaying,
    "forges": forging,
}
