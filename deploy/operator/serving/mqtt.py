"""A real broker, by MQTT 5 over TLS with the desk's certificate.

Nothing is acknowledged before it is on the disk, and the broker sends no more than `WINDOW` messages ahead of that: a
flood waits at the broker, in its bounded queues, and a desk that is killed hears again what it had not written.
"""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from deploy.operator.serving.wire import Message, Sending
from firmware_app.console import CommandError
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES
from firmware_app.fleet.topics import QOS

WINDOW: Final = 1_000
"""Messages that the broker may send ahead of their acknowledgement."""
KEEPALIVE_S: Final = 60
SESSION_S: Final = 30 * 86_400
"""So long the broker keeps letters for a desk that is away."""
_MAX_BATCH: Final = 2_000
_MAX_BACKOFF_S: Final = 30


class MqttBroker:
    """One connection, kept up by a thread of its own."""

    def __init__(
        self, *, host: str, port: int, folder: Path, name: str, subscriptions: Sequence[str]
    ) -> None:
        """Prepare; `start` connects.

        Args:
            folder: holds `authority.crt`, and `NAME.crt` and `NAME.key` of the desk.
            name: common name of the desk's certificate.
            subscriptions: topics to listen to.

        Raises:
            CommandError: the certificates cannot be read.
        """
        self._address: Final = (host, port)
        self._subscriptions: Final = tuple(subscriptions)
        self._heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._connections = 0
        self._online = threading.Event()
        self.problem = "not connected yet"
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5, manual_ack=True
        )
        try:
            context = ssl.create_default_context(cafile=str(folder / "authority.crt"))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._own = (folder / f"{name}.crt", folder / f"{name}.key")
            context.load_cert_chain(*self._own)
        except (OSError, ssl.SSLError) as error:
            raise CommandError(f"the desk's certificate in {folder} cannot be used: {error}") from None
        self._context = context
        self._client.tls_set_context(context)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(WINDOW)
        self._client.reconnect_delay_set(1, _MAX_BACKOFF_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect, and go on trying."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = WINDOW
        properties.MaximumPacketSize = 2 * MAX_ENVELOPE_BYTES
        self._client.connect_async(
            *self._address, keepalive=KEEPALIVE_S, clean_start=False, properties=properties
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Say good-bye."""
        self._client.disconnect()
        self._client.loop_stop()

    # -- what the service sees -------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How often a connection was made."""
        return self._connections

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._online.is_set()

    def take(self, wait_s: float) -> Sequence[Message]:
        """What was said meanwhile."""
        found: list[Message] = []
        try:
            found.append(self._heard.get(timeout=wait_s))
            while len(found) < _MAX_BATCH:
                found.append(self._heard.get_nowait())
        except queue.Empty:
            pass
        return found

    def written(self, messages: Sequence[Message]) -> None:
        """Acknowledge."""
        for message in messages:
            self._client.ack(message.number, QOS)

    def send(self, sendings: Sequence[Sending]) -> None:
        """Say these, if there is a connection: after the next one everything that matters is sent anew."""
        for sending in sendings:
            if self.connected:
                self._client.publish(sending.topic, sending.payload, qos=QOS, retain=sending.retain)

    # -- what the thread says --------------------------------------------------------------------------------------

    def _on_connect(
        self,
        client: mqtt.Client,
        _data: Any,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _more: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.problem = f"the broker refuses: {reason}"
            return
        options = SubscribeOptions(qos=QOS, noLocal=True)
        client.subscribe([(topic, options) for topic in self._subscriptions])
        self.problem = ""
        self._connections += 1
        self._online.set()

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        host, port = self._address
        self.problem = f"nobody answers at {host} port {port}, or not with a certificate of this fleet"

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _data: Any,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _more: Properties | None,
    ) -> None:
        self._online.clear()
        with suppress(OSError, ssl.SSLError):  # renewed meanwhile, perhaps; the old one serves until it ends
            self._context.load_cert_chain(*self._own)
        self.problem = f"the connection was lost: {reason}"

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._heard.put(Message(message.topic, bytes(message.payload), message.mid))
