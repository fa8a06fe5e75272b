"""The sections of the document that are nobody else's: the device, its meters, its market.

The other sections are the settings of the parts that they steer, embedded as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from firmware_app.bidding.settings import BatterySettings, BiddingSettings, PrivacySettings
from firmware_app.clock.params import ClockParams
from firmware_app.forecast.settings import ForecastSettings
from firmware_app.identity.params import IdentityParams
from firmware_app.journal import LogParams
from firmware_app.management.params import FleetParams
from firmware_app.reconcile.deviation import ImbalancePrices
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.status.params import StatusParams
from firmware_app.store.params import StoreParams
from firmware_app.watchdog.parts import WatchdogParams
from light_client.rules.errors import LocalError
from light_client.transport.keys import check_public_key
from meter_io.obis import STATE_OF_CHARGE, Obis
from meter_io.ports.address import PortAddress

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}")
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}=[^=\s]{1,100}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What flows through a meter."""

    GRID = "grid"
    """Everything that the home exchanges with the grid: what is traded."""
    PV = "pv"
    """What the home generates."""
    BATTERY = "battery"
    """What goes into and comes out of the battery."""


class Parity(StrEnum):
    """Of a serial line."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


def _within(name: str, got: int, low: int, high: int) -> None:
    if not low <= got <= high:
        raise LocalError(name, got=got, expected=f"{low} to {high}")


def _named(what: str, got: str) -> None:
    if not _NAME.fullmatch(got):
        raise LocalError(what, got=got, expected="lower-case letters, digits and hyphens, such as 'house-1'")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSection:
    """``[device]``: who this board is, and where it keeps things.

    Raises:
        LocalError: a name that is none.
    """

    name: str
    """The registered name of the meter, as the grid operator knows it."""
    data_folder: str = "/var/lib/gridlight"
    """Where keys, store and state are; relative to the file's own folder if it does not begin with a slash."""
    labels: tuple[str, ...] = ()
    """What an operator may choose devices by: ``site=north``."""
    identity: IdentityParams = field(default_factory=IdentityParams)
    """Where the key lies that the grid operator knows it by; the board's own matter, like all of this section."""

    def __post_init__(self) -> None:
        _named("name", self.name)
        if not all(_LABEL.fullmatch(label) for label in self.labels):
            raise LocalError("labels", got=self.labels, expected="such as 'site=north'")
        if len({label.partition("=")[0] for label in self.labels}) != len(self.labels):
            raise LocalError("labels", got=self.labels, expected="each name once")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSection:
    """``[[meter]]``: one electricity meter.

    Raises:
        LocalError: a value out of its bounds.
        PortError: a port that is none.
    """

    name: str
    role: Role
    profile: str
    """A shipped profile, see ``gridlight profiles``, or the path of a file."""
    port: str
    """``/dev/serial/by-id/...``, ``tcp://host`` or ``rtu+tcp://host:port``."""
    address: int | None = None
    """Of the slave on the bus; the profile's own if it is left out."""
    baud: int | None = None
    parity: Parity | None = None
    poll_ms: int = 10_000
    """From one reading to the next, where the meter is asked, ms."""
    connection_w: int = 65_000
    """The most that can flow, W: fuses and inverter with half as much again; what jumps further is not believed."""
    key_file: str | None = None
    """Keys of an encrypted P1 port; a secret never stands in this document."""

    def __post_init__(self) -> None:
        _named("name", self.name)
        PortAddress.parse(self.port)
        _within("poll_ms", self.poll_ms, 100, 3_600_000)
        _within("connection_w", self.connection_w, 1_000, 10_000_000)
        if self.address is not None:
            _within("address", self.address, 0, 255)
        if self.baud is not None:
            _within("baud", self.baud, 50, 4_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySection(BatterySettings):
    """``[battery]``: what the battery can do, and who tells what it holds.

    Raises:
        LocalError: a value out of its bounds, or a measurement that is none.
    """

    meter: str
    """Name of the meter of the role ``battery`` that tells it."""
    measurement: str = str(STATE_OF_CHARGE)
    """Under which code its profile gives the state of charge, in % or Wh."""
    max_age_s: int = 300
    """After so long without a value nobody knows what is stored, and nothing is offered out of it, s."""
    sell: bool = False
    """Whether anything is sold out of it. Only where something keeps the inverter to what must stay in the store."""

    def __post_init__(self) -> None:
        BatterySettings.__post_init__(self)
        _within("max_age_s", self.max_age_s, 5, 86_400)
        try:
            Obis.parse(self.measurement)
        except ValueError:
            raise LocalError("measurement", got=self.measurement, expected="such as 1-0:128.7.0") from None

    @property
    def obis(self) -> Obis:
        """The code of the state of charge."""
        return Obis.parse(self.measurement)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """``[[market.server]]`` or ``[market.dso]``: somebody on the market plane, and the key that proves it.

    Raises:
        LocalError: an endpoint or a key that is none.
    """

    name: str
    endpoint: str
    """``tcp://host:port``."""
    key: str
    """Its public transport key, Z85, 40 characters."""

    def __post_init__(self) -> None:
        _named("name", self.name)
        if not self.endpoint.startswith("tcp://"):
            raise LocalError("endpoint", got=self.endpoint, expected="tcp://host:port")
        try:
            check_public_key(self.key)
        except LocalError as error:
            raise LocalError("key", got=error.got, expected=error.expected) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSection:
    """``[market]``: which chain, which place in the grid, and whom to ask.

    Raises:
        LocalError: a value that cannot be, or too few servers to hold one against another.
    """

    genesis: str
    """File of the chain's first agreement, relative to this document."""
    fingerprint: str
    """What the file must hash to, 64 hexadecimal digits: everything else is trusted because of this number."""
    feeder: int
    """The feeder that the home is connected to."""
    dso: ServerSection
    server: tuple[ServerSection, ...]
    """Whom to follow, in order of preference; the others are witnesses, and step in. At least two."""

    def __post_init__(self) -> None:
        if not _FINGERPRINT.fullmatch(self.fingerprint):
            raise LocalError("fingerprint", got=self.fingerprint, expected="64 hexadecimal digits")
        _within("feeder", self.feeder, 0, 1 << 31)
        names = [server.name for server in (*self.server, self.dso)]
        if len(self.server) < 2 or len(set(names)) != len(names):
            raise LocalError("server", got=names, expected="two or more, all and the DSO of different names")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """The whole document.

    Raises:
        LocalError: no meter at the grid, or two of one name.
    """

    device: DeviceSection
    market: MarketSection
    meter: tuple[MeterSection, ...] = field(default=())
    battery: BatterySection | None = None
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    bidding: BiddingSettings = field(default_factory=BiddingSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    imbalance: ImbalancePrices = field(default_factory=ImbalancePrices)
    report: ReportSettings = field(default_factory=ReportSettings)
    store: StoreParams = field(default_factory=StoreParams)
    clock: ClockParams = field(default_factory=ClockParams)
    status: StatusParams = field(default_factory=StatusParams)
    watchdog: WatchdogParams = field(default_factory=WatchdogParams)
    log: LogParams = field(default_factory=LogParams)
    fleet: FleetParams = field(default_factory=FleetParams)

    def __post_init__(self) -> None:
        names = [meter.name for meter in self.meter]
        if len(set(names)) != len(names):
            raise LocalError("meter", got=names, expected="different names")
        at_grid = [meter.name for meter in self.meter if meter.role is Role.GRID]
        if len(at_grid) != 1:
            raise LocalError("meter", got=at_grid, expected="exactly one of the role 'grid'")
        there = [meter.name for meter in self.meter if meter.role is Role.BATTERY]
        if self.battery is not None and self.battery.meter not in there:
            known = " or ".join(map(repr, there)) or "a [[meter]] of the role 'battery' first"
            raise LocalError("battery", got=self.battery.meter, expected=known)

    def folder(self, document: Path) -> Path:
        """Where keys, store and state are.

        Args:
            document: the file of this document.
        """
        return document.parent / self.device.data_folder
