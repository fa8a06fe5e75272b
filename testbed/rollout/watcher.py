"""Somebody with the rights of the operator's screen, who hears which devices come to the broker."""

from __future__ import annotations

import os
import ssl
from collections import Counter
from pathlib import Path
from typing import Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.broker.authority import Credential
from firmware_app.fleet.telemetry import presence_from_bytes
from firmware_app.fleet.topics import Said, Topics

_NAME: Final = "watcher.screen"
_KEEPALIVE_S: Final = 20


class Watcher:
    """A connection of its own, kept up in the background."""

    def __init__(self, folder: Path, credential: Credential, authority: bytes, topics: Topics) -> None:
        """Prepare; it is not connected yet.

        Args:
            folder: for its certificate and key.
            authority: certificate (PEM) of the one that signed the broker's.
        """
        paths = (folder / "watcher.pem", folder / "watcher.key")
        for path, content in zip(paths, (credential.certificate, credential.key), strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
        context = ssl.create_default_context(cadata=authority.decode())
        context.load_cert_chain(*paths)
        self._topics = topics
        self._wanted: dict[str, str] = {}
        """Topic -> device."""
        self._births: set[tuple[str, bytes]] = set()
        """Each with the time of its connection in it."""
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=_NAME, protocol=mqtt.MQTTv5)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._connected
        self._client.on_message = self._heard

    def watch(self, device: str) -> None:
        """Count the births of a device; said before it listens."""
        self._wanted[self._topics.device(device, Said.PRESENCE)] = device

    def listen(self, host: str, port: int) -> None:
        """Connect, now or as soon as there is a broker."""
        self._client.connect_async(host, port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def rest(self) -> None:
        """Listen no more."""
        self._client.loop_stop()

    def births(self) -> Counter[str]:
        """Device -> how often it came to the broker."""
        return Counter(self._wanted[topic] for topic, _ in self._births)

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        for topic in self._wanted:
            client.subscribe(topic, qos=1)

    def _heard(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        if presence_from_bytes(payload).online:
            self._births.add((message.topic, payload))
