"""Doctor without its service: what the configuration names is looked at directly, since nobody else holds it.

    store      both files held against themselves, read-only; how old the newest reading is, how much room is left
    keys       whether each secret is there, whole, and nobody else's to read
    meter      one round with each meter, at each port that nobody holds
    network    whether market and grid operator are there, prove their keys and answer; `witness` the other servers

Nothing is changed, nothing is asked that a wrong hand could misuse, and each look has a time limit. Every finding that
is not fine names the next step.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from firmware_app.config import keys
from firmware_app.config.check import Checked
from firmware_app.config.load import ConfigError
from firmware_app.config.schema import MeterSection
from firmware_app.management.in_force import check_in_force
from firmware_app.meters.bus_part import bus_of, encryption_of
from firmware_app.meters.desk import by_port
from firmware_app.status import wording
from firmware_app.status.checks import Check
from firmware_app.status.findings import FREE_DISK
from firmware_app.store.device_store import FILE_NAME
from meter_io.bus.driver import drive, monotonic_ms
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import MeterError
from meter_io.ports.busy import holders
from meter_io.profiles.model import TelegramForm
from meter_io.pulse.counter import PulseInput

LIMIT_S: Final = 5.0
"""Of one look."""
_TELEGRAM_S: Final = 11.0
"""Of waiting for a meter that sends every ten seconds."""
_PRIVATE: Final = 0o077
T = TypeVar("T")
Look = Callable[[], Iterator[Check]]


@dataclass(frozen=True, slots=True)
class Closely:
    """Looks at what one configuration names."""

    found: Checked

    def looks(self) -> Mapping[str, Look]:
        """Id of a check -> what does it."""
        return {
            "store": self.store,
            "keys": self.keys,
            "meter": self.meters,
            "network": self.network,
            "witness": self.witness,
        }

    # -- store ---------------------------------------------------------------------------------------------------------

    def store(self) -> Iterator[Check]:
        """History and market file, and the room around them."""
        folder = self.found.folder
        if not folder.is_dir():
            yield _fail("store", f"there is no folder {folder}", f"gridlight enroll {self.found.path}")
            return
        free = os.statvfs(folder)
        free_bytes = free.f_bavail * free.f_frsize
        if free_bytes < FREE_DISK:
            yield _warn(
                "store",
                f"only {wording.size(free_bytes)} are free in {folder}",
                "delete files that are not the meter's",
            )
        for path in (folder / FILE_NAME, self.found.store):
            yield _within("store", lambda path=path: _file(path, free_bytes))  # type: ignore[misc]

    # -- keys ----------------------------------------------------------------------------------------------------------

    def keys(self) -> Iterator[Check]:
        """Secrets of the device: by their permissions first, since another user may be asking."""
        folder = self.found.folder
        for path in (folder / keys.IDENTITY, folder / keys.SEED):
            yield _key(path, folder, self.found.path)

    # -- meters --------------------------------------------------------------------------------------------------------

    def meters(self) -> Iterator[Check]:
        """One round with each meter."""
        for port, sections in by_port(self.found.config.meter).items():
            others = holders(Path(port)) if port.startswith("/") else []
            if others:
                names = ", ".join(section.name for section in sections)
                yield Check(
                    name="meter",
                    state="-",
                    found=f"{names}: not tried: {port} is held by {', '.join(others)}",
                    next=f"end {others[0]}, or ask it",
                )
                continue
            yield from self._port(port, sections)

    def _port(self, port: str, sections: tuple[MeterSection, ...]) -> Iterator[Check]:
        wiring = self.found.wirings[sections[0].name]
        if isinstance(wiring.profile.form, PulseInput):
            yield _pulse_input(sections[0], port)
            return
        pushes = isinstance(wiring.profile.form, TelegramForm)
        limit_s = _TELEGRAM_S if pushes else LIMIT_S
        try:
            heard = _in_time(lambda: self._rounds(sections, limit_s), limit_s + 1.0)
        except MeterError as error:
            heard = {section.name: error for section in sections}
        except TimeoutError:
            heard = {}
        for section in sections:
            yield self._told(section, heard.get(section.name), limit_s)

    def _rounds(self, sections: tuple[MeterSection, ...], limit_s: float) -> dict[str, Round | MeterError]:
        """Drive the bus until every meter on it has had its turn."""
        heard: dict[str, Round | MeterError] = {}
        end_ms = monotonic_ms() + int(limit_s * 1_000)

        def report(what: Round | Failed | Broken) -> None:
            if isinstance(what, Broken):
                heard.update((section.name, what.error) for section in sections)
            elif isinstance(what, Round):
                heard[what.meter] = what
            else:
                heard.setdefault(what.meter, what.error)

        wirings = self.found.wirings
        with encryption_of(sections[0], self.found.path.parent, self.found.folder, keep=False) as decryptor:
            drive(
                bus_of(sections, wirings, decryptor),
                wirings[sections[0].name].port(),
                report=report,
                stopped=lambda: len(heard) == len(sections) or monotonic_ms() > end_ms,
            )
        return heard

    def _told(self, section: MeterSection, what: Round | MeterError | None, limit_s: float) -> Check:
        wiring = self.found.wirings[section.name]
        title = f"{section.name}: {wiring.profile.title} on {wiring.where}"
        if isinstance(what, Round):
            took = what.ended_ms - what.began_ms
            return _ok("meter", f"{title}: {len(what.said.values)} values in {took} ms")
        closer = f"gridlight doctor --port {section.port} --profile {section.profile}"
        if what is None:
            return _fail("meter", f"{title}: nothing came within {limit_s:g} s", closer)
        return _fail("meter", f"{title}: {what.sentence}", what.hint or closer)

    # -- tier ----------------------------------------------------------------------------------------------------------

    def network(self) -> Iterator[Check]:
        """The server that is followed, and the grid operator."""
        from firmware_app.status.reaching import reach  # noqa: PLC0415 - ZeroMQ: only where it is asked for

        market, genesis = self.found.config.market, self.found.genesis
        yield reach("network", "market", market.server[0], genesis)
        yield reach("network", "management", market.dso, genesis)

    def witness(self) -> Iterator[Check]:
        """The other servers."""
        from firmware_app.status.reaching import reach  # noqa: PLC0415 - as above

        for server in self.found.config.market.server[1:]:
            yield reach("witness", "witness", server, self.found.genesis)


def closely(path: Path) -> Mapping[str, Look]:
    """Looks at what the configuration in force names; none where it cannot be used, which a check of its own tells."""
    try:
        return Closely(check_in_force(path)).looks()
    except ConfigError:
        return {}


def _file(path: Path, free_bytes: int) -> Check:
    """One database, held against itself."""
    if not path.exists():
        return Check(
            name="store", state="-", found=f"{path.name}: not there yet", next="systemctl start gridlight"
        )
    size = wording.size(path.stat().st_size)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            newest = (
                database.execute("SELECT max(at_ms) FROM readings").fetchone()[0]
                if _has_readings(database)
                else None
            )
    except sqlite3.OperationalError as error:
        return _warn(
            "store",
            f"{path.name}: cannot be read: {error}",
            f"sudo -u gridlight gridlight doctor; ls -l {path}",
        )
    except sqlite3.DatabaseError as error:
        verdict, newest = str(error), None
    if verdict != "ok":
        step = (
            "systemctl start gridlight: it salvages the file row by row, and keeps the damaged one beside it"
        )
        return _fail("store", f"{path.name}: damaged: {verdict}", step)
    age = (
        ""
        if newest is None
        else f", newest reading {wording.span(max(0, time.time_ns() // 1_000_000 - newest))} old"
    )
    return _ok("store", f"{path.name}: {size}, whole{age}; {wording.size(free_bytes)} free")


def _has_readings(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT count(*) FROM sqlite_master WHERE name='readings'").fetchone()
    return bool(found[0])


def _key(path: Path, folder: Path, document: Path) -> Check:
    """One secret; what it holds is told to nobody."""
    try:
        status, owner = path.stat(), folder.stat().st_uid
    except FileNotFoundError:
        return _fail(
            "keys", f"{path} is missing", f"gridlight enroll {document}, or restore it from a backup"
        )
    except OSError as error:
        return _warn(
            "keys", f"{path} cannot be looked at: {error.strerror}", "sudo gridlight doctor --only keys"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & _PRIVATE:
        step = f"chmod 600 {path}; if somebody may have read it, enrol anew"
        return _fail("keys", f"{path} is open to others: mode {mode:o}, expected 600", step)
    if status.st_uid != owner:
        step = f"chown {owner} {path}"
        return _fail("keys", f"{path} belongs to user {status.st_uid}, its folder to {owner}", step)
    if status.st_uid == os.geteuid():
        try:
            keys.check(path)
        except keys.KeysError as error:
            return _fail("keys", str(error), "restore it from a backup")
    return _ok("keys", f"{path.name}: mode {mode:o}, of the folder's owner")


def _pulse_input(section: MeterSection, port: str) -> Check:
    """A wire that is at rest says nothing: only whether it is there can be told."""
    chip = Path(port.partition(":")[0])
    if not chip.exists():
        return _fail(
            "meter", f"{section.name}: there is no {chip}", "gpiodetect and gpioinfo list chips and lines"
        )
    if not os.access(chip, os.R_OK):
        return _fail(
            "meter", f"{section.name}: {chip} may not be read", "the user has to be in the group gpio"
        )
    return _ok("meter", f"{section.name}: {port} is there; whether pulses come, only time tells")


def _within(name: str, look: Callable[[], Check]) -> Check:
    """A look with a time limit."""
    try:
        return _in_time(look, LIMIT_S)
    except TimeoutError:
        return _warn(name, f"no answer within {LIMIT_S:g} s", "is the disk failing? dmesg tells")


def _in_time(work: Callable[[], T], limit_s: float) -> T:
    """The result of some work, which is left behind if it takes too long.

    Raises:
        TimeoutError: it did.
        Exception: whatever the work raised.
    """
    results: queue.Queue[tuple[bool, Any]] = queue.Queue()

    def run() -> None:
        try:
            results.put((True, work()))
        except Exception as error:  # noqa: BLE001 - it is raised again where somebody waits
            results.put((False, error))

    threading.Thread(target=run, daemon=True, name="look").start()
    try:
        good, result = results.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError from None
    if not good:
        raise result
    done: T = result
    return done


def _ok(name: str, found: str) -> Check:
    return Check(name=name, state="ok", found=found)


def _warn(name: str, found: str, step: str) -> Check:
    return Check(name=name, state="warn", found=found, next=step)


def _fail(name: str, found: str, step: str) -> Check:
    return Check(name=name, state="FAIL", found=found, next=step)
