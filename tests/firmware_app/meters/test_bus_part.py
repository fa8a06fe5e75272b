"""A bus in a thread: what it reports comes on the event loop in order, its failures end its life and nothing else."""

import asyncio
import threading
from pathlib import Path

import pytest

from firmware_app.config.schema import MeterSection, Parity, Role
from firmware_app.meters.bus_part import bus_of, encryption_of, run_bus
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import PortError, ProfileError
from meter_io.ports.address import Line, PortAddress
from meter_io.profiles import load
from meter_io.wiring import Wiring


class _GonePort:
    """A port that cannot be opened."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = threading.Event()

    def open(self) -> None:
        self.opened += 1
        raise PortError("there is no port")

    def close(self) -> None:
        self.closed.set()

    def send(self, data: bytes) -> None:
        raise AssertionError(data)

    def receive(self, timeout_s: float) -> bytes:
        raise AssertionError(timeout_s)

    def set_speed(self, baud: int | None) -> None:
        raise AssertionError(baud)


def _section(name: str, *, profile: str = "eastron-sdm630", baud: int | None = None) -> MeterSection:
    return MeterSection(name=name, role=Role.GRID, profile=profile, port="/dev/ttyUSB0", baud=baud)


def _wiring(section: MeterSection, *, unit: int = 1) -> Wiring:
    profile = load.find(section.profile)
    line = Line(baud=section.baud or profile.line.baud)
    return Wiring(profile=profile, address=PortAddress.parse(section.port), line=line, unit=unit)


def _bus_of(*sections: MeterSection) -> object:
    return bus_of(sections, {s.name: _wiring(s, unit=number) for number, s in enumerate(sections, 1)})


def test_a_port_that_is_gone_is_reported_on_the_loop_and_closed_at_the_end() -> None:
    section = _section("house")
    port, heard = _GonePort(), list[Round | Failed | Broken]()

    async def scene() -> None:
        stop = asyncio.Event()

        def hear(what: Round | Failed | Broken) -> None:
            assert threading.current_thread() is threading.main_thread()
            heard.append(what)
            stop.set()

        async with asyncio.timeout(10):
            await run_bus(bus_of((section,), {"house": _wiring(section)}), port, hear, stop)

    asyncio.run(scene())
    assert [type(what) for what in heard] == [Broken]
    assert port.closed.is_set()


def test_a_listener_that_fails_ends_this_life_of_the_part() -> None:
    section, port = _section("house"), _GonePort()

    def hear(_: object) -> None:
        raise ZeroDivisionError("a bug for the test")

    async def scene() -> None:
        async with asyncio.timeout(10):
            await run_bus(bus_of((section,), {"house": _wiring(section)}), port, hear, asyncio.Event())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scene())
    assert port.closed.is_set()


def test_meters_that_are_polled_share_a_port_others_do_not() -> None:
    assert _bus_of(_section("house"), _section("pv")) is not None
    with pytest.raises(ProfileError, match="19200 8N1 beside 9600 8N1"):
        _bus_of(_section("house", baud=9_600), _section("pv", baud=19_200))
    with pytest.raises(ProfileError, match="has its port for itself"):
        _bus_of(_section("house"), _section("p1", profile="p1-dsmr5"))


def test_the_counter_of_an_encrypted_port_is_kept_over_lives(tmp_path: Path) -> None:
    plain = _section("house")
    with encryption_of(plain, tmp_path, tmp_path) as nothing:
        assert nothing is None
    (tmp_path / "p1.key").write_text("00112233445566778899AABBCCDDEEFF", encoding="ascii")
    section = MeterSection(
        name="p1",
        role=Role.GRID,
        profile="p1-dsmr5",
        port="/dev/ttyUSB0",
        key_file="p1.key",
        parity=Parity.NONE,
    )
    with encryption_of(section, tmp_path, tmp_path) as decryptor:
        assert decryptor is not None
        assert decryptor.seen is None
    (tmp_path / "p1-p1.seen").write_text("0011223344556677 41\n", encoding="ascii")
    with encryption_of(section, tmp_path, tmp_path) as decryptor:
        assert decryptor is not None
        assert decryptor.seen is not None
        assert decryptor.seen.counter == 41
