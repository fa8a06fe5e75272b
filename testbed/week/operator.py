"""The operator beside a week of mishaps: a real mosquitto that the board belongs to, and that can be away, and a desk.

The desk hears the board's births, and takes in its letters: each is kept before its receipt leaves.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.broker.authority import Role
from firmware_app.fleet.bundle import Bundle
from firmware_app.fleet.enrolling import Ticket
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.letters import DELIVERY_REPORT, letter_from_bytes, receipts_for
from firmware_app.fleet.telemetry import presence_from_bytes
from firmware_app.fleet.topics import QOS, Said, Topics
from firmware_app.management.joining import join, place_of, prepare
from light_client.rules.crypto import public_key_of
from testbed.live.deployment import HOST
from testbed.rollout.broker import Broker

_SECRET: Final = bytes(31) + b"\x05"
"""Of the fleet's only key: a test key."""
_DESK: Final = "desk"
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
        self._letters: dict[str, bytes] = {}
        self._name = ""
        self._topics = Topics(self._keys.fleet_id)
        self._is_there = False
        self._desk = self._clerk(folder)

    def take_in(self, document: Path) -> None:
        """Let the board of a document join the fleet, as `gridlight enroll --ticket` does."""
        place = place_of(document)
        self._name = name = place.config.device.name
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
        self._desk.connect_async(HOST, self._broker.port, keepalive=20)
        self._desk.loop_start()

    def stop(self) -> None:
        """Be away; nothing if it is."""
        if not self._is_there:
            return
        self._is_there = False
        self._desk.loop_stop()
        self._broker.stop()

    def wish(self, bundle: Callable[[bytes], Bundle]) -> None:
        """Have the board run by something else; it hears of it as soon as it comes to the broker.

        Args:
            bundle: made for this fleet, given its name.
        """
        fleet = self._keys.fleet_id
        raw = bundle(fleet).envelope().signed(fleet, (_SECRET,)).encode()
        self._desk.publish(self._topics.device(self._name, Said.DESIRED), raw, qos=QOS, retain=True)

    def _clerk(self, folder: Path) -> mqtt.Client:
        """Somebody with the rights of the operator's desk."""
        credential = self._broker.credential(_DESK, Role.OPERATOR)
        paths = (folder / "desk.pem", folder / "desk.key")
        for path, content in zip(paths, (credential.certificate, credential.key), strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
        context = ssl.create_default_context(cadata=self._broker.authority.certificate.decode())
        context.load_cert_chain(*paths)
        name = f"{Role.OPERATOR}{_DESK}"
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        client.tls_set_context(context)
        client.reconnect_delay_set(1, 2)
        client.on_connect = self._connected
        client.on_message = self._heard
        return client

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        for said, kind in ((Said.PRESENCE, ""), (Said.LETTER, "+")):
            client.subscribe(self._topics.device(self._name, said, kind), qos=QOS)

    def _heard(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        heard, payload = self._topics.heard(message.topic), bytes(message.payload)
        if heard is None or heard.device != self._name:
            return
        if heard.said is Said.LETTER:
            letter = letter_from_bytes(payload)
            if heard.kind == DELIVERY_REPORT:
                self._letters[letter.key] = letter.body
            for receipt in receipts_for([letter.key]):
                client.publish(self._topics.device(self._name, Said.RECEIPT), receipt.encode(), qos=QOS)
        elif heard.said is Said.PRESENCE and presence_from_bytes(payload).online:
            self._births.add(payload)

    def seen(self) -> int:
        """How often the board came to the broker, as the desk heard it."""
        return len(self._births)

    def reports(self) -> tuple[bytes, ...]:
        """The sealed delivery reports that came, each once, in the order in which they came first."""
        return tuple(self._letters.values())
