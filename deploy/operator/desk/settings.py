"""What the operator may set: `desk.toml` in the desk's folder, read strictly, all of it with a default."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from deploy.operator.desk.inbox import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerParams:
    """Where the broker is."""

    host: str = "localhost"
    """As devices and the desk reach it; its certificate is for this name."""
    port: int = 8883
    enrol_port: int = 8884
    folder: str = "broker"
    """What is written for mosquitto; beside this file if it begins with no slash."""
    reload: tuple[str, ...] = ()
    """What lets the broker read its files again, such as `["systemctl", "reload", "mosquitto"]`."""

    def __post_init__(self) -> None:
        for port in (self.port, self.enrol_port):
            if not 1 <= port <= 65_535:
                raise ValueError(f"port: got {port}, expected 1 to 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParams:
    """Where the dashboard and the figures for Prometheus are."""

    host: str = "127.0.0.1"
    port: int = 8720
    """0 takes a free one."""
    connections: int = 32
    timeout_s: int = 10

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise ValueError(f"host: got {self.host!r}, expected an IP address") from None
        if not address.is_loopback:
            raise ValueError(
                f"host: got {self.host}, expected 127.0.0.1 or ::1: the page knows no passwords. "
                "Let a web server with passwords and TLS stand before it, or come by ssh -L"
            )
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port: got {self.port}, expected 0 to 65535")
        if not 1 <= self.connections <= 1_000 or not 1 <= self.timeout_s <= 600:
            raise ValueError("connections: 1 to 1000, timeout_s: 1 to 600")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionParams:
    """How long things are kept."""

    letters_days: int = 400
    letters_each: int = 10_000
    """Letters of one device at most."""
    history_days: int = 90
    history_each: int = 2_000
    """Lines of history of one device at most."""

    def __post_init__(self) -> None:
        for name in ("letters_days", "letters_each", "history_days", "history_each"):
            if not 1 <= getattr(self, name) <= 10_000_000:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected 1 or more")

    @property
    def retention(self) -> Retention:
        """For the inbox."""
        return Retention(
            letters_days=self.letters_days,
            letters_each=self.letters_each,
            history_days=self.history_days,
            history_each=self.history_each,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateParams:
    """How long certificates last."""

    days: int = 3_650
    """Of devices, from their grant."""
    renew_days: int = 90
    """So long before their end they may be renewed; the broker's and the desk's own are then, by themselves."""

    def __post_init__(self) -> None:
        if not 1 <= self.renew_days <= self.days <= 14_600:
            raise ValueError(
                f"renew_days: got {self.renew_days} of {self.days} days, expected 1 to days, at most 14600"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """The whole of it."""

    broker: BrokerParams = field(default_factory=BrokerParams)
    certificates: CertificateParams = field(default_factory=CertificateParams)
    page: PageParams = field(default_factory=PageParams)
    retention: RetentionParams = field(default_factory=RetentionParams)


TEMPLATE = """\
# What this desk does, and where. Everything here may be left out.

[broker]
host = "{host}"        # as devices reach it; its certificate is for this name
port = {port}
enrol_port = {enrol_port}
# reload = ["systemctl", "reload", "mosquitto"]   # after tokens and revocations changed

[page]
port = 8720               # of the dashboard, on this machine alone

[certificates]
days = 3650               # of devices; they renew them by themselves
renew_days = 90           # so long before their end

[retention]
letters_days = 400        # delivery reports and alarms
history_days = 90         # what happened to each device
"""
