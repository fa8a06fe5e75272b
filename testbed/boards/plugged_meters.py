"""The electricity meters of a fleet: each a thread that plays one behind a pseudo terminal, on everybody's clock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import meter_io.profiles
from firmware_app.runtime.clock import Clock
from testbed.boards.faults import FleetScript, midnight_ms
from testbed.boards.housing import Housing
from testbed.boards.sites import READ_EVERY_MS, Site
from testbed.cast import Cast
from testbed.fleet.metered_homes import truth_of
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.modbus_slave import Layout, ModbusSlave
from testbed.fleet.virtual_meters.p1 import P1Meter
from testbed.fleet.virtual_meters.running import Clock as HouseClock
from testbed.fleet.virtual_meters.running import RunningMeter
from testbed.fleet.virtual_meters.sml import SmlMeter
from testbed.fleet.virtual_meters.speaker import Speaker
from testbed.scenarios.model import HomeDay, Scenario

_DATA: Final = Path(meter_io.profiles.__file__).parent / "data"
_GOODBYE_S: Final = 10.0


class PluggedMeters:
    """All meters of a fleet."""

    def __init__(self, cast: Cast, whole_day: Scenario, script: FleetScript, housing: Housing) -> None:
        """Prepare; nothing is plugged in yet.

        Args:
            whole_day: what is played is a part of it.
            housing: where the boards are that they are plugged into.
        """
        self._cast = cast
        self._day = whole_day
        self._homes = {home.home_id: home for home in whole_day.homes}
        self._script = script
        self._housing = housing
        self._unplugged = threading.Event()
        self._threads: list[threading.Thread] = []

    def plug_in(self, sites: Sequence[Site], clock: Clock) -> None:
        """Plug all meters in.

        Raises:
            OSError: a pseudo terminal cannot be made.
        """
        for site in sites:
            meter = self._meter_of(site, self._homes[site.board.home_id], clock)
            thread = threading.Thread(
                target=meter.run, args=(self._unplugged.is_set,), name=f"meter of {site.board.name}"
            )
            self._threads.append(thread)
            thread.start()

    def unplug(self) -> None:
        """End all."""
        self._unplugged.set()
        for thread in self._threads:
            thread.join(_GOODBYE_S)
        self._threads.clear()

    def _meter_of(self, site: Site, home: HomeDay, clock: Clock) -> RunningMeter:
        start_ms = clock.start_virtual_ms
        house_clock = HouseClock(clock.now_ms(), clock.speed)
        shift_ms = house_clock.start_ms - midnight_ms(self._cast)
        script = self._script.of_meter(site.board.home_id, shift_ms=shift_ms)
        display = Display(
            household=truth_of(home, self._day, start_ms),
            script=script,
            script_start_ms=house_clock.start_ms,
        )
        end = self._housing.plug(site.board)
        return RunningMeter(
            _speaker(site.profile, display), end, script, house_clock, seed=site.board.home_id
        )


def _speaker(profile: str, display: Display) -> Speaker:
    """What a meter of a profile says."""
    match profile:
        case "sml":
            return SmlMeter(display, every_ms=READ_EVERY_MS)
        case "p1-dsmr5":
            return P1Meter(display, every_ms=READ_EVERY_MS)
        case _:
            return ModbusSlave(display, Layout.of_profile(_DATA / f"{profile}.toml"), address=1)
