"""The connection of one emulated meter: MQTT 5 over TLS by paho, as on the device, but without a thread of its own.

Thousands of threads are out of the question, so whoever owns the lines asks one selector for all of them which can be
read. Measured for 500 connections in one process: 67 KiB and 4 ms each to connect; a client on asyncio took 337 KiB,
most of it asyncio's own buffers for TLS, and 5 ms.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware_app.fleet.topics import KEPT, QOS, Said, Topics
from testbed.rollout.board import Word

KEEPALIVE_S: Final = 600
CONNECT_S: Final = 20.0
SESSION_S: Final = 86_400
_MOST_MESSAGES: Final = 8


@dataclass(slots=True)
class Traffic:
    """What was said and heard."""

    sent: int = 0
    sent_bytes: int = 0
    heard: int = 0
    heard_bytes: int = 0
    connections: int = 0
    by_topic: dict[str, int] = field(default_factory=dict)


class Line:
    """One meter's way to the broker; begins anew after each loss, the session being kept by the broker."""

    def __init__(
        self,
        name: str,
        topics: Topics,
        tls: ssl.SSLContext,
        traffic: Traffic,
        hear: Callable[[bytes], None],
    ) -> None:
        self._name = name
        self._topics = topics
        self._tls = tls
        self._traffic = traffic
        self._hear = hear
        self._client: mqtt.Client | None = None
        self.is_ready = False

    def connect(self, host: str, port: int, will: Word) -> None:
        """Dial; the answer comes with a later reading.

        Raises:
            OSError: nobody is there, or TLS fails.
        """
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._name,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._tls)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(_MOST_MESSAGES)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.will_set(self._topics.device(self._name, will.said), will.payload, qos=QOS, retain=True)
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = SESSION_S
        client.connect(host, port, keepalive=KEEPALIVE_S, clean_start=False, properties=wishes)
        self._client = client
        self._traffic.connections += 1

    def fileno(self) -> int:
        """Of the socket; -1 where there is none."""
        sock = self._client.socket() if self._client else None
        return sock.fileno() if sock is not None else -1

    def read(self) -> bool:
        """Take in what has come; returns whether the connection stands."""
        client = self._client
        if client is None:
            return False
        while True:
            if client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            sock = client.socket()
            if sock is None:
                return False
            # what TLS has decrypted already, the selector does not know of
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                break
        return self.write()

    def write(self) -> bool:
        """Send what waits; returns whether the connection stands."""
        client = self._client
        if client is None:
            return False
        return not client.want_write() or client.loop_write() is MQTTErrorCode.MQTT_ERR_SUCCESS

    @property
    def wants_write(self) -> bool:
        """Whether something could not be sent at once."""
        return self._client is not None and self._client.want_write()

    def keep_alive(self) -> bool:
        """Say that it is still there, if it was silent for long; returns whether the connection stands."""
        return self._client is not None and self._client.loop_misc() is MQTTErrorCode.MQTT_ERR_SUCCESS

    def say(self, word: Word) -> None:
        """Publish; before the connection is made it is lost, as on a device that reports its newest state later."""
        if self._client is None or not self.is_ready:
            return
        topic = self._topics.device(self._name, word.said)
        self._client.publish(topic, word.payload, qos=QOS, retain=word.said in KEPT)
        self._traffic.sent += 1
        self._traffic.sent_bytes += len(topic) + len(word.payload)
        self._traffic.by_topic[word.said] = self._traffic.by_topic.get(word.said, 0) + 1

    def drop(self, *, politely: bool = False) -> None:
        """Lose the connection: as a power cut does, or with a word that keeps the broker from speaking the will."""
        client, self._client, self.is_ready = self._client, None, False
        if client is None:
            return
        sock = client.socket()
        if politely and sock is not None:
            client.disconnect()
        if sock is not None:
            sock.close()

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            return
        mine = (Said.DESIRED, Said.RECEIPT)
        topics = [self._topics.keys("+"), *(self._topics.device(self._name, said) for said in mine)]
        client.subscribe([(topic, QOS) for topic in topics])
        self.is_ready = True

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        self._traffic.heard += 1
        self._traffic.heard_bytes += len(message.topic) + len(message.payload)
        if not message.topic.endswith(f"/{Said.RECEIPT}") and message.payload:
            self._hear(bytes(message.payload))


def tls_of(authority: Path, pem: Path) -> ssl.SSLContext:
    """As a device speaks it: one authority is believed, the broker's name is checked, its own certificate shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authority)
    context.load_cert_chain(pem)
    return context
