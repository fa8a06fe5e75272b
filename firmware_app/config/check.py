"""Whether a document holds together: beyond its syntax, what it says of files, profiles and the chain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_app.config import keys
from firmware_app.config.attached import file_named
from firmware_app.config.load import ConfigError, read
from firmware_app.config.schema import BatterySection, DeviceConfig, MeterSection
from firmware_app.status.password import PasswordError, read_password
from light_client.rules.encoding import decode
from light_client.rules.errors import LightClientError
from light_client.rules.ledger.genesis import Genesis, genesis_from_wire
from meter_io.errors import MeterError
from meter_io.ports.address import Line, PortAddress
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, SunSpecMap, TelegramForm
from meter_io.pulse.counter import PulseInput
from meter_io.reading import Unit
from meter_io.wiring import Wiring

DEFAULT_FILE: Final = Path("/etc/gridlight/gridlight.toml")
STORE: Final = "market.sqlite"
"""Orders, wallet and trusted headers, in the data folder."""
_GENESIS_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A document with what it names."""

    path: Path
    config: DeviceConfig
    genesis: Genesis
    wirings: dict[str, Wiring]
    """Meter -> its profile at its port."""

    @property
    def folder(self) -> Path:
        """Where keys, store and state are."""
        return self.config.folder(self.path)

    @property
    def store(self) -> Path:
        """The file of orders, wallet and trusted headers."""
        return self.folder / STORE

    def page_password(self) -> str:
        """What the status page asks for; empty where it asks for none.

        Raises:
            PasswordError: the file that holds it cannot be used.
        """
        file = self.config.status.password_file
        return read_password(self.path.parent / file) if file else ""

    @property
    def is_enrolled(self) -> bool:
        """Whether the device has its keys."""
        return keys.are_there(self.folder, self.config.device.identity)


def check(path: Path) -> Checked:
    """Read a document and everything that it names; no port is opened, nobody is asked.

    Raises:
        ConfigError: something is wrong.
    """
    return check_config(read(path, DeviceConfig), path)


def check_config(config: DeviceConfig, path: Path) -> Checked:
    """Look at everything that a document names.

    Args:
        path: what its relative paths are relative to is this file's folder.

    Raises:
        ConfigError: something is wrong.
    """
    genesis = _genesis(config, path)
    wirings = {meter.name: _wiring(meter, path) for meter in config.meter}
    _check_pulses(config, wirings, path)
    if config.battery is not None:
        _check_charge(config.battery, wirings[config.battery.meter], path)
    found = Checked(path=path, config=config, genesis=genesis, wirings=wirings)
    try:
        found.page_password()
    except PasswordError as error:
        raise ConfigError(f"{path}: [status] password_file: {error}") from None
    return found


def _check_pulses(config: DeviceConfig, wirings: dict[str, Wiring], path: Path) -> None:
    """A pulse input is a wire of its own."""
    for meter in config.meter:
        others = [other.name for other in config.meter if other.port == meter.port and other is not meter]
        if isinstance(wirings[meter.name].profile.form, PulseInput) and others:
            raise ConfigError(
                f"{path}: [[meter]] {meter.name}: port: {meter.port} is that of {others[0]} too, "
                "and pulses have a wire for themselves"
            )


def _check_charge(battery: BatterySection, wiring: Wiring, path: Path) -> None:
    """Whether the battery's meter can tell what it holds; a telegram is known only once it has come."""
    profile = wiring.profile
    if isinstance(profile.form, TelegramForm):
        return
    registers = profile.form.registers if isinstance(profile.form, ModbusMap) else ()
    units = [register.unit for _, register in registers if register.obis == battery.obis]
    if not units:
        raise ConfigError(
            f"{path}: [battery] measurement: {profile.name} gives no {battery.measurement}: "
            "copy the profile, and add a [[register]] with this code and the unit % or Wh"
        )
    if units[0] not in (Unit.PERCENT, Unit.WATT_HOUR):
        raise ConfigError(
            f"{path}: [battery] measurement: {profile.name} gives {battery.measurement} in "
            f"{units[0].value}, expected % or Wh"
        )


def _genesis(config: DeviceConfig, path: Path) -> Genesis:
    """The chain's first agreement, which must be the one that the fingerprint stands for."""
    market = config.market
    file = file_named(market.genesis, path, config.folder(path))
    try:
        genesis = genesis_from_wire(decode(file.read_bytes(), max_bytes=_GENESIS_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: [market] genesis: {file} cannot be read: {error.strerror}") from None
    except LightClientError as error:
        raise ConfigError(f"{path}: [market] genesis: {file} is no genesis: {error}") from None
    found = genesis.chain_id().hex()
    if found != market.fingerprint:
        raise ConfigError(
            f"{path}: [market] fingerprint: {file} is another chain: got {found}, expected {market.fingerprint}"
        )
    if market.feeder not in genesis.grid.ext_j:
        known = ", ".join(map(str, sorted(genesis.grid.ext_j)))
        raise ConfigError(
            f"{path}: [market] feeder: got {market.feeder}, expected one of the chain's grid: {known}"
        )
    return genesis


def _wiring(meter: MeterSection, path: Path) -> Wiring:
    """A meter's profile at its port."""
    where = f"{path}: [[meter]] {meter.name}"
    named = str(path.parent / meter.profile) if meter.profile.endswith(".toml") else meter.profile
    try:
        profile = load.find(named)
        unit = meter.address
        if unit is None:
            unit = profile.form.address if isinstance(profile.form, ModbusMap | SunSpecMap) else 0
        line = Line(
            baud=profile.line.baud if meter.baud is None else meter.baud,
            parity=profile.line.parity if meter.parity is None else meter.parity.value,
            stop_bits=profile.line.stop_bits,
            data_bits=profile.line.data_bits,
        )
        return Wiring(profile=profile, address=PortAddress.parse(meter.port), line=line, unit=unit)
    except MeterError as error:
        raise ConfigError(f"{where}: {error.sentence}") from None
