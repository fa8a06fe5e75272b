"""What an experiment has found, as JSON and back without losing a bit: records, tuples, tables, arrays of numpy.

Numbers are written so that reading gives the very same ones. What comes back has the type that is asked for, so the two
sides need not agree on more than the types' names of fields.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import numpy as np

_PLAIN: Final = (bool, int, float, str)


class NotPlainError(ValueError):
    """A value cannot be written, or what was read is not of the type that was asked for."""


def to_plain(value: object) -> Any:
    """A value in JSON's own types.

    Raises:
        NotPlainError: it holds something of another type than those above.
    """
    plain: Any = value
    if isinstance(value, Enum):
        plain = value.value
    elif isinstance(value, bytes):
        plain = value.hex()
    elif isinstance(value, np.ndarray):
        plain = {"shape": list(value.shape), "values": value.ravel().tolist()}
    elif isinstance(value, Mapping):
        plain = {str(key): to_plain(item) for key, item in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    elif isinstance(value, tuple | list):  # named tuples as well: by place
        plain = [to_plain(item) for item in value]
    elif value is not None and not isinstance(value, _PLAIN):
        raise NotPlainError(f"cannot keep a {type(value).__name__}")
    return plain


def of_plain(kind: Any, plain: Any) -> Any:
    """The value of that type.

    Raises:
        NotPlainError: there is none.
    """
    try:
        return _read(kind, plain)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotPlainError(f"what was kept is no {getattr(kind, '__name__', kind)}: {error}") from None


def _read(kind: Any, plain: Any) -> Any:
    if get_origin(kind) is not None:
        return _read_collection(get_origin(kind), get_args(kind), plain)
    if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, tuple)):
        return _read_record(kind, plain)
    if kind is bytes:
        return bytes.fromhex(plain)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if kind in _PLAIN and type(plain) is not kind and not (kind is float and type(plain) is int):
        raise TypeError(f"got {type(plain).__name__}, expected {kind.__name__}")
    return plain


def _read_collection(origin: Any, inner: tuple[Any, ...], plain: Any) -> Any:
    if origin is tuple:
        parts = inner[:1] * len(plain) if inner[-1] is Ellipsis else inner
        return tuple(_read(part, item) for part, item in zip(parts, plain, strict=True))
    if origin is list:
        return [_read(inner[0], item) for item in plain]
    if origin is dict:
        return {_key(inner[0], key): _read(inner[1], item) for key, item in plain.items()}
    if origin is np.ndarray:
        return np.array(plain["values"], dtype=float).reshape(plain["shape"])
    if origin in (types.UnionType, Union):
        return None if plain is None else _read(next(one for one in inner if one is not type(None)), plain)
    raise TypeError(f"cannot read a {origin}")


def _read_record(kind: Any, plain: Any) -> Any:
    hints = _hints(kind)
    if isinstance(plain, Mapping):
        return kind(**{name: _read(hint, plain[name]) for name, hint in hints.items()})
    return kind(*(_read(hint, item) for hint, item in zip(hints.values(), plain, strict=True)))


def _key(kind: Any, text: str) -> Any:
    return int(text) if kind is int else kind(text)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        name: hints[name]
        for name in ([field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields)
    }
