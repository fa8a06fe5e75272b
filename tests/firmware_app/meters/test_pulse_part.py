"""A pulse input in the running device: counted over restarts, loud when it is noise or gone."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware_app.config import keys
from firmware_app.config.check import check
from firmware_app.config.load import ConfigError
from firmware_app.config.schema import MeterSection, Role
from firmware_app.meters.pulse_part import KeptPulses, run_pulses
from firmware_app.program import Program
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow
from firmware_app.trading.params import MeterParams
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import PortError
from meter_io.obis import IMPORT_TOTAL
from meter_io.profiles import load
from meter_io.pulse.counter import PulseInput
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.pulse_line import PulseLine, run_into
from testbed.fleet.virtual_meters.running import Clock
from tests.firmware_app.config.kit import write_device
from tests.firmware_app.meters.test_read_pulses import edges
from tests.firmware_app.test_program import _WallTime

FORM = load.find("s0-1000").form
assert isinstance(FORM, PulseInput)
SETTINGS: PulseInput = FORM


@dataclass
class Heard:
    """What one life of the part reported."""

    rounds: list[Round | Failed | Broken] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    enough: Callable[["Heard"], bool] = lambda heard: False
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, what: Round | Failed | Broken) -> None:
        """As the device hears it."""
        assert threading.current_thread() is threading.main_thread()
        self.rounds.append(what)
        if self.enough(self):
            self.stop.set()


def live(port: Path, enough: Callable[[Heard], bool], total: int = 0, lines: str = "") -> Heard:
    """One life of the part at a FIFO into which some lines are written."""
    section = MeterSection(name="pv", role=Role.PV, profile="s0-1000", port=str(port), poll_ms=100)

    async def scene() -> Heard:
        heard = Heard(enough=enough)
        end = os.open(port, os.O_RDWR) if lines else -1
        if lines:
            os.write(end, lines.encode())
        try:
            async with asyncio.timeout(60):
                await run_pulses(section, SETTINGS, total, heard.hear, heard.totals.append, heard.stop)
        finally:
            if lines:
                os.close(end)
        return heard

    return asyncio.run(scene())


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A wire that nobody writes to yet."""
    os.mkfifo(tmp_path / "wire")
    return tmp_path / "wire"


def test_pulses_are_counted_on_from_the_total_of_earlier_lives(fifo: Path) -> None:
    heard = live(fifo, lambda heard: heard.totals[-1] >= 1_012, 1_000, "".join(edges(12)))
    last = heard.rounds[-1]
    assert isinstance(last, Round)
    assert heard.totals == sorted(heard.totals)
    assert heard.totals[-1] == 1_012
    assert last.said.values[IMPORT_TOTAL].number == 1_012
    assert last.meter == "pv"


def test_a_silent_wire_nobody_writes_to_is_read_all_the_same(fifo: Path) -> None:
    heard = live(fifo, lambda heard: len(heard.rounds) >= 2, 7)
    assert all(isinstance(what, Round) for what in heard.rounds)
    assert set(heard.totals) == {7}


def test_a_wire_that_picks_up_noise_is_no_meter(fifo: Path) -> None:
    noise = "".join(edges(20, length_ms=8))
    heard = live(fifo, lambda heard: isinstance(heard.rounds[-1], Failed), 5, noise)
    (failed, *_) = (what for what in heard.rounds if isinstance(what, Failed))
    assert "20 too-short" in failed.error.sentence
    assert heard.totals[-1] == 5


def test_a_source_that_is_gone_or_ends_ends_the_life_and_says_so(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("".join(edges(3)))
    for port, words in ((tmp_path / "nothing", "cannot read"), (record, "has ended")):
        with pytest.raises(PortError, match=words):
            live(port, lambda heard: False)


def test_a_listener_that_fails_ends_the_life_and_the_thread(fifo: Path) -> None:
    def bug(heard: Heard) -> bool:
        raise ZeroDivisionError("a bug for the test")

    with pytest.raises(ZeroDivisionError):
        live(fifo, bug)
    assert not [
        one for one in threading.enumerate() if "asyncio" in one.name and not one.daemon and one.is_alive()
    ]


class _Clock:
    def utc_ms(self) -> int | None:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return 1_000


def test_a_power_cut_costs_the_pulses_of_one_batch_and_a_damaged_total_is_on_record(tmp_path: Path) -> None:
    store = DeviceStore(tmp_path, StoreParams(), clock=_Clock(), boot_id="a")
    kept = KeptPulses(store, "pv")
    assert kept.load() == 0
    kept.keep(500)
    store.commit()
    kept.keep(512)
    assert kept.load() == 512, "a life of the part that ends goes on where it was"
    store._let_go()  # the power goes: what waits in memory is gone
    store = DeviceStore(tmp_path, StoreParams(), clock=_Clock(), boot_id="b")
    assert KeptPulses(store, "pv").load() == 500
    store.keep("pulses:pv", b"12x")
    assert KeptPulses(store, "pv").load() == 0
    assert [row.name for row in store.newest(EventRow, 9)][-1] == "meter.total-lost"


@contextmanager
def wired(fifo: Path, line: PulseLine, clock: Clock) -> Iterator[None]:
    """A household behind the FIFO."""
    end = threading.Event()
    thread = threading.Thread(target=run_into, args=(fifo, line, clock, end.is_set))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(10)


def test_the_whole_device_counts_a_household_over_a_restart(tmp_path: Path, fifo: Path) -> None:
    path = write_device(tmp_path, port=str(fifo))
    text = path.read_text(encoding="utf-8").replace("eastron-sdm630", "s0-1000")
    path.write_text(
        text.replace(f'port = "{fifo}"', f'port = "{fifo}"\npoll_ms = 100\nconnection_w = 10_000_000')
        + f"[status]\nsocket = '{tmp_path / 'control.sock'}'\nport = 0\n",
        encoding="utf-8",
    )
    found = check(path)
    assert found.wirings["house"].where == str(fifo)
    keys.create_missing(found.folder, found.store)
    household = Household(net_j=(7_000 * 900,), interval_ms=900_000, start_ms=1_000_000)
    line, clock = PulseLine(household, 1_000), Clock(1_000_000, speed=20)
    shown: list[int] = []

    async def life() -> None:
        program = Program(found, _WallTime(), MeterParams())
        wanted = 40 * (len(shown) + 1)
        async with asyncio.timeout(60):
            program.start()
            try:
                seen = 0
                while seen < wanted:
                    await asyncio.sleep(0.05)
                    (status,) = program.home.desk.status()
                    seen = 0 if status.reading is None else (status.reading.import_j or 0) // 3_600
            finally:
                await program.stop()
        assert program.home.desk.status()[0].failures == 0
        shown.append(seen)

    with wired(fifo, line, clock):
        asyncio.run(life())
        asyncio.run(life())
    assert 40 <= shown[0] < shown[1]
    assert shown[1] <= line.given, "never more than there was"


def test_two_meters_on_one_wire_are_refused(tmp_path: Path) -> None:
    path = write_device(tmp_path, port="/dev/gpiochip0:17")
    text = path.read_text(encoding="utf-8").replace("eastron-sdm630", "s0-1000")
    again = '[[meter]]\nname = "pv"\nrole = "pv"\nprofile = "s0-1000"\nport = "/dev/gpiochip0:17"\n'
    path.write_text(text + again, encoding="utf-8")
    with pytest.raises(ConfigError, match="pulses have a wire for themselves"):
        check(path)
    path.write_text(text, encoding="utf-8")
    assert check(path).wirings["house"].where == "/dev/gpiochip0:17"
