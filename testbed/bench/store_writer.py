"""One contender of the storage bench, in a process of its own: writes a day's rows and says what that cost.

Usage: python -m testbed.bench.store_writer CONTENDER READINGS
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import (
    Answer,
    HeaderRow,
    IntervalRow,
    OfferRow,
    ReadingRow,
    TradeRow,
    VerdictRow,
)
from firmware_app.store.tables import READINGS
from firmware_app.store.written import bytes_written
from light_client.rules.units import Side
from meter_io.span import Basis

OURS: Final = "gridlight"
_START_MS: Final = 1_800_000_000_000
_EVERY_MS: Final = 10_000
_INTERVAL_MS: Final = 900_000
_METERS: Final = ("house", "pv")


class _Clock:
    def __init__(self) -> None:
        self.now_ms = 0

    def utc_ms(self) -> int:
        return _START_MS + self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms


def _reading(number: int, at_ms: int) -> ReadingRow:
    return ReadingRow(
        at_ms=at_ms,
        meter=_METERS[number % 2],
        import_j=12_345_678_900 + 700 * number,
        export_j=number * 31,
        power_mw=1_234_567 + number % 977,
    )


def ours(folder: Path, rows: int) -> int:
    """The device's store with the whole workload; returns how many readings it kept."""
    clock = _Clock()
    store = DeviceStore(folder, StoreParams(), clock=clock, boot_id="bench")
    for number in range(rows):
        if number % 2 == 0:
            clock.now_ms += _EVERY_MS
        store.record(_reading(number, clock.utc_ms()))
        if number % 2 and clock.now_ms % 300_000 == 0:
            store.record(_header(clock))
        if number % 2 and clock.now_ms % _INTERVAL_MS == 0:
            _end_interval(store, clock)
        store.commit_if_due()
    store.close()
    with_all = DeviceStore(folder, StoreParams(), clock=clock, boot_id="bench")
    kept = len(with_all.newest(ReadingRow, 2 * rows))
    with_all.close()
    return kept


def _header(clock: _Clock) -> HeaderRow:
    height = clock.now_ms // 300_000
    return HeaderRow(
        at_ms=clock.utc_ms(),
        height=height,
        header_hash=height.to_bytes(32, "big"),
        interval=height // 3,
        clearing="proven",
        level="whole solutions",
    )


def _end_interval(store: DeviceStore, clock: _Clock) -> None:
    """What happens when an interval is over: energies, every few hours a trade, every second hour a message."""
    number, at_ms = clock.now_ms // _INTERVAL_MS, clock.utc_ms()
    store.keep("meter/house", number.to_bytes(8, "big") * 60)
    intervals = [
        IntervalRow(
            at_ms=at_ms,
            meter=meter,
            interval=number,
            import_j=63_000,
            export_j=2_800,
            basis=Basis.MEASURED,
            covered_ms=_INTERVAL_MS,
        )
        for meter in _METERS
    ]
    store.record(*intervals)
    if number % 16 == 0:
        address = number.to_bytes(20, "big")
        store.record(
            OfferRow(
                at_ms=at_ms,
                address=address,
                side=Side.SELL,
                energy_j=36_000,
                first_interval=number + 4,
                last_interval=number + 8,
                price_uc_per_kwh=150_000,
                stage="posted",
            )
        )
        store.record(
            TradeRow(
                at_ms=at_ms,
                address=address,
                offer_id=number,
                side=Side.SELL,
                interval=number,
                energy_j=36_000,
                amount_uc=1_500,
                height=number,
            ),
            VerdictRow(at_ms=at_ms, height=number, interval=number, answer=Answer.ACCEPTED),
        )
    if number % 8 == 0:
        store.outbox.put(
            Message(destination="operator", key=str(number), kind="delivery", body=bytes(400), at_ms=at_ms)
        )
    if number % 8 == 4:
        waiting = store.outbox.pending("operator")
        store.outbox.delivered("operator", [message.key for message in waiting])


def each_row(folder: Path, rows: int) -> int:
    """SQLite as many programs use it: WAL, full sync, the usual page size, a commit for each reading."""
    connection = sqlite3.connect(folder / "naive.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(READINGS.create)
    for number in range(rows):
        connection.execute(
            READINGS.insert, READINGS.values(_reading(number, _START_MS + number // 2 * _EVERY_MS))
        )
    (kept,) = connection.execute("SELECT count(*) FROM readings").fetchone()
    connection.close()
    return int(kept)


def tinydb(folder: Path, rows: int) -> int:
    """TinyDB with its default storage, a document for each reading."""
    from tinydb import TinyDB  # noqa: PLC0415 - so that the memory of the others is without it

    database = TinyDB(folder / "tiny.json")
    for number in range(rows):
        row = _reading(number, _START_MS + number // 2 * _EVERY_MS)
        database.insert(dict(zip(READINGS.columns, READINGS.values(row), strict=True)))
    kept = len(database)
    database.close()
    return kept


CONTENDERS: Final[dict[str, Callable[[Path, int], int]]] = {
    OURS: ours,
    "each row": each_row,
    "tinydb": tinydb,
}
"""By name, ours first."""


def peak_kb() -> int:
    """Most memory that this process ever had resident, kB; unlike `ru_maxrss` it begins anew with the program."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main(name: str, rows: int) -> dict[str, Any]:
    """Let a contender write, in a folder of its own below the present one."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-store-") as folder:
        before, began = bytes_written() or 0, perf_counter()
        kept = CONTENDERS[name](Path(folder), rows)
        wall_s = perf_counter() - began
        written = (bytes_written() or 0) - before
    return {
        "contender": name,
        "rows": rows,
        "kept": kept,
        "written_bytes": written,
        "wall_s": wall_s,
        "resident_kb": peak_kb(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
