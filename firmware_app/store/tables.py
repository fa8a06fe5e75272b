"""From a dataclass to SQL and back: a field is a column, its type the column's type, and its default is stored as NULL,
which takes no room: most readings are good, timed, and have no reason to be anything else.

Rows keep the order in which they came (`seq`), so the oldest lie together at the beginning of a table, leave
together, and give back whole pages. Times cannot order them: a clock may be set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from functools import cached_property
from types import NoneType
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from firmware_app.store.rows import (
    EventRow,
    HeaderRow,
    IntervalRow,
    OfferRow,
    ReadingRow,
    Row,
    SettlementRow,
    TradeRow,
    VerdictRow,
)
from light_client.store.errors import StoreDamagedError

_SQL_TYPES: Final[dict[type, str]] = {int: "INTEGER", str: "TEXT", bytes: "BLOB"}
_INTEGER_BYTES: Final = 4
"""A usual whole number in SQLite's record, which takes nothing for 0 and eight bytes for a very large one."""
_ROW_BYTES: Final = 7
"""Length, number, header and place of a row in its page."""


class _Kind(NamedTuple):
    """The types of a column."""

    made: type
    """Of the field's values."""
    plain: type
    """Of which SQL knows; for an enumeration the type of its values."""
    default: object
    """What NULL stands for; `MISSING` where it stands for nothing."""

    def read(self, value: object) -> Any:
        """Return the value of a field.

        Raises:
            TypeError: it is of another type.
            ValueError: the enumeration has no such value.
        """
        if value is None and self.default is not MISSING:
            return self.default
        if type(value) is not self.plain:
            raise TypeError(f"got {type(value).__name__}, expected {self.made.__name__}")
        return self.made(value)


@dataclass(frozen=True, kw_only=True)
class Table:
    """How one kind of row is kept."""

    name: str
    row: type[Row]
    urgent: bool
    """Whether a row of it is on the disk before `record` returns, with all that waited."""
    key: tuple[str, ...] = ()
    """Fields that a second row of the same thing shares with the first; it takes the first one's place."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The fields in order."""
        return tuple(field.name for field in fields(self.row))

    @cached_property
    def _kinds(self) -> tuple[_Kind, ...]:
        """What each column holds."""
        hints = get_type_hints(self.row)
        kinds = []
        for field in fields(self.row):
            parts = get_args(hints[field.name]) or (hints[field.name],)
            (kind,) = (part for part in parts if part is not NoneType)
            plain = type(next(iter(kind)).value) if issubclass(kind, Enum) else kind
            kinds.append(_Kind(kind, plain, None if NoneType in parts else field.default))
        return tuple(kinds)

    @cached_property
    def create(self) -> str:
        """The statement that makes the table."""
        columns = ["seq INTEGER PRIMARY KEY"]
        for column, kind in zip(self.columns, self._kinds, strict=True):
            columns.append(
                f"{column} {_SQL_TYPES[kind.plain]}{' NOT NULL' if kind.default is MISSING else ''}"
            )
        if self.key:
            columns.append(f"UNIQUE ({', '.join(self.key)})")
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(columns)}) STRICT"

    @cached_property
    def insert(self) -> str:
        """The statement that stores a row, given its columns in order."""
        marks = ", ".join("?" * len(self.columns))
        statement = f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({marks})"  # noqa: S608 - our names
        if not self.key:
            return statement
        others = [column for column in self.columns if column not in self.key]
        changes = ", ".join(f"{column}=excluded.{column}" for column in others)
        return f"{statement} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changes}"

    @cached_property
    def select(self) -> str:
        """The beginning of a query for whole rows, `seq` first."""
        return f"SELECT seq, {', '.join(self.columns)} FROM {self.name}"  # noqa: S608 - our names

    @cached_property
    def size(self) -> str:
        """An expression for the bytes that a row takes, about; its key is there twice."""
        parts = [str(_ROW_BYTES * (2 if self.key else 1))]
        for column, kind in zip(self.columns, self._kinds, strict=True):
            times = 2 if column in self.key else 1
            if kind.plain is int:
                parts.append(f"{times} * (1 + {_INTEGER_BYTES} * ({column} IS NOT NULL))")
            else:
                parts.append(f"{times} * (1 + ifnull(length({column}), 0))")
        return " + ".join(parts)

    def values(self, row: Row) -> tuple[int | str | bytes | None, ...]:
        """A row's columns in order."""
        return tuple(
            None if value == kind.default else value.value if isinstance(value, Enum) else value
            for column, kind in zip(self.columns, self._kinds, strict=True)
            for value in (getattr(row, column),)
        )

    def parse(self, values: tuple[Any, ...]) -> Row:
        """Read a row back, without its `seq`.

        Raises:
            StoreDamagedError: a value is none of its type.
        """
        try:
            read = {
                column: kind.read(value)
                for column, value, kind in zip(self.columns, values, self._kinds, strict=True)
            }
        except (TypeError, ValueError) as error:
            raise StoreDamagedError(f"a row of table {self.name} is damaged", got=str(error)) from error
        build: Callable[..., Row] = self.row
        return build(**read)


READINGS: Final = Table(name="readings", row=ReadingRow, urgent=False)
INTERVALS: Final = Table(name="intervals", row=IntervalRow, urgent=True, key=("interval", "meter"))
OFFERS: Final = Table(name="offers", row=OfferRow, urgent=True)
HEADERS: Final = Table(name="headers", row=HeaderRow, urgent=False, key=("height",))
TRADES: Final = Table(name="trades", row=TradeRow, urgent=True, key=("interval", "offer_id"))
SETTLEMENTS: Final = Table(name="settlements", row=SettlementRow, urgent=False, key=("day",))
VERDICTS: Final = Table(name="verdicts", row=VerdictRow, urgent=True)
EVENTS: Final = Table(name="events", row=EventRow, urgent=False)

TABLES: Final = (READINGS, HEADERS, OFFERS, INTERVALS, VERDICTS, EVENTS, SETTLEMENTS, TRADES)
"""All tables, in the order in which their oldest rows leave when the quota is reached: detail goes before money."""
BY_ROW: Final[dict[type[Any], Table]] = {table.row: table for table in TABLES}
