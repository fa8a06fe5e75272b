"""The neighbourhood's fleet: papers for a broker in a container of its own, and who came to it."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.broker.authority import Authority, Role
from deploy.broker.folder import write_broker
from deploy.broker.settings import BrokerSettings
from firmware_app.fleet.enrolling import Ticket
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.topics import Topics
from firmware_app.management.joining import join, place_of, prepare
from light_client.rules.crypto import public_key_of
from testbed.rollout.watcher import Watcher

PORT: Final = 8883
_ENROL_PORT: Final = 8884
_SECRET: Final = bytes(31) + b"\x07"
"""Of the fleet's only key: a test key, and nothing is signed with it here."""
_SCREEN: Final = "screen"
_JOIN_S: Final = 10.0


class Management:
    """The fleet's authority, in the tier."""

    def __init__(self, folder: Path, broker: Path, host: str, *, devices: int) -> None:
        """Write the broker's folder.

        Args:
            folder: for the authority; the broker never sees it.
            broker: what the broker runs from, at the path where it finds it.
            host: name under which it is reached.
        """
        signers = Signers(threshold=1, keys=(public_key_of(_SECRET),))
        self._keys = KeySet(roles=(signers, signers, signers))
        self._host = host
        now, topics = datetime.now(UTC), Topics(self._keys.fleet_id)
        self._authority = Authority.create(folder / "authority", self._keys.fleet_id, now)
        settings = BrokerSettings(
            folder=broker,
            data_folder=broker / "data",
            port=PORT,
            enrol_port=_ENROL_PORT,
            devices=devices,
            watchers=(_SCREEN,),
            user=pwd.getpwuid(os.geteuid()).pw_name,
        )
        write_broker(broker, settings, topics, self._authority, (host, "localhost"), now)
        settings.data_folder.mkdir(exist_ok=True)
        credential = self._authority.client(_SCREEN, Role.WATCHER, now)
        self._watcher = Watcher(folder, credential, self._authority.certificate, topics)

    def take_in(self, document: Path) -> None:
        """Let the meter of a document belong to the fleet: a pre-registered key gets its certificate in the ticket."""
        place = place_of(document)
        name = place.config.device.name
        self._watcher.watch(name)
        _, request = prepare(place)
        ticket = Ticket(
            device=name,
            broker=self._host,
            port=PORT,
            enrol_port=_ENROL_PORT,
            ca_pem=self._authority.certificate.decode(),
            key_set=self._keys,
            certificate_pem=self._authority.grant(request, name, datetime.now(UTC)).decode(),
        )
        join(place, ticket, timeout_s=_JOIN_S)

    def listen(self) -> None:
        """Hear who comes to the broker."""
        self._watcher.listen(self._host, PORT)

    def rest(self) -> None:
        """Hear no more."""
        self._watcher.rest()

    def came(self) -> int:
        """How many meters have come to the broker."""
        return len(self._watcher.births())
