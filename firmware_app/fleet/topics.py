"""Where things are said on the management plane: one table of MQTT topics for devices, operators and brokers.

| `gridlight/1/FLEET/`…    | from     | retained | holds                                                 |
|--------------------------|----------|----------|-------------------------------------------------------|
| `keys/VERSION`           | operator | yes      | a signed key set; devices follow them one by one      |
| `device/ID/desired`      | operator | yes      | a signed bundle, for this device's wave               |
| `device/ID/receipt`      | operator | no       | names of letters that the operator has on disk        |
| `device/ID/reported`     | device   | yes      | its configuration: version and state (JSON)           |
| `device/ID/presence`     | device   | yes      | birth, and the will that the broker speaks (JSON)     |
| `device/ID/health`       | device   | yes      | how it is, at a bounded rate (JSON)                   |
| `device/ID/want`         | device   | no       | which chunks of an attachment it asks for             |
| `device/ID/chunk`        | operator | no       | one of them, with its proof                           |
| `device/ID/renew`        | device   | no       | a request for its next certificate, or that it uses it|
| `device/ID/renewed`      | operator | no       | the certificate, or why not                           |
| `device/ID/letter/KIND`  | device   | no       | from its outbox, again until a receipt comes          |
| `enrol/ID/request`       | device   | no       | a certificate request, under a one-time token         |
| `enrol/ID/grant`         | operator | yes      | the certificate, or why not                           |

All are sent with quality of service 1. FLEET is the beginning of the fleet's name, so that fleets may share a broker.
A device's client name, the common name of its certificate and ID are the same, and a broker lets it into no other
subtree. What a device believes never rests on that: bundles and key sets are signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from light_client.rules.errors import LocalError

ROOT: Final = "gridlight/1"
QOS: Final = 1
_FLEET_DIGITS: Final = 16
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}")
"""As names of devices are: no wildcard, no level separator, nothing that a list of rights could read otherwise."""


class Said(StrEnum):
    """What a device's topic holds."""

    DESIRED = "desired"
    RECEIPT = "receipt"
    REPORTED = "reported"
    PRESENCE = "presence"
    HEALTH = "health"
    WANT = "want"
    CHUNK = "chunk"
    RENEW = "renew"
    RENEWED = "renewed"
    LETTER = "letter"


KEPT: Final = frozenset({Said.DESIRED, Said.REPORTED, Said.PRESENCE, Said.HEALTH})
"""Sent with the retain flag: whoever connects later hears the newest."""
TO_DEVICE: Final = (Said.DESIRED, Said.RECEIPT, Said.CHUNK, Said.RENEWED)
"""What the operator says to one device."""
FROM_DEVICE: Final = (Said.REPORTED, Said.PRESENCE, Said.HEALTH, Said.WANT, Said.RENEW)
"""What a device says of itself, besides its letters."""
WATCHED: Final = (Said.REPORTED, Said.PRESENCE, Said.HEALTH)
"""What those hear who may only listen."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a topic of a device means."""

    device: str
    said: Said
    kind: str = ""
    """Of a letter."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one fleet."""

    fleet: bytes
    """The fleet's name: the hash of its first key set."""

    @property
    def root(self) -> str:
        """Everything of the fleet is below this."""
        return f"{ROOT}/{self.fleet.hex()[:_FLEET_DIGITS]}"

    def keys(self, version: int | str) -> str:
        """Of one key set, or with ``+`` of all."""
        return f"{self.root}/keys/{version}"

    def device(self, name: str, said: Said, kind: str = "") -> str:
        """Of one device, or with ``+`` of all.

        Raises:
            LocalError: the name could be read as something else.
        """
        last = f"/{_checked(kind)}" if said is Said.LETTER else ""
        return f"{self.root}/device/{_checked(name)}/{said}{last}"

    def enrol(self, name: str, step: str) -> str:
        """Of a device that has no certificate yet: ``request`` or ``grant``."""
        return f"{self.root}/enrol/{_checked(name)}/{step}"

    def heard(self, topic: str) -> Heard | None:
        """What a device's topic means; None for what is none of this fleet."""
        above, _, rest = topic.partition(f"{self.root}/device/")
        levels = rest.split("/")
        if above or not 2 <= len(levels) <= 3 or not _NAME.fullmatch(levels[0]):
            return None
        if levels[1] not in tuple(Said) or (len(levels) == 3) is not (levels[1] == Said.LETTER):
            return None
        return Heard(levels[0], Said(levels[1]), levels[2] if len(levels) == 3 else "")


def _checked(name: str) -> str:
    if name != "+" and not _NAME.fullmatch(name):
        raise LocalError("name in a topic", got=name, expected="small letters, digits and dashes, up to 59")
    return name
