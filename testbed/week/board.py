"""A real device beside a live tier: its folder, its process, its meter on a pty, and what can happen to it.

One home of the scenario is taken out of the run and played by `gridlight run` in a process of its own. Its forecast
knows the home's usual day, as after a week's work.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

import testbed
from firmware_app.config.check import STORE
from firmware_app.runtime.clock import Clock
from firmware_app.store.device_store import FILE_NAME, DeviceStore
from firmware_app.store.params import StoreParams
from testbed.boards.furnishing import not_counted, put_keys, teach
from testbed.cast import DSO
from testbed.fleet.metered_homes import truth_of
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.ends import PtyEnd
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.modbus_slave import Layout
from testbed.fleet.virtual_meters.running import Clock as HouseClock
from testbed.fleet.virtual_meters.running import RunningMeter
from testbed.fleet.virtual_meters.script import Script
from testbed.live.deployment import HOST, Deployment
from testbed.live.hurried_time import HurriedTime
from testbed.rollout.broker import peak_kib, resident_kib
from testbed.scenarios.model import HomeDay, Scenario
from testbed.week.card import Card

PROFILE: Final = "eastron-sdm630"
SEED: Final = b"w" * 32
"""Of the board's wallet: a test wallet."""
_ROOT: Final = Path(testbed.__file__).resolve().parent.parent
_PAGE_BYTES: Final = 1_024
_GOODBYE_S: Final = 20


def sunniest(day: Scenario) -> HomeDay:
    """The home without a battery that has most to sell: what it meters is then what it has."""
    homes = [home for home in day.homes if home.battery is None]
    return max(homes, key=lambda home: sum(home.pv_j) - sum(home.load_j))


def name_of(deployment: Deployment, home: HomeDay) -> str:
    """The registered name of a home's meter."""
    (name,) = (name for name, home_id in deployment.cast.meter_names.items() if home_id == home.home_id)
    return name


@dataclass
class Board:
    """The device's folder and process, and its meter."""

    folder: Path
    deployment: Deployment
    home: HomeDay
    day: Scenario
    """Of the home: one whole day, or several."""
    faults: Script = field(default_factory=Script)
    """Of meter and port, in ms of virtual time since the meter was plugged in."""
    doubts_clock: bool = False
    """Whether the board's own clock gate looks after its time."""
    clock: Clock | None = None
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    card: Card | None = None
    """What its data is on, where that is a file system of its own."""
    resident_kib: int = 0
    """Most memory that any of its lives had in use, as far as it was looked at."""
    weighed: list[tuple[int, int]] = field(default_factory=list)
    """Time of the run, UTC ms -> memory in use then, KiB."""
    _largest_bytes: int | None = None
    _journals: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _meter: threading.Thread | None = None
    _unplugged: threading.Event = field(default_factory=threading.Event)

    @property
    def data(self) -> Path:
        """Where the device keeps everything."""
        return self.folder / "data"

    @property
    def socket(self) -> str:
        """Of its control socket."""
        return str(self.folder / "control.sock")

    @property
    def document(self) -> Path:
        """Its configuration."""
        return self.folder / "gridlight.toml"

    def log(self) -> str:
        """What it said in all its lives."""
        return (self.folder / "device.log").read_text(encoding="utf-8")

    @property
    def household(self) -> Household:
        """What truly flows, as soon as the clock runs."""
        return truth_of(self.home, self.day, self._running_clock().start_virtual_ms)

    def net_at(self, interval: int) -> int:
        """Load less generation of an interval of any day, J."""
        slot = interval % len(self.home.load_j)
        return self.home.load_j[slot] - self.home.pv_j[slot]

    # -- before --------------------------------------------------------------------------------------------------------

    def write(self, ports: Mapping[str, int], *, extra: str = "", with_card: bool = False) -> None:
        """Write document and secrets.

        Args:
            ports: name of each miner and of the DSO -> port of this machine at which the device is to dial it.
            extra: further tables of the document.
            with_card: whether its data goes onto a card of its own.

        Raises:
            CardError: it cannot be had.
        """
        cast = self.deployment.cast
        servers = {
            name: replace(address, endpoint=f"tcp://{HOST}:{ports[name]}")
            for name, address in self.deployment.servers.items()
        }
        rows = "".join(
            f"[[market.server]]\nname = '{miner}'\nendpoint = '{servers[miner].endpoint}'\n"
            f"key = '{servers[miner].server_key}'\n"
            for miner in cast.miner_names
        )
        dso = servers[DSO]
        self.document.write_text(
            f"[device]\nname = '{name_of(self.deployment, self.home)}'\ndata_folder = 'data'\n"
            f"[[meter]]\nname = 'house'\nrole = 'grid'\nprofile = '{PROFILE}'\naddress = 1\n"
            f"port = '{self.folder / 'meter'}'\npoll_ms = 100\n"
            f"[market]\ngenesis = '{self.deployment.folder / 'genesis.cbor'}'\n"
            f"fingerprint = '{cast.genesis.chain_id().hex()}'\nfeeder = {self.home.feeder}\n"
            f"[market.dso]\nname = 'dso'\nendpoint = '{dso.endpoint}'\nkey = '{dso.server_key}'\n"
            f"{rows}"
            f"[status]\nsocket = '{self.socket}'\nport = 0\n{extra}",
            encoding="utf-8",
        )
        self.data.mkdir()
        if with_card:
            self.card = Card(self.data, self.folder / "card.img")
        put_keys(self.data, identity=cast.secret("meter", self.home.home_id), seed=SEED)

    def open_store(self) -> DeviceStore:
        """Open the history, while the device does not run."""
        time = HurriedTime(self._running_clock())
        return DeviceStore(self.data, StoreParams(), clock=time, boot_id="beside", counter=not_counted)

    def _running_clock(self) -> Clock:
        if self.clock is None:
            raise RuntimeError("the clock does not run yet")
        return self.clock

    # -- the meter -----------------------------------------------------------------------------------------------------

    def plug_in(self, clock: Clock) -> None:
        """A meter that shows what flows at the home, at a pace with everybody's clock."""
        from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer  # noqa: PLC0415 - an extra

        display = Display(
            household=self.household, script=self.faults, script_start_ms=clock.start_virtual_ms
        )
        house_clock = HouseClock(clock.now_ms(), clock.speed)
        layout = Layout.of_profile(_ROOT / "meter_io" / "profiles" / "data" / f"{PROFILE}.toml")
        speaker = PymodbusServer(display, layout, house_clock, address=1)
        meter = RunningMeter(speaker, PtyEnd(self.folder / "meter"), self.faults, house_clock)

        def be_a_meter() -> None:
            try:
                meter.run(self._unplugged.is_set)
            finally:
                speaker.close()

        self._meter = threading.Thread(target=be_a_meter, name="meter")
        self._meter.start()

    # -- the device ----------------------------------------------------------------------------------------------------

    def begin(self, clock: Clock) -> None:
        """The clock runs: plug the meter in, switch the device on."""
        self.clock = clock
        per_day = len(self.home.load_j)
        teach(
            self.data,
            tuple(map(self.net_at, range(per_day))),
            interval_s=self.deployment.cast.scenario.interval_s,
            now_ms=clock.start_virtual_ms,
        )
        self.plug_in(clock)
        self.switch_on()

    def switch_on(self) -> None:
        """Start a life."""
        running = self._running_clock()
        clock = {
            "start_real_ms": running.start_real_ms,
            "start_virtual_ms": running.start_virtual_ms,
            "speed": running.speed,
        }
        (self.folder / "clock.json").write_text(json.dumps(clock), encoding="utf-8")
        words = [str(self.document), str(self.folder / "clock.json")]
        if self.doubts_clock:
            words.append(str(self.folder / "wall-shift"))
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self.lives += 1
        with (self.folder / "device.log").open("ab") as log:
            # a process of its own, since a disk that fails the device must not swallow what it says of that
            journal = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)  # noqa: S607 - of any system
        if journal.stdin is None:
            raise RuntimeError("a pipe was asked for")
        with journal.stdin as said:
            self.process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "testbed.live.device", *words],
                stdout=said,
                stderr=said,
                env={**os.environ, "PYTHONPATH": path},
            )
        self._journals.append(journal)
        self.limit_disk(self._largest_bytes)

    def weigh(self, at_ms: int) -> None:
        """Note how much memory it has in use; nothing while it is off.

        Args:
            at_ms: what the run's clock shows, UTC.
        """
        held_kib = 0 if self.process is None else resident_kib(self.process.pid)
        if held_kib:
            self.weighed.append((at_ms, held_kib))

    def kill(self) -> None:
        """Cut the power: SIGKILL, no warning."""
        if self.process is not None:
            self.resident_kib = max(self.resident_kib, peak_kib(self.process.pid))
            self.process.kill()
            self.process.wait()

    def end(self) -> int:
        """Ask the device to end; return its exit code. The meter is unplugged after it."""
        code = -1
        if self.process is not None:
            self.resident_kib = max(self.resident_kib, peak_kib(self.process.pid))
            self.process.terminate()
            try:
                code = self.process.wait(_GOODBYE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        for journal in self._journals:
            journal.wait(_GOODBYE_S)
        self._unplugged.set()
        if self._meter is not None:
            self._meter.join(10)
        return code

    # -- what can happen to it while it is on --------------------------------------------------------------------------

    def limit_disk(self, largest_bytes: int | None) -> None:
        """Let its files grow no further than this, as on a full disk; 0 lets nothing be written at all.

        The kernel refuses with EFBIG instead of ENOSPC or EROFS; to SQLite each of them is a write that failed.

        Args:
            largest_bytes: None to let them grow again.
        """
        self._largest_bytes = largest_bytes
        if self.process is not None and self.process.poll() is None:
            soft = resource.RLIM_INFINITY if largest_bytes is None else largest_bytes
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def shortest_log(self) -> int:
        """Bytes of the shorter one of its files' logs: beyond that neither of them may grow on a full disk."""
        return min((path.stat().st_size for path in self.data.glob("*-wal")), default=0)

    # -- what can happen to it while it is off -------------------------------------------------------------------------

    def tear(self, file: str = STORE) -> None:
        """Leave half of a write that nobody had acknowledged at the end of a file's log."""
        log = self.data / f"{file}-wal"
        if log.exists():
            with log.open("ab") as out:
                out.write(os.urandom(_PAGE_BYTES // 2))

    def damage(self, file: str = FILE_NAME, marker: bytes = b"") -> bool:
        """Turn a page of a file to rubbish: the last one with a marker in it of which the loss is noticed.

        The log is folded in first, as the next start would: a damage that a log covers up harms nobody.

        Returns:
            Whether there was such a page.
        """
        path = self.data / file
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for at in range(path.stat().st_size // _PAGE_BYTES - 1, 0, -1):
            with path.open("r+b") as out:
                out.seek(at * _PAGE_BYTES)
                good = out.read(_PAGE_BYTES)
                if marker not in good:
                    continue
                _put(out, at, os.urandom(_PAGE_BYTES))
                if not _is_sound(path):
                    return True
                _put(out, at, good)
        return False

    def set_wall_clock(self, shift_ms: int) -> None:
        """Set the board's wall clock by so much, in the midst of its life; 0 puts it right."""
        beside = self.folder / "wall-shift.new"
        beside.write_text(str(shift_ms), encoding="ascii")
        beside.replace(self.folder / "wall-shift")


def _put(out: BinaryIO, page: int, content: bytes) -> None:
    out.seek(page * _PAGE_BYTES)
    out.write(content)
    out.flush()


def _is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            return False
