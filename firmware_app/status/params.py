"""Settings of page and control socket: the table `[status]` of the configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final

CONTROL_SOCKET: Final = "/run/gridlight/control.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusParams:
    """Where the device shows how it fares.

    Raises:
        ValueError: an address beyond this board without a password, or a number outside its bounds.
    """

    enabled: bool = True
    """Whether there is a page; the control socket is always there."""
    host: str = "127.0.0.1"
    """Address to listen on. Anything but this board itself wants a password."""
    port: int = 8480
    """0 takes a free one."""
    password_file: str = field(default="", repr=False)
    """Of the user `gridlight`, by HTTP Basic: a file of mode 600, one line of 12 characters or more, beside this
    document if it begins with no slash. Use it where the network is your own, since HTTP hides nothing. The board's own
    matter: it is kept out of reprs, and no bundle of a fleet names it."""
    socket: str = CONTROL_SOCKET
    """Of the commands on the board; its group may ask as well."""
    connections: int = 8
    """Requests that are dealt with at a time; further ones are turned away."""
    timeout_s: int = 5
    """How long one request may take to arrive, and its answer to leave, seconds."""

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise ValueError(f"status.host is an IP address, got {self.host!r}") from None
        if self.enabled and not address.is_loopback and not self.password_file:
            raise ValueError(
                f"status.host {self.host} can be reached from elsewhere: set status.password_file, or use 127.0.0.1"
            )
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"status.port is 0 to 65535, got {self.port}")
        if not 1 <= self.connections <= 64 or not 1 <= self.timeout_s <= 60:
            raise ValueError(
                f"status.connections is 1 to 64 and status.timeout_s 1 to 60, "
                f"got {self.connections}, {self.timeout_s}"
            )
        if not self.socket.startswith("/") or len(self.socket) > 100:
            raise ValueError(
                f"status.socket is an absolute path of at most 100 characters, got {self.socket!r}"
            )

    @property
    def is_local(self) -> bool:
        """Whether the page can be reached from this board alone."""
        return ipaddress.ip_address(self.host).is_loopback
