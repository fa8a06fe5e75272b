"""A device's folder, the lives of the program on it, and a disk whose power is cut."""

from __future__ import annotations

from pathlib import Path

from firmware_app.fleet.events import Health, Offered, Tick
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.verification import Clock
from firmware_app.management.in_force import check_in_force
from firmware_app.management.steward import enter
from firmware_app.store.files import Files
from tests.firmware_app.fleet.world import NOW_MS, bundle, delta, signed
from tests.firmware_app.management.kit import enrolled

PLAN = RolloutPlan(window_ms=60_000, hold_ms=10_000)


class Cut(Exception):
    """The power is gone."""


class CutFiles(Files):
    """A disk whose power is cut before a given system call; what was not synced may be there or not."""

    def __init__(self) -> None:
        self.left: int | None = None

    def _step(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Cut
            self.left -= 1

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def extend(self, path: Path) -> int:
        self._step()
        return super().extend(path)

    def cut(self, descriptor: int, size: int) -> None:
        self._step()
        super().cut(descriptor, size)

    def write(self, descriptor: int, data: bytes) -> int:
        self._step()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self._step()
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


class World:
    """A device's folder, and the lives of the program on it."""

    def __init__(self, folder: Path) -> None:
        self.path = enrolled(folder)
        self.now_ms = 0
        self.files = CutFiles()
        self.begin()

    def begin(self) -> None:
        """The program starts."""
        self.files.left = None
        self.found, steward = enter(self.path, monotonic_ms=lambda: self.now_ms, board="test-board")
        assert steward is not None
        self.steward = steward
        steward._file = MemoryFile(self.found.folder / "fleet" / "memory", self.files)
        steward._clock = lambda: Clock(utc_ms=NOW_MS + self.now_ms)

    def offer(self, raw: bytes) -> None:
        self.now_ms += 1_000
        self.steward.take(Offered(raw=raw))

    def settle(self, problem: str = "") -> None:
        """The device runs by what is wanted; as `gridlight run` does, by beginning anew."""
        while self.steward.wanted is not None:
            self.steward.applied(problem)
            problem = ""

    def live(self, seconds: int, problem: str = "") -> None:
        for _ in range(seconds):
            self.now_ms += 1_000
            self.steward.take(Health(problem=problem))
            self.steward.take(Tick())
            self.settle()

    @property
    def lot_wh(self) -> int:
        """What tells the configurations apart: of the one that a start now would run by."""
        return check_in_force(self.path).config.privacy.lot_wh


def lot(version: int, lot_wh: int) -> bytes:
    """A bundle that sets it."""
    return signed(bundle(version, delta(("privacy.lot_wh", lot_wh)), plan=PLAN))
