"""The operator's broker beside a week of mishaps: a real mosquitto that the board belongs to, and that can be away."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.broker.authority import Role
from firmware_app.fleet.enrolling import Ticket
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.topics import Topics
from firmware_app.management.joining import join, place_of, prepare
from light_client.rules.crypto import public_key_of
from testbed.live.deployment import HOST
from testbed.rollout.broker import Broker
from testbed.rollout.watcher import Watcher

_SECRET: Final = bytes(31) + b"\x05"
"""Of the fleet's only key: a test key, and nothing is signed with it here."""
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
        self._is_there = False
        self._watcher = Watcher(
            folder,
            self._broker.credential("screen", Role.WATCHER),
            self._broker.authority.certificate,
            Topics(self._keys.fleet_id),
        )

    def take_in(self, document: Path) -> None:
        """Let the board of a document join the fleet, as `gridlight enroll --ticket` does."""
        place = place_of(document)
        name = place.config.device.name
        self._watcher.watch(name)
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
        self._watcher.listen(HOST, self._broker.port)

    def stop(self) -> None:
        """Be away; nothing if it is."""
        if not self._is_there:
            return
        self._is_there = False
        self._watcher.rest()
        self._broker.stop()

    def seen(self) -> int:
        """How often the board came to the broker, as a watcher at the broker heard it."""
        return self._watcher.births().total()
