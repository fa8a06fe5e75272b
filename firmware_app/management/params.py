"""The table `[fleet]` of the configuration: where the operator's broker is, and how often the device speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from light_client.rules.errors import LocalError

_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{0,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParams:
    """How the device is reached by its operator.

    Raises:
        LocalError: a value out of its bounds.
    """

    broker: str = ""
    """Host name or address of the MQTT broker; empty: none. `gridlight enroll --ticket` fills it in."""
    port: int = 8883
    """TLS always."""
    ca_file: str | None = None
    """Certificate of the authority that signed the broker's; else `fleet/ca.pem` in the data folder."""
    certificate_file: str | None = None
    """The device's certificate; else `fleet/device.pem`."""
    key_file: str | None = None
    """Its key, mode 600; else `fleet/device.key`. A secret never stands in this document."""
    health_s: int = 300
    """From one word of health to the next while nothing changes, s."""
    keepalive_s: int = 120
    """A sign of life through routers that forget silent connections, s."""
    renew_days: int = 60
    """So long before its end the device's certificate is renewed at the latest, days."""
    stick_folder: str = "/media/gridlight"
    """Where a stick is mounted; bundles lie in its folder `gridlight`. Empty: sticks are not looked at."""

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.broker):
            raise LocalError("broker", got=self.broker, expected="a host name or an address")
        for name, low, high in (
            ("port", 1, 65_535),
            ("health_s", 60, 86_400),
            ("keepalive_s", 10, 1_200),
            ("renew_days", 1, 3_650),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise LocalError(name, got=value, expected=f"{low} to {high}")
