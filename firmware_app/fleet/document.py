"""A configuration document as a tree: tables, lists, text, whole numbers and truth values, as TOML has them.

The schema is `firmware_app.config.schema.DeviceConfig` and nothing beside it: a tree is written as TOML and read by
the very reader of the file on the board, so that an unknown key, a wrong type or a bound is refused in one place.

On the wire a value is `(0, number)`, `(1, 0 or 1)`, `(2, text)`, `(3, (value, ...))` or `(4, ((key, value), ...))` with
keys strictly ascending: deterministic CBOR that knows a truth value from a number.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from firmware_app.config.load import ConfigError, parse
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.form import ascending, form, record, rows, text, whole
from light_client.rules.encoding import DEPTH_LIMIT, INT_MAX, INT_MIN, decode, encode
from light_client.rules.errors import LightClientError, RuleViolation

Tree: TypeAlias = dict[str, Any]
"""A table: text keys to int, bool, str, lists and tables."""

MAX_DOCUMENT_BYTES: Final = 32 << 10
MAX_ITEMS: Final = 8_192
_MAX_ROWS: Final = 1_024
_INT, _BOOL, _TEXT, _LIST, _TABLE = range(5)


def to_wire(value: object) -> tuple[Any, ...]:
    """The wire form of a value.

    Raises:
        RuleViolation: FLT-02 for what a configuration document cannot hold, such as a float or a date.
    """
    if type(value) is bool:
        return (_BOOL, int(value))
    if type(value) is int:
        return (_INT, value)
    if type(value) is str:
        return (_TEXT, value)
    if type(value) is list:
        return (_LIST, tuple(to_wire(item) for item in value))
    if type(value) is dict:
        return (_TABLE, tuple((key, to_wire(value[key])) for key in sorted(value)))
    raise form("value of a document", value, "a whole number, true or false, text, a list or a table")


def from_wire(wire: Any) -> Any:
    """The value that a wire form stands for.

    Raises:
        RuleViolation: FLT-02.
    """
    kind, content = record("value of a document", wire, 2)
    if type(kind) is not int or not _INT <= kind <= _TABLE:
        raise form("kind of a value", kind, f"{_INT} to {_TABLE}")
    if kind == _INT:
        return whole("whole number of a document", content, INT_MIN, INT_MAX)
    if kind == _BOOL:
        return bool(whole("truth value of a document", content, 0, 1))
    if kind == _TEXT:
        if type(content) is not str:
            raise form("text of a document", content, "text")
        return content
    if kind == _LIST:
        return [from_wire(item) for item in rows("list of a document", content, 0, _MAX_ROWS)]
    pairs = [
        record("entry of a table", pair, 2) for pair in rows("table of a document", content, 0, _MAX_ROWS)
    ]
    ascending("keys of a table", tuple(text("key of a table", key) for key, _ in pairs))
    return {key: from_wire(value) for key, value in pairs}


def canonical(tree: Tree) -> bytes:
    """The one byte form of a document.

    Raises:
        RuleViolation: FLT-02 where it holds what it cannot, or is too large.
    """
    try:
        data = encode(to_wire(tree))
    except LightClientError as error:
        raise form("document", str(error), "short texts and 64-bit numbers") from None
    if len(data) > MAX_DOCUMENT_BYTES:
        raise form("document", f"{len(data)} bytes", f"at most {MAX_DOCUMENT_BYTES}")
    return data


def read_canonical(data: bytes) -> Tree:
    """The document of its byte form.

    Raises:
        RuleViolation: FLT-02.
    """
    try:
        wire = decode(data, max_bytes=MAX_DOCUMENT_BYTES, max_depth=DEPTH_LIMIT, max_items=MAX_ITEMS)
    except RuleViolation as error:
        raise form("document", str(error), "canonical bytes") from None
    tree = from_wire(wire)
    if type(tree) is not dict:
        raise form("document", tree, "a table")
    return tree


def read_toml(source: str, name: str) -> Tree:
    """The tree of a TOML text, of which the schema was not asked.

    Args:
        name: of the file, for people.

    Raises:
        ConfigError: it is no TOML.
    """
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: this is no TOML: {error}") from None


def toml_of(tree: Mapping[str, Any]) -> str:
    """The document as TOML, keys ascending, plain values before tables."""
    return "\n".join(_table_lines(tree, ())).lstrip("\n") + "\n"


def config_of(tree: Mapping[str, Any], name: str = "configuration") -> DeviceConfig:
    """The typed document of a tree.

    Raises:
        ConfigError: the schema refuses it; the sentence names the key.
    """
    return parse(toml_of(tree), DeviceConfig, name)


def _table_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines, below = [], []
    for key in sorted(table):
        value = table[key]
        if type(value) is dict:
            header = _dotted((*path, key))
            below += ["", f"[{header}]", *_table_lines(value, (*path, key))]
        elif _is_array_of_tables(value):
            for item in value:
                below += ["", f"[[{_dotted((*path, key))}]]", *_table_lines(item, (*path, key))]
        else:
            lines.append(f"{_quoted(key)} = {_inline(value)}")
    return lines + below


def _is_array_of_tables(value: object) -> bool:
    return type(value) is list and bool(value) and all(type(item) is dict for item in value)


def _inline(value: Any) -> str:
    if type(value) is dict:
        return "{" + ", ".join(f"{_quoted(key)} = {_inline(value[key])}" for key in sorted(value)) + "}"
    if type(value) is list:
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if type(value) is bool:
        return "true" if value else "false"
    return _quoted_text(value) if type(value) is str else str(value)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(_quoted(step) for step in path)


def _quoted(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _quoted_text(key)


def _quoted_text(value: str) -> str:
    """A TOML basic string: JSON's escapes are all TOML's, beside the one for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
