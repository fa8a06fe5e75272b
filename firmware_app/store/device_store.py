"""The front of the store: rows go in and come out, and a failing disk never stops the board.

| the disk                    | rows                                            | told by                             |
|-----------------------------|-------------------------------------------------|-------------------------------------|
| works                       | urgent ones at once with all that waits, others | nothing                             |
|                             | after `commit_s`                                |                                     |
| is full, read-only, failing | wait in memory, `memory_rows` of them           | event `store.failing`, status       |
| works again                 | are written, nothing has to be done             | event `store.resumed`               |
| holds a damaged file        | salvaged; the damaged file is kept aside        | event `store.salvaged`              |
| has reached the quota       | the oldest leave (`ring.py`)                    | event `store.shortened`, once a day |
| would lose messages         | the oldest leave                                | event `outbox.dropped`              |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

from firmware_app.store.database import OUTBOX, PAGE_BYTES, Database, StoreFullError
from firmware_app.store.files import Files
from firmware_app.store.opening import Found, open_ring
from firmware_app.store.outbox import Outbox
from firmware_app.store.params import StoreParams
from firmware_app.store.ring import DAY_MS, Left, Ring
from firmware_app.store.rows import EventRow, Row
from firmware_app.store.status import StoreStatus
from firmware_app.store.tables import BY_ROW, READINGS, TABLES
from firmware_app.store.waiting import Waiting
from firmware_app.store.written import Written, bytes_written
from light_client.rules.errors import LocalError
from light_client.store.errors import StoreBusyError, StoreDamagedError, StoreError

FILE_NAME: Final = "history.sqlite"
_RETRY_MS: Final = 5_000
_MAX_RETRY_MS: Final = 300_000
"""A failing disk is tried again after the first of these times, doubled up to the second."""
_KEEP_BOOTS: Final = 64
_MAX_VALUE_BYTES: Final = 256 << 10

R = TypeVar("R", bound=Row)
Answer = TypeVar("Answer")


class StoreClock(Protocol):
    """The board's clocks."""

    def utc_ms(self) -> int | None:
        """UTC, ms; None while it is not trusted."""

    def monotonic_ms(self) -> int:
        """Milliseconds since the board's start."""


class DeviceStore:
    """History, outbox and values of one board. Close it, or use `close`; not for use by several threads."""

    def __init__(
        self,
        folder: Path,
        params: StoreParams,
        *,
        clock: StoreClock,
        boot_id: str,
        files: Files | None = None,
        counter: Callable[[], int | None] = bytes_written,
    ) -> None:
        """Open the file in a folder, whatever became of it; where the disk cannot be used, begin in memory.

        Args:
            folder: exists; the file in it is `history.sqlite`.
            params: days, quota, how often to write.
            clock: the board's clocks.
            boot_id: the same for every start of this program between two starts of the board.
            files: the system calls; the real ones if not given.
            counter: bytes that this process has had the disk write.

        Raises:
            StoreBusyError: another process has the file.
        """
        self.path: Final = folder / FILE_NAME
        self._params = params
        self._clock = clock
        self._boot_id = boot_id
        self._files = files or Files()
        self._waiting = Waiting(params.memory_rows)
        self._written = Written(counter)
        self._database: Database | None = None
        self._fault = ""
        self._try_at_ms = 0
        self._retry_ms = _RETRY_MS
        self._committed_ms = clock.monotonic_ms()
        self._expired_day: int | None = None
        self._expiring_day: int | None = None
        """UTC days: rows that were too old left then, and are leaving in the present transaction."""
        self._shortened: dict[str, int] = {}
        """Table -> UTC day of the last event that told of it."""
        self._offset_ms: int | None = None
        """Of UTC against the monotonic clock, for rows in the file that have no time yet."""
        self._has_salvaged = False
        """Whether the event that tells of it belongs to no start yet."""
        self.found: Found | None = None
        """In which state the file was; None as long as it could not be opened."""
        self.outbox: Final = Outbox(lambda: self._database, self.commit, params.outbox_mb * 1_000_000)
        try:
            self._open()
        except StoreBusyError:
            raise
        except StoreError as error:
            self._failed(error)

    # -- in ------------------------------------------------------------------------------------------------------

    def record(self, *rows: Row) -> bool:
        """Take rows; returns whether they are on the disk, as urgent ones are unless it fails."""
        for row in rows:
            self._waiting.add(row)
        return self.commit() if any(BY_ROW[type(row)].urgent for row in rows) else False

    def hold(self, *rows: Row) -> None:
        """Take rows that can be had again after a power cut: they go with the next commit, whatever their kind."""
        for row in rows:
            self._waiting.add(row)

    def event(self, name: str, detail: str = "") -> None:
        """Record that something happened now; it is written with the next commit."""
        self._waiting.add(self._event(name, detail))

    def _event(self, name: str, detail: str) -> EventRow:
        utc_ms = self._clock.utc_ms()
        monotonic_ms = self._clock.monotonic_ms() if utc_ms is None else None
        return EventRow(at_ms=utc_ms, monotonic_ms=monotonic_ms, name=name, detail=detail)

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value under a name, durable in the same instant as the rows recorded before the next commit.

        Raises:
            LocalError: the value is too large.
        """
        if len(value) > _MAX_VALUE_BYTES:
            raise LocalError("a kept value", got=len(value), expected=f"at most {_MAX_VALUE_BYTES} bytes")
        self._waiting.kept[name] = value

    def restamp(self, offset_ms: int) -> None:
        """Give all rows since the board's start their UTC time, now that the clock is trusted.

        Args:
            offset_ms: UTC less the monotonic clock, ms.
        """
        self._waiting.restamp(offset_ms)
        self._offset_ms = offset_ms
        self.commit()

    def commit_if_due(self) -> bool:
        """Write what waits if it has waited long enough; returns whether it did write."""
        waited_ms = self._clock.monotonic_ms() - self._committed_ms
        return (bool(self._fault) or waited_ms >= self._params.commit_s * 1_000) and self.commit()

    def commit(self) -> bool:
        """Write all that waits; returns whether everything is on the disk. Never raises for a failing disk."""
        now_ms = self._clock.monotonic_ms()
        if self._fault and now_ms < self._try_at_ms:
            return False
        self._written.look(self._clock.utc_ms())
        if not self._has_work() and not self._fault:
            self._committed_ms = now_ms
            return True
        try:
            self._write_all()
        except StoreDamagedError:
            self._let_go()
            return self._retried()
        except StoreError as error:
            self._failed(error)
            return False
        self._done(now_ms)
        return True

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._try_at_ms = 0
        self._written.hurry()
        self.commit()
        self._let_go()

    # -- out -----------------------------------------------------------------------------------------------------

    def newest(self, row: type[R], count: int) -> list[R]:
        """The newest rows of a kind, oldest of them first, those included that still wait."""
        table = BY_ROW[row]
        waiting = self._waiting.of(table)
        nothing: list[Row] = []
        stored = self._asked(lambda ring: ring.newest(table, count), nothing)
        return cast("list[R]", (stored + waiting)[-count:])

    def since(self, row: type[R], from_ms: int) -> Iterator[R]:
        """Rows of a kind from a UTC time on, in the order in which they came; rows without a time are left out.

        Raises:
            StoreError: the file cannot be read to its end.
        """
        table = BY_ROW[row]
        if self._database is not None:
            yield from cast("Iterator[R]", Ring(self._database, self._params).since(table, from_ms))
        for each in self._waiting.of(table):
            if each.at_ms is not None and each.at_ms >= from_ms:
                yield cast("R", each)

    def kept(self, name: str) -> bytes | None:
        """The value kept under a name, or None."""
        if name in self._waiting.kept:
            return self._waiting.kept[name]
        query = "SELECT value FROM kept WHERE name=?"
        value = self._asked(lambda ring: ring.database.value(query, (name,)), None)
        return None if value is None else bytes(value)

    @property
    def fault(self) -> str:
        """Why the disk cannot be written; empty where it can."""
        return self._fault

    def status(self) -> StoreStatus:
        """How the store stands, for people and programs."""
        utc_ms = self._clock.utc_ms()
        self._written.look(utc_ms)
        days = self._asked(lambda ring: self._written.days(ring.database), self._written.days(None))
        return StoreStatus(
            found=self.found,
            fault=self._fault,
            waiting_rows=len(self._waiting),
            dropped_rows=self._waiting.dropped,
            memory_rows=self._params.memory_rows,
            holding=self._asked(lambda ring: ring.holding(utc_ms), None),
            written_today_bytes=None if utc_ms is None else days.get(utc_ms // DAY_MS, 0),
            written_days=days,
            outbox=self._asked(lambda _: self.outbox.waiting(), {}),
            outbox_oldest_ms=self._asked(lambda ring: ring.oldest_ms(OUTBOX), None),
        )

    def _asked(self, question: Callable[[Ring], Answer], otherwise: Answer) -> Answer:
        """Ask the file; a damaged one is salvaged first, and one that cannot be read has no answer."""
        for _ in range(2):
            if self._database is None:
                return otherwise
            try:
                return question(Ring(self._database, self._params))
            except StoreDamagedError:
                self._let_go()
                self._try_at_ms = 0
                self.event("store.damaged", "found while reading")
                self.commit()  # opens the file anew, which salvages it
            except StoreError as error:
                self._failed(error)
        return otherwise

    # -- the disk ------------------------------------------------------------------------------------------------

    def _has_work(self) -> bool:
        return (
            bool(self._waiting)
            or not self.outbox.is_settled
            or self._offset_ms is not None
            or self._written.is_due(self._clock.monotonic_ms())
        )

    def _write_all(self) -> None:
        """Write in one transaction; where the file has grown to its quota in spite of the estimate, make more room."""
        database = self._database or self._open()
        pages = self._waiting.pages(PAGE_BYTES, self.outbox.unwritten_bytes)
        try:
            self._transact(database, pages)
        except StoreFullError:
            self._written.undone()
            self._transact(database, 4 * pages + len(BY_ROW))

    def _transact(self, database: Database, pages: int) -> None:
        ring = Ring(database, self._params)
        with database.transaction():
            boot = self._boot(database)
            if self._has_salvaged:
                ring.adopt(boot)
            if self._offset_ms is not None:
                ring.restamp(boot, self._offset_ms)
            self._expire(ring)
            for left in ring.make_room(pages):
                self._tell_of(left)
            dropped = self.outbox.write(database)
            if dropped:
                self.event("outbox.dropped", f"{dropped} undelivered messages left: outbox_mb is reached")
            ring.append(self._waiting.rows(boot))
            for name, value in self._waiting.kept.items():
                database.run("INSERT OR REPLACE INTO kept (name, value) VALUES (?, ?)", (name, value))
            if self._written.is_due(self._clock.monotonic_ms()):
                self._written.write(database)

    def _boot(self, database: Database) -> int:
        """The number of the board's present start."""
        query = "SELECT number FROM boots WHERE boot_id=?"
        number: int | None = database.value(query, (self._boot_id,))
        if number is None:
            database.run("INSERT INTO boots (boot_id) VALUES (?)", (self._boot_id,))
            number = int(database.value(query, (self._boot_id,)))
            database.run("DELETE FROM boots WHERE number <= ?", (number - _KEEP_BOOTS,))
        return number

    def _expire(self, ring: Ring) -> None:
        """Let go of what is too old: readings always, since new ones take their pages, other rows once a day."""
        utc_ms = self._clock.utc_ms()
        if utc_ms is not None:
            self._expiring_day = utc_ms // DAY_MS
            ring.expire(utc_ms, (READINGS,) if self._expiring_day == self._expired_day else TABLES)

    def _tell_of(self, left: Left) -> None:
        """Record that rows left before their time: messages always, other rows once a day."""
        day = (self._clock.utc_ms() or 0) // DAY_MS
        if left.table == OUTBOX:
            self.event("outbox.dropped", f"{left.rows} undelivered messages left: the quota is reached")
        elif self._shortened.get(left.table) != day:
            self._shortened[left.table] = day
            days = self._params.days(left.table)
            self.event(
                "store.shortened",
                f"{left.table}: {left.rows} rows left before their {days} days were over: the quota of"
                f" {self._params.quota_mb} MB is reached",
            )

    def _open(self) -> Database:
        opening = open_ring(
            self.path,
            self._files,
            room=self._params.room,
            event=lambda detail: self._event("store.salvaged", detail),
        )
        self._database = opening.database
        again, self.found = self.found is not None, opening.found
        self._has_salvaged = self._has_salvaged or opening.found is Found.DAMAGED
        if opening.found is Found.CUT_OFF and not again:
            self.event("store.cut-off", "the last run ended without closing the file")
        return opening.database

    def _retried(self) -> bool:
        """After a damage: open anew, which salvages, and try once more."""
        try:
            self._write_all()
        except StoreError as error:
            self._failed(error)
            return False
        self._done(self._clock.monotonic_ms())
        return True

    def _done(self, now_ms: int) -> None:
        dropped = self._waiting.dropped
        self._waiting.clear()
        self.outbox.written()
        self._written.written(now_ms)
        self._offset_ms = None
        self._has_salvaged = False
        self._committed_ms = now_ms
        self._expired_day = self._expiring_day
        if self._fault:
            self.event("store.resumed", f"{dropped} rows were lost; it failed because {self._fault}")
            self._fault = ""
            self._retry_ms = _RETRY_MS

    def _failed(self, error: StoreError) -> None:
        """Go on in memory; the file is opened anew unless the disk is only full."""
        self._written.undone()
        self._try_at_ms = self._clock.monotonic_ms() + self._retry_ms
        self._retry_ms = min(2 * self._retry_ms, _MAX_RETRY_MS)
        if not self._fault:
            self.event("store.failing", str(error))
        self._fault = str(error)
        if not isinstance(error, StoreFullError):
            self._let_go()

    def _let_go(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
