"""The operator's broker beside a week of mishaps: a real mosquitto that the board belongs to, and that can be away."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.broker.authority import Role
from firmware_app.fleet.enrolling import Ticket
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.telemetry import presence_from_bytes
from firmware_app.fleet.topics import Said, Topics
from firmware_app.management.joining import join, place_of, prepare
from light_client.rules.crypto import public_key_of
from testbed.live.deployment import HOST
from testbed.rollout.broker import Broker

_SECRET: Final = bytes(31) + b"\x05"
"""Of the fleet's only key: a test key, and nothing is signed with it here."""
_WATCHER: Final = "watcher.screen"
_JOIN_S: Final = 10.0


class OperatorsBroker:
    """The broker, and what it saw of the board."""

    def __init__(self, folder: Path) -> None:
        """Make authority and configuration; nothing runs yet.

        Raises:
            NoBrokerError: mosquitto is not installed.
        """
        signers = Signers(threshold=1, keys=(public_key_of(_SECRET),))
        self._keys = KeySet(roles=(signers, signers, signers))
        folder.mkdir()
        self._broker = Broker(folder, self._keys.fleet_id, devices=1)
        self._births: set[bytes] = set()
        """Births of the board, each with the time of its connection in it."""
        self._topic = ""
        self._is_there = False
        self._watcher = self._watching(folder)

    def take_in(self, document: Path) -> None:
        """Let the board of a document join the fleet, as `gridlight enroll --ticket` does."""
        place = place_of(document)
        name = place.config.device.name
        self._topic = Topics(self._keys.fleet_id).device(name, Said.PRESENCE)
        _, request = prepare(place)
        authority = self._broker.authority
        ticket = Ticket(
            device=name,
            broker=HOST,
            port=self._broker.port,
            enrol_port=self._broker.enrol_port,
            ca_pem=authority.certificate.decode(),
            key_set=self._keys,
            certificate_pem=authority.grant(request, name, datetime.now(UTC)).decode(),
        )
        join(place, ticket, timeout_s=_JOIN_S)

    def start(self) -> None:
        """Be there.

        Raises:
            NoBrokerError: it does not start.
        """
        self._broker.start()
        self._is_there = True
        self._watcher.connect_async(HOST, self._broker.port, keepalive=20)
        self._watcher.loop_start()

    def stop(self) -> None:
        """Be away; nothing if it is."""
        if not self._is_there:
            return
        self._is_there = False
        self._watcher.loop_stop()
        self._broker.stop()

    def _watching(self, folder: Path) -> mqtt.Client:
        """Somebody with the rights of the operator's screen, who hears the board's births."""
        credential = self._broker.credential("screen", Role.WATCHER)
        paths = (folder / "watcher.pem", folder / "watcher.key")
        for path, content in zip(paths, (credential.certificate, credential.key), strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
        context = ssl.create_default_context(cadata=self._broker.authority.certificate.decode())
        context.load_cert_chain(*paths)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=_WATCHER, protocol=mqtt.MQTTv5)
        client.tls_set_context(context)
        client.reconnect_delay_set(1, 2)
        client.on_connect = self._connected
        client.on_message = self._heard
        return client

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self._topic, qos=1)

    def _heard(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if presence_from_bytes(bytes(message.payload)).online:
            self._births.add(bytes(message.payload))

    def seen(self) -> int:
        """How often the board came to the broker, as a watcher at the broker heard it."""
        return len(self._births)
