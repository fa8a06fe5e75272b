"""What the tests of the store share: a clock that is set, rows to store, and a disk that fails on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EIO, ENOSPC, EROFS
from pathlib import Path

from firmware_app.store.device_store import DeviceStore
from firmware_app.store.files import Files
from firmware_app.store.params import Room, StoreParams
from firmware_app.store.rows import ReadingRow, TradeRow
from light_client.rules.units import Side
from testbed.powercut.vfs import OK, watched

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
FULL, IO_WRITE, IO_SYNC = 13, 10 | 3 << 8, 10 | 4 << 8
"""SQLite's codes. Source: https://www.sqlite.org/rescode.html."""


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.trusted = True

    def utc_ms(self) -> int | None:
        return START_MS + self.now_ms if self.trusted else None

    def monotonic_ms(self) -> int:
        return self.now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class KilobyteParams(StoreParams):
    """Parameters with a quota smaller than anybody may configure."""

    file_kb: int = 1_000

    @property
    def room(self) -> Room:
        return Room(file_bytes=self.file_kb << 10, log_pages=100)


def opened(
    folder: Path,
    clock: Clock,
    params: StoreParams | None = None,
    *,
    boot_id: str = "boot-1",
    files: Files | None = None,
) -> DeviceStore:
    """A store whose kernel counts nothing."""
    return DeviceStore(
        folder,
        params or StoreParams(),
        clock=clock,
        boot_id=boot_id,
        files=files,
        counter=lambda: None,
    )


def reading(number: int, at_ms: int | None = START_MS, **changes: object) -> ReadingRow:
    """A reading whose import counter is its number."""
    row = {"meter": "house", "import_j": number, "export_j": 0, "power_mw": 1_000, **changes}
    return ReadingRow(at_ms=at_ms, **row)  # type: ignore[arg-type]


def trade(number: int, at_ms: int = START_MS) -> TradeRow:
    """A trade of an interval with this number."""
    return TradeRow(
        at_ms=at_ms,
        address=bytes(20),
        offer_id=number,
        side=Side.SELL,
        interval=number,
        energy_j=3_600,
        amount_uc=number,
        height=number + 1,
    )


class FailingDisk:
    """Watches SQLite, and refuses to change anything while `code` is set; `Files` of the same disk fail alike."""

    def __init__(self) -> None:
        self.code = OK
        self.asked = 0
        self.fails_at: dict[int, int] = {}
        """Operation -> the code that it alone gets."""

    def _answer(self) -> int:
        self.asked += 1
        return self.fails_at.get(self.asked, self.code)

    def opened(self, name: str, *, created: bool) -> int:
        return 0

    def write(self, handle: int, offset: int, data: bytes) -> int:
        return self._answer()

    def truncate(self, handle: int, size: int) -> int:
        return self._answer()

    def sync(self, handle: int) -> int:
        return self._answer()

    def unlink(self, name: str) -> int:
        return self._answer()

    def sync_folder(self) -> int:
        return self._answer()


class FailingFiles(Files):
    """Fails like its disk does."""

    def __init__(self, disk: FailingDisk) -> None:
        self._disk = disk

    def _check(self) -> None:
        code = self._disk.code
        if code != OK:
            raise OSError({FULL: ENOSPC, IO_WRITE: EIO}.get(code, EROFS), "the disk fails")

    def create(self, path: Path) -> int:
        self._check()
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self._check()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._check()
        super().sync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self._check()
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self._check()
        super().remove(path)


@contextmanager
def failing_disk(folder: Path) -> Iterator[FailingDisk]:
    """A folder on a disk that fails on request."""
    disk = FailingDisk()
    with watched(folder, disk):
        yield disk
