"""One connection to the broker, bounded in every direction: whatever the broker does costs a bounded amount.

| a broker that                      | meets                                                                       |
|------------------------------------|-----------------------------------------------------------------------------|
| announces a packet without end     | no read longer than 16 KiB, no more than `MAX_UNFINISHED` without a message |
| sends without pause                | `RATE` messages a second: the thread sleeps, and TCP pushes back            |
| is faster than the device          | `IN_HAND` messages at once: likewise                                        |
| takes nothing, acknowledges nothing| `MAX_OUT` messages under way, then none are taken on                        |
| speaks nonsense, or falls silent   | the end of this connection, and the next one after a pause                  |

The library works in a thread of its own, since connecting may block; what it hears is handled on the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware_app.fleet.letters import MAX_LETTER_BYTES
from firmware_app.fleet.report import Allowance
from firmware_app.fleet.topics import QOS

MAX_PACKET: Final = MAX_LETTER_BYTES + 1_024
"""Largest packet that the broker is asked to send, bytes."""
MAX_UNFINISHED: Final = 2 * MAX_PACKET
_READ_BYTES: Final = 16 << 10
RATE: Final = 50
BURST: Final = 100
IN_HAND: Final = 8
MAX_OUT: Final = 32
SESSION_S: Final = 60 * 86_400
"""How long the broker keeps messages for a device that is away."""
CONNECT_S: Final = 15.0
GOODBYE_S: Final = 2.0


class LinkError(Exception):
    """The connection ended, or never came about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something to publish."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Whom to connect to, and as whom."""

    host: str
    port: int
    name: str
    """Of the client."""
    keepalive_s: int
    context: ssl.SSLContext = field(repr=False)
    subscriptions: tuple[str, ...]
    will: Said | None = None
    password: str | None = field(default=None, repr=False)
    """With the name as the user's, where there is no certificate yet."""


class _BoundedSocket(ssl.SSLSocket):
    """A TLS socket that gives up on a peer which goes on without ever finishing a message."""

    unfinished = 0

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base class has it
        """Prove who both are; a peer that cannot is left at once."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read, at most 16 KiB at once."""
        data = super().recv(min(buflen, _READ_BYTES), flags)
        self.unfinished += len(data)
        if self.unfinished > MAX_UNFINISHED:
            raise ConnectionAbortedError(f"more than {MAX_UNFINISHED} bytes without a message")
        return data


def _leave_writing(*_: object) -> None:
    """Keep `publish` from writing by itself: it would, in the caller's thread, where no one looks after the socket.

    OpenSSL's connections are not for two threads at once: what one reads comes out as garbage while the other writes.
    The library wakes the thread that is in `loop`, which writes.
    """


class Link:
    """One connection: `run` it once."""

    def __init__(
        self, dial: Dial, *, deliver: Callable[[str, bytes], None], ready: Callable[[], None]
    ) -> None:
        """Prepare; nobody is dialled yet.

        Args:
            deliver: gets topic and payload of each message, on the event loop.
            ready: is told on the event loop that the subscriptions hold.
        """
        self._dial = dial
        self._deliver = deliver
        self._ready = ready
        self._hands = threading.BoundedSemaphore(IN_HAND)
        self._allowance = Allowance(burst=BURST, each_ms=1_000 // RATE)
        self._ending = threading.Event()
        self._refusal = ""
        self._subscription: int | None = None
        self._out = 0
        self._quiet = threading.Event()
        """Set while everything published is acknowledged."""
        self._out_lock = threading.Lock()
        self.is_ready = False
        """Whether messages come and go; on the event loop."""

    async def run(self, stop: asyncio.Event, goodbye: Callable[[], Said | None]) -> None:
        """Be connected until the event is set.

        Args:
            goodbye: what is said last, when the device ends the connection itself.

        Raises:
            LinkError: it could not be made, or it ended; the sentence holds no secret.
        """
        self._loop = asyncio.get_running_loop()
        self._client = self._made()
        living = asyncio.create_task(asyncio.to_thread(self._live))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
            last = goodbye() if self.is_ready and stop.is_set() else None
            if last is not None and self.publish(last):
                await asyncio.to_thread(self._quiet.wait, GOODBYE_S)
        finally:
            self.is_ready = False
            self._ending.set()
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
        problem = await living
        if problem and not stop.is_set():
            raise LinkError(problem)

    def hang_up(self) -> None:
        """End the connection, as if it had been lost."""
        self._ending.set()

    def publish(self, said: Said) -> bool:
        """Send something; returns whether it was taken on: it was not where too much is under way, or not connected."""
        with self._out_lock:
            if not self.is_ready or self._out >= MAX_OUT:
                return False
            self._out += 1
            self._quiet.clear()
        info = self._client.publish(said.topic, said.payload, qos=QOS, retain=said.retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._acknowledged()
            return False
        return True

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _made(self) -> mqtt.Client:
        dial = self._dial
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=dial.name, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        dial.context.sslsocket_class = _BoundedSocket
        client.tls_set_context(dial.context)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(MAX_OUT)
        client.max_queued_messages_set(MAX_OUT)
        if dial.password is not None:
            client.username_pw_set(dial.name, dial.password)
        if dial.will is not None:
            client.will_set(dial.will.topic, dial.will.payload, qos=QOS, retain=dial.will.retain)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_register_write = _leave_writing
        return client

    def _live(self) -> str:
        """From dialling to the end; returns why it ended, or nothing if it was asked to."""
        client, dial = self._client, self._dial
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = 0 if dial.password is not None else SESSION_S
        wishes.MaximumPacketSize = MAX_PACKET
        wishes.ReceiveMaximum = IN_HAND
        try:
            client.connect(
                dial.host, dial.port, keepalive=dial.keepalive_s, clean_start=False, properties=wishes
            )
            return self._listen(client)
        except ssl.SSLError as error:
            return f"TLS: {error.reason or error}"
        except OSError as error:
            return error.strerror or str(error)
        except Exception as error:  # noqa: BLE001 - the peer's bytes went through a library's decoder
            return f"the broker's words are not understood: {type(error).__name__}"
        finally:
            self._hang_up(client)

    def _listen(self, client: mqtt.Client) -> str:
        end_s = time.monotonic() + 2 * CONNECT_S
        while not self._ending.is_set():
            code = client.loop(timeout=1.0)
            if self._refusal:
                return self._refusal
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return mqtt.error_string(code).rstrip(".").lower()
            if not self.is_ready and self._subscription is None and time.monotonic() > end_s:
                return "the broker does not answer"
        return ""

    def _hang_up(self, client: mqtt.Client) -> None:
        """Say goodbye where that is possible, so that the broker does not speak the will."""
        socket = client.socket()
        if self._ending.is_set() and client.is_connected():
            client.disconnect()
            client.loop(timeout=0.1)
        if socket is not None:
            socket.close()

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses: {reason}"
            return
        wanted = [(topic, SubscribeOptions(qos=QOS)) for topic in self._dial.subscriptions]
        _, self._subscription = client.subscribe(wanted)

    def _on_subscribe(self, _: mqtt.Client, __: Any, mid: int, reasons: list[Any], ___: Any) -> None:
        if mid != self._subscription:
            return
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refusal = f"the broker refuses a subscription: {refused[0]}"
            return
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if not self._ending.is_set():
            self.is_ready = True
            self._ready()

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        self._finished(client)
        while not self._allowance.take(time.monotonic_ns() // 1_000_000):
            if self._ending.wait(1 / RATE):
                return
        while not self._hands.acquire(timeout=0.2):
            if self._ending.is_set():
                return
        self._loop.call_soon_threadsafe(self._hand_over, message.topic, bytes(message.payload))

    def _hand_over(self, topic: str, payload: bytes) -> None:
        self._hands.release()
        if not self._ending.is_set():
            self._deliver(topic, payload)

    def _on_publish(self, client: mqtt.Client, _: Any, __: int, ___: Any, ____: Any) -> None:
        self._finished(client)
        self._acknowledged()

    def _acknowledged(self) -> None:
        with self._out_lock:
            self._out = max(0, self._out - 1)
            if not self._out:
                self._quiet.set()

    def _finished(self, client: mqtt.Client) -> None:
        socket = client.socket()
        if isinstance(socket, _BoundedSocket):
            socket.unfinished = 0
