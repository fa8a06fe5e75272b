"""Snapshots as JSON and back: `gridlight.status/1`.

Fields become keys. `Absent` becomes null, with the reason beside it under the key and `_why`. Keys are added under one
version, never changed, so that reading passes over those it does not know, and takes defaults for those that a
different release did not write.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from firmware_app.status.snapshot import MAX_LISTED, MAX_POINTS, SCHEMA, Absent, Snapshot

_WHY: Final = "_why"
_MAX_TEXT: Final = 2_000
_MAX_INT: Final = 1 << 63

R = TypeVar("R")


class DocumentError(Exception):
    """A document is not one of ours.

    Attributes:
        sentence: what is wrong, and where.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence: Final = sentence


def to_document(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as a JSON object, without its `schema`."""
    return _written(snapshot)


def from_document(document: object) -> Snapshot:
    """Read what `to_document` wrote, perhaps by another release.

    Raises:
        DocumentError: a wrong schema, type or size.
    """
    if not isinstance(document, dict):
        raise DocumentError(f"a status is a JSON object, got {type(document).__name__}")
    if document.get("schema", SCHEMA) != SCHEMA:
        raise DocumentError(f"expected schema {SCHEMA}, got {str(document['schema'])[:40]!r}")
    return read(Snapshot, document, "status")


def _written(record: Any) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Absent):
            document[field.name] = None
            document[field.name + _WHY] = value.why
        else:
            document[field.name] = _value(value)
    return document


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return _written(value) if is_dataclass(value) else value


def read(kind: type[R], document: object, where: str) -> R:
    """Build a record of any of the snapshot's kinds from a JSON object.

    Raises:
        DocumentError: naming the place.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(f"{where} is an object, got {type(document).__name__}")
    values: dict[str, Any] = {}
    record: Any = kind
    for name, (hint, has_default) in _schema(record).items():
        if name in document:
            values[name] = _read_value(hint, document, name, f"{where}.{name}")
        elif not has_default:
            raise DocumentError(f"{where} lacks {name}")
    return kind(**values)


@cache
def _schema(kind: Any) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {field.name: (hints[field.name], field.default is not MISSING) for field in fields(kind)}


def _read_value(hint: Any, document: Mapping[str, Any], name: str, where: str) -> Any:
    value = document[name]
    options = get_args(hint) if _is_union(hint) else (hint,)
    if value is None and Absent in options:
        why = document.get(name + _WHY, "no reason given")
        return Absent(_plain(str, why, where + _WHY))
    (expected,) = [option for option in options if option is not Absent]
    return _typed(expected, value, where)


def _typed(expected: Any, value: Any, where: str) -> Any:
    if get_origin(expected) is tuple:
        if not isinstance(value, list) or len(value) > max(MAX_LISTED, MAX_POINTS):
            raise DocumentError(f"{where} is a list of at most {max(MAX_LISTED, MAX_POINTS)}")
        item = get_args(expected)[0]
        return tuple(_typed(item, one, f"{where}[{at}]") for at, one in enumerate(value))
    if isinstance(expected, type) and is_dataclass(expected):
        record: type[Any] = expected
        return read(record, value, where)
    return _plain(expected, value, where)


def _plain(expected: type[Any], value: Any, where: str) -> Any:
    if type(value) is not expected:
        raise DocumentError(f"{where} is {expected.__name__}, got {type(value).__name__}")
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise DocumentError(f"{where} has at most {_MAX_TEXT} characters, got {len(value)}")
    if isinstance(value, int) and not -_MAX_INT <= value <= _MAX_INT:
        raise DocumentError(f"{where} is a number of 64 bits")
    return value


def _is_union(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) or Absent in get_args(hint)
