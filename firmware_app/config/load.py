"""From a TOML file to frozen dataclasses, strictly: their fields are the keys, their types the types, nothing else.

| field's type                | in the file                                             |
|-----------------------------|---------------------------------------------------------|
| int, bool, str              | a whole number, true or false, text                     |
| an Enum                     | one of its values                                       |
| tuple[int | str, ...]       | a list                                                  |
| a dataclass                 | a table, `[name]`                                       |
| tuple[dataclass, ...]       | an array of tables, `[[name]]`                          |
| any of these ` | None`      | may be left out                                         |

Bounds are the dataclasses' own affair: what their ``__post_init__`` refuses is reported with the line of the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from firmware_app.command_line import likely
from light_client.rules.errors import LightClientError
from meter_io.errors import MeterError
from meter_io.profiles.table import File

MAX_BYTES: Final = 256 << 10
_WORDS: Final = {int: "a whole number", bool: "true or false", str: "text"}
_Section = TypeVar("_Section")


class ConfigError(Exception):
    """The file cannot be used; the sentence says where, why, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table of the file."""

    file: File
    header: str
    place: int = 0

    def wrong(self, key: str, problem: str) -> ConfigError:
        """The error for a key of this table, or for the table itself."""
        line = self.file.line_of(self.header, self.place, key)
        where = " ".join(part for part in (f"[{self.header}]" if self.header else "", key) if part)
        return ConfigError(f"{self.file.name}:{line}: {where}: {problem}")

    def below(self, key: str, place: int = 0) -> _Table:
        """A table within this one."""
        return _Table(file=self.file, header=f"{self.header}.{key}".strip("."), place=place)


def read(path: Path, kind: type[_Section]) -> _Section:
    """Read a document.

    Raises:
        ConfigError: it cannot be read, or is not what ``kind`` wants.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: too long, got {len(raw)} bytes, expected at most {MAX_BYTES}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text") from None
    return parse(text, kind, str(path))


def parse(text: str, kind: type[_Section], name: str) -> _Section:
    """Read the text of a document.

    Args:
        name: of the file, for people.

    Raises:
        ConfigError: it is not what ``kind`` wants.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        line = place.group(1) if place else len(text.splitlines())
        raise ConfigError(f"{name}:{line}: this is no TOML: {error}") from None
    return _section(kind, data, _Table(file=File(name, text), header=""))


def _section(kind: type[_Section], data: Mapping[str, Any], table: _Table) -> _Section:
    """Build a dataclass out of a table."""
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key, value in data.items():
        if key not in known:
            at = (table.below(key), "") if isinstance(value, dict) else (table, key)
            raise at[0].wrong(at[1], f"there is no such key.{likely(key, known) or _choices(known)}")
    values = {key: _value(hints[key], value, key, table) for key, value in data.items()}
    for key, field in known.items():
        if key not in values and field.default is MISSING and field.default_factory is MISSING:
            raise table.wrong(key, f"is missing, expected {_expected(hints[key])}")
    try:
        return kind(**values)
    except (LightClientError, MeterError, ValueError) as error:
        said = str(error)
        named = [(place.start(), name) for name in known if (place := re.search(rf"\b{name}\b", said))]
        raise table.wrong(min(named)[1] if named else "", said) from None


def _choices(known: Mapping[str, object]) -> str:
    return f" Known are {', '.join(known)}."


def _value(hint: Any, value: Any, key: str, table: _Table) -> Any:
    """One value as its field wants it."""
    kind = _without_none(hint)
    wrong = table.wrong(key, f"got {_shown(value)}, expected {_expected(kind)}")
    if get_origin(kind) is tuple:
        (item,) = {part for part in get_args(kind) if part is not Ellipsis}
        if type(value) is not list:
            raise wrong
        if is_dataclass(item):
            return tuple(
                _table_of(item, part, table.below(key, place), wrong) for place, part in enumerate(value)
            )
        return tuple(_value(item, part, key, table) for part in value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _table_of(kind, value, table.below(key), wrong)
    if isinstance(kind, type) and issubclass(kind, Enum):
        for member in kind:
            if member.value == value:
                return member
        raise table.wrong(key, f"got {_shown(value)}, expected {_expected(kind)}.{_likely_of(kind, value)}")
    if type(value) is not kind:
        raise wrong
    return value


def _table_of(kind: Any, value: Any, table: _Table, wrong: ConfigError) -> Any:
    if not isinstance(value, dict):
        raise wrong
    return _section(kind, value, table)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (kind,) = (part for part in get_args(hint) if part is not NoneType)
        return kind
    return hint


def _expected(hint: Any) -> str:
    kind = _without_none(hint)
    if get_origin(kind) is tuple:
        (item,) = {part for part in get_args(kind) if part is not Ellipsis}
        return "tables, [[...]]" if is_dataclass(item) else f"a list, each {_expected(item)}"
    if is_dataclass(kind):
        return "a table"
    if issubclass(kind, Enum):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    return _WORDS[kind]


def _likely_of(kind: type[Enum], value: object) -> str:
    return likely(str(value), [str(member.value) for member in kind])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
