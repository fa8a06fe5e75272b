"""The history and its outbox, put to the proof: at work, at their quota, and salvaged from a damaged file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from firmware_app.store.database import PAGE_BYTES
from firmware_app.store.device_store import FILE_NAME, DeviceStore
from firmware_app.store.opening import Found
from firmware_app.store.outbox import Message
from firmware_app.store.params import Room, StoreParams
from firmware_app.store.rows import EventRow, ReadingRow, TradeRow
from light_client.rules.units import Side
from testbed.powercut.campaign import History, Stage, integrity

_ROUNDS: Final = 24
_READINGS: Final = 6
"""In each round."""
_BOOT: Final = "b" * 32
_HOUR_MS: Final = 3_600_000
_START_MS: Final = 1_800_000_000_000
_REOPEN_EVERY: Final = 10
_QUOTA_KB: Final = 40
"""Little more than the empty tables need."""
_DELIVERED: Final = 1_000
"""Added to a message's number when it is its delivery that is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallParams(StoreParams):
    """A store that reaches its quota, and folds its log in, within a few rounds."""

    file_kb: int
    log_pages: int = 16

    @property
    def room(self) -> Room:
        """What is for what."""
        return Room(file_bytes=self.file_kb << 10, log_pages=self.log_pages)


class _Clock:
    """Stands still, unless it is told the time."""

    def __init__(self) -> None:
        self.now_ms = 0

    def utc_ms(self) -> int:
        """UTC, ms."""
        return _START_MS + self.now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since the start."""
        return self.now_ms


class RingSubject:
    """Rounds of readings, a trade and a kept value, each round one commit, until old ones have to leave."""

    name = "ring"
    make = DeviceStore
    """What is opened."""
    quota_kb = _QUOTA_KB

    def __init__(self, rounds: int = _ROUNDS) -> None:
        self._rounds = rounds

    def prepare(self, folder: Path) -> None:
        """Nothing is there."""

    def open(self, stage: Stage, clock: _Clock) -> DeviceStore:
        """Open the store as the device does."""
        params = SmallParams(file_kb=self.quota_kb)
        return self.make(
            stage.folder, params, clock=clock, boot_id=_BOOT, files=stage.files, counter=lambda: None
        )

    def play(self, stage: Stage) -> None:
        """Write rounds, closing the file now and then."""
        clock = _Clock()
        store = self.open(stage, clock)
        for number in range(self._rounds):
            if number % _REOPEN_EVERY == _REOPEN_EVERY - 1:
                store.close()
                store = self.open(stage, clock)
            clock.now_ms += _HOUR_MS
            stage.trying(number)
            if write_round(store, number, clock.utc_ms()):
                stage.promised(number)
        store.close()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """Whole rounds, none missing in between, the newest neither older than promised nor newer than tried."""
        store = self.open(stage, _Clock())
        found = _soundness(store)
        kept = store.kept("meter/house")
        newest = -1 if kept is None else int(kept)
        if not history.last_promised <= newest <= history.last_tried:
            found.append(
                f"round {newest} is the newest, promised {history.last_promised}, tried {history.last_tried}"
            )
        trades = [trade.offer_id for trade in store.newest(TradeRow, 10_000)]
        if trades != list(range(newest + 1 - len(trades), newest + 1)) or (newest >= 0 and not trades):
            found.append(f"trades of rounds {trades}, expected all up to {newest}")
        readings = [reading.import_j or 0 for reading in store.newest(ReadingRow, 10_000)]
        wanted = [number * _READINGS + place for number in range(newest + 1) for place in range(_READINGS)]
        if readings != wanted[len(wanted) - len(readings) :] or (newest >= 0 and not readings):
            found.append(f"{len(readings)} readings that are not the newest of {len(wanted)}")
        store.close()
        return found + integrity(stage.folder / FILE_NAME)


def write_round(store: DeviceStore, number: int, at_ms: int) -> bool:
    """Write one round; returns whether it was promised to be durable."""
    for place in range(_READINGS):
        value = number * _READINGS + place
        store.record(
            ReadingRow(at_ms=at_ms + place, meter="house", import_j=value, export_j=0, power_mw=None)
        )
    store.keep("meter/house", b"%d" % number)
    return store.record(
        TradeRow(
            at_ms=at_ms,
            address=bytes(20),
            offer_id=number,
            side=Side.SELL,
            interval=number,
            energy_j=3_600,
            amount_uc=1,
            height=number + 1,
        )
    )


def _soundness(store: DeviceStore) -> list[str]:
    """Whether a power cut alone has damaged the file, or keeps it from being written."""
    found = [f"cannot be written: {store.fault}"] if store.fault else []
    return found + (["the file is damaged"] if store.found is Found.DAMAGED else [])


class OutboxSubject(RingSubject):
    """Messages are put in and delivered, and must never be lost in between."""

    name = "outbox"

    def play(self, stage: Stage) -> None:
        """Put messages for two destinations; deliver some, which a later commit makes durable."""
        clock = _Clock()
        store = self.open(stage, clock)
        for number in range(self._rounds):
            if number % _REOPEN_EVERY == _REOPEN_EVERY - 1:
                store.close()
                store = self.open(stage, clock)
            stage.trying(number)
            if store.outbox.put(_message(number)):
                stage.promised(number)
            if number % 3 == 2:
                first = store.outbox.pending(_destination(number - 1), 1)
                for message in first:
                    stage.trying(_DELIVERED + int(message.key))
                    store.outbox.delivered(message.destination, [message.key])
        store.close()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """What was promised and not delivered is there, in order, whole; nothing is there that was never put."""
        store = self.open(stage, _Clock())
        found = _soundness(store)
        there = [
            message
            for way in (_destination(0), _destination(1))
            for message in store.outbox.pending(way, 10_000)
        ]
        numbers = [int(message.key) for message in there]
        gone = {what - _DELIVERED for what in history.tried if what >= _DELIVERED}
        put = {what for what in history.tried if what < _DELIVERED}
        lost = sorted(set(history.promised) - gone - set(numbers))
        if lost:
            found.append(f"messages {lost} are lost")
        if set(numbers) - put:
            found.append(f"messages {sorted(set(numbers) - put)} were never put")
        if numbers != sorted(numbers, key=lambda number: (number % 2, number)):
            found.append(f"messages out of order: {numbers}")
        if any(message.body != _message(int(message.key)).body for message in there):
            found.append("a message is not what it was")
        store.close()
        return found + integrity(stage.folder / FILE_NAME)


def _destination(number: int) -> str:
    return ("operator", "tier")[number % 2]


def _message(number: int) -> Message:
    return Message(
        destination=_destination(number),
        key=str(number),
        kind="report",
        body=b"%d " % number * 40,
        at_ms=_START_MS,
    )


class SalvageSubject(RingSubject):
    """A start that finds a damaged page: cut anywhere, the next start goes on, and keeps what could be read."""

    name = "salvage"
    quota_kb = 256

    def prepare(self, folder: Path) -> None:
        """Write rounds, let the power fail after the last one, and overwrite a page in the middle of the readings."""
        clock = _Clock()
        with TemporaryDirectory() as name:
            stage = Stage(Path(name))
            store, page = self.open(stage, clock), 0
            for number in range(self._rounds):
                if number == self._rounds - 1:
                    store.close()
                    page = page_of(stage.folder / FILE_NAME)
                    store = self.open(stage, clock)
                clock.now_ms += _HOUR_MS
                write_round(store, number, clock.utc_ms())
            store.outbox.put(_message(0))
            for path in stage.folder.iterdir():  # as the disk is while the store is open: with a log
                (folder / path.name).write_bytes(path.read_bytes())
            store.close()
        self.damage(folder / FILE_NAME, page)

    def damage(self, path: Path, page: int) -> None:
        """Overwrite a page."""
        content = bytearray(path.read_bytes())
        content[page : page + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
        path.write_bytes(content)

    def play(self, stage: Stage) -> None:
        """Start, which salvages, and write one round more."""
        clock = _Clock()
        clock.now_ms = (self._rounds + 1) * _HOUR_MS
        store = self.open(stage, clock)
        stage.trying(self._rounds)
        if write_round(store, self._rounds, clock.utc_ms()):
            stage.promised(self._rounds)
        store.close()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """All trades, messages and values, most readings, and a record of the gap."""
        store = self.open(stage, _Clock())
        found = [f"cannot be written: {store.fault}"] if store.fault else []
        trades = {trade.offer_id for trade in store.newest(TradeRow, 10_000)}
        lost = (set(range(self._rounds)) | set(history.promised)) - trades
        if lost:
            found.append(f"trades {sorted(lost)} are lost")
        readings = {reading.import_j for reading in store.newest(ReadingRow, 10_000)}
        if len(readings) < self._rounds * _READINGS - 64:
            found.append(f"only {len(readings)} readings are left")
        if [message.key for message in store.outbox.pending(_destination(0))] != ["0"]:
            found.append("the message is lost")
        if store.kept("meter/house") not in {b"%d" % (self._rounds - 1), b"%d" % self._rounds}:
            found.append("the kept value is lost")
        if not any(event.name == "store.salvaged" for event in store.newest(EventRow, 100)):
            found.append("nothing tells of the gap")
        store.close()
        return found + integrity(stage.folder / FILE_NAME)


class HeadlessSubject(SalvageSubject):
    """A start that finds a file without its first page, so that nothing can be read."""

    name = "headless"

    def damage(self, path: Path, page: int) -> None:  # noqa: ARG002 - always the first one
        """Overwrite the first page, whatever page is asked for; the log would heal it, and is gone too."""
        super().damage(path, 0)
        path.with_name(f"{path.name}-wal").unlink()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """The store works, holds what was written since, and nothing else; and it says so."""
        store = self.open(stage, _Clock())
        found = [f"cannot be written: {store.fault}"] if store.fault else []
        trades = {trade.offer_id for trade in store.newest(TradeRow, 10_000)}
        if not set(history.promised) <= trades <= set(history.tried):
            found.append(f"trades {sorted(trades)}, promised {history.promised}, tried {history.tried}")
        if not any(event.name == "store.salvaged" for event in store.newest(EventRow, 100)):
            found.append("nothing tells of the gap")
        store.close()
        return found + integrity(stage.folder / FILE_NAME)


def page_of(path: Path, table: str = "readings") -> int:
    """Where in the file a page lies that holds rows from the middle of a table."""
    with sqlite3.connect(path) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name=?", (table,)).fetchone()
    connection.close()
    content = path.read_bytes()
    start = (root - 1) * size
    while content[start] == _INTERIOR:
        cells = int.from_bytes(content[start + 3 : start + 5], "big")
        pointer = start + 12 + cells // 2 * 2
        cell = start + int.from_bytes(content[pointer : pointer + 2], "big")
        start = (int.from_bytes(content[cell : cell + 4], "big") - 1) * size
    return int(start)


_INTERIOR: Final = 5
"""First byte of a page above others. Source: https://www.sqlite.org/fileformat2.html#b_tree_pages."""
