"""A wire with one meter behind it: the reader's bus, what the meter speaks, and the judge that sees both sides."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import meter_io.profiles
from meter_io.bus.events import Round
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll, Pushing
from meter_io.bus.timing import BusTiming
from meter_io.listener import TelegramListener
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.profiles.load import find
from testbed.fleet.virtual_meters.line import FaultyLine
from testbed.fleet.virtual_meters.modbus_slave import Layout, ModbusSlave
from testbed.fleet.virtual_meters.p1 import P1Meter
from testbed.fleet.virtual_meters.sml import SmlMeter
from testbed.fleet.virtual_meters.watch import Watch
from testbed.fleet.virtual_meters.wire import Member, Report, Wire

MODBUS_PROFILE: Final = "eastron-sdm630"
_PROFILES: Final = {"p1": "p1-dsmr5", "sml": "sml"}


def pushing_wire(watch: Watch, protocol: str, *, seed: int) -> Wire:
    """A port on which a meter pushes telegrams (`p1` or `sml`) every `watch.every_ms`."""
    speaker: P1Meter | SmlMeter
    speaker = (P1Meter if protocol == "p1" else SmlMeter)(watch.display, every_ms=watch.every_ms)
    listener = TelegramListener(find(_PROFILES[protocol]))
    pushing = Pushing(meter=watch.account.guard.meter, listener=listener, silence_ms=2 * watch.every_ms)
    bus = Bus((), timing=BusTiming(), now_ms=0, pushing=pushing)
    return _wire(watch, bus, speaker, seed)


def polled_wire(watch: Watch, *, seed: int) -> Wire:
    """An RS-485 line on which a meter is asked by Modbus RTU every `watch.every_ms`."""
    path = Path(meter_io.profiles.__file__).parent / "data" / f"{MODBUS_PROFILE}.toml"
    meter = ModbusMeter(find(MODBUS_PROFILE), unit=1, exchanges=Exchanges(tcp=False))
    poll = Poll(
        meter=watch.account.guard.meter,
        begin=meter.begin,
        interval_ms=watch.every_ms,
        reply_ms=watch.limit_ms,
    )
    bus = Bus([poll], timing=BusTiming(), now_ms=0)
    return _wire(watch, bus, ModbusSlave(watch.display, Layout.of_profile(path), address=1), seed)


def _wire(watch: Watch, bus: Bus, speaker: P1Meter | SmlMeter | ModbusSlave, seed: int) -> Wire:
    start_ms = watch.display.household.start_ms
    line = FaultyLine(watch.display.script, start_ms=start_ms, seed=seed)
    member = Member(meter=watch.account.guard.meter, speaker=speaker, line=line)
    return Wire(bus, [member], watch.port, start_ms=start_ms, report=_reporter(watch))


def _reporter(watch: Watch) -> Callable[[Report, int], None]:
    def report(what: Report, now_ms: int) -> None:
        if isinstance(what, Round):
            watch.read(what, now_ms, [])
        else:
            watch.failed(what, now_ms)

    return report
