"""Which devices a bundle is for: a small expression over what a device knows of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, TypeAlias

from firmware_app.fleet.form import ascending, form, record, rows, text, whole
from light_client.rules.errors import LocalError

MAX_NAMES: Final = 1_000
MAX_PARTS: Final = 16
MAX_DEPTH: Final = 4
MAX_RELEASE: Final = 1 << 16
_RELEASE: Final = re.compile(r"(\d{1,5})(?:\.(\d{1,5}))?(?:\.(\d{1,5}))?")

Release: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What a device knows of itself, from its provisioning and its image, never from a bundle."""

    name: str
    board: str
    """Such as ``beaglebone-black``."""
    release: Release
    """Of the firmware."""
    feeder: int
    labels: Mapping[str, str] = field(default_factory=dict)


def release_of(version: str) -> Release:
    """The numbers of a release such as ``0.4.1``; what follows them (``.dev0``) does not count.

    Raises:
        LocalError: it does not begin with a number.
    """
    found = _RELEASE.match(version)
    if not found:
        raise LocalError("release", got=version, expected="numbers such as 0.4.1")
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch


@dataclass(frozen=True, slots=True)
class Everyone:
    """All devices of the fleet."""


@dataclass(frozen=True, slots=True)
class Named:
    """Devices by their names, ascending."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Devices with a label of this value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class OnBoard:
    """Devices on this board."""

    board: str


@dataclass(frozen=True, slots=True)
class OnFeeder:
    """Devices on one of these feeders, ascending."""

    feeders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """Devices whose firmware is this release or a later one."""

    release: Release


@dataclass(frozen=True, slots=True)
class Not:
    """All others."""

    part: Selector


@dataclass(frozen=True, slots=True)
class AllOf:
    """Devices that every part selects."""

    parts: tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Devices that at least one part selects."""

    parts: tuple[Selector, ...]


Selector: TypeAlias = Everyone | Named | Labelled | OnBoard | OnFeeder | Since | Not | AllOf | AnyOf


class _Kind(IntEnum):
    EVERYONE = 0
    NAMED = 1
    LABELLED = 2
    BOARD = 3
    FEEDER = 4
    SINCE = 5
    NOT = 6
    ALL = 7
    ANY = 8


def selects(selector: Selector, device: DeviceFacts) -> bool:  # noqa: PLR0911 - one line for each kind
    """Whether a device is meant."""
    match selector:
        case Everyone():
            return True
        case Named(names):
            return device.name in names
        case Labelled(key, value):
            return device.labels.get(key) == value
        case OnBoard(board):
            return device.board == board
        case OnFeeder(feeders):
            return device.feeder in feeders
        case Since(release):
            return device.release >= release
        case Not(part):
            return not selects(part, device)
        case AllOf(parts):
            return all(selects(part, device) for part in parts)
        case AnyOf(parts):
            return any(selects(part, device) for part in parts)


def selector_to_wire(selector: Selector) -> tuple[Any, ...]:  # noqa: PLR0911 - the same
    """Canonical form."""
    match selector:
        case Everyone():
            return (int(_Kind.EVERYONE),)
        case Named(names):
            return (int(_Kind.NAMED), names)
        case Labelled(key, value):
            return (int(_Kind.LABELLED), key, value)
        case OnBoard(board):
            return (int(_Kind.BOARD), board)
        case OnFeeder(feeders):
            return (int(_Kind.FEEDER), feeders)
        case Since(release):
            return (int(_Kind.SINCE), release)
        case Not(part):
            return (int(_Kind.NOT), selector_to_wire(part))
        case AllOf(parts):
            return (int(_Kind.ALL), tuple(selector_to_wire(part) for part in parts))
        case AnyOf(parts):
            return (int(_Kind.ANY), tuple(selector_to_wire(part) for part in parts))


def selector_from_wire(wire: Any, depth: int = MAX_DEPTH) -> Selector:  # noqa: PLR0911 - the same
    """Read the canonical form.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not tuple or not wire or type(wire[0]) is not int or not 0 <= wire[0] <= _Kind.ANY:
        raise form("selector", wire, "a kind and its fields")
    kind = _Kind(wire[0])
    _, *fields = record("selector", wire, {_Kind.EVERYONE: 1, _Kind.LABELLED: 3}.get(kind, 2))
    match kind:
        case _Kind.EVERYONE:
            return Everyone()
        case _Kind.NAMED:
            names = tuple(text("name", name) for name in rows("names", fields[0], 1, MAX_NAMES))
            ascending("names of a selector", names)
            return Named(names)
        case _Kind.LABELLED:
            return Labelled(text("key of a label", fields[0]), text("value of a label", fields[1]))
        case _Kind.BOARD:
            return OnBoard(text("board", fields[0]))
        case _Kind.FEEDER:
            feeders = tuple(
                whole("feeder", got, 0, 1 << 31) for got in rows("feeders", fields[0], 1, MAX_NAMES)
            )
            ascending("feeders of a selector", feeders)
            return OnFeeder(feeders)
        case _Kind.SINCE:
            major, minor, patch = (
                whole("release", n, 0, MAX_RELEASE) for n in record("release", fields[0], 3)
            )
            return Since((major, minor, patch))
        case _:
            return _combined(kind, fields[0], depth)


def _combined(kind: _Kind, wire: Any, depth: int) -> Selector:
    if depth == 0:
        raise form("selector", "nested deeper", f"at most {MAX_DEPTH} deep")
    if kind is _Kind.NOT:
        return Not(selector_from_wire(wire, depth - 1))
    parts = tuple(
        selector_from_wire(part, depth - 1) for part in rows("parts of a selector", wire, 1, MAX_PARTS)
    )
    return AllOf(parts) if kind is _Kind.ALL else AnyOf(parts)
