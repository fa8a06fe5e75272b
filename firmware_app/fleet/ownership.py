"""Whose the keys of the document are: the device's own, the operator's, or several operators' together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final, get_args, get_type_hints

from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.attachment import Attachment, Use
from firmware_app.fleet.bundle import Content, Whole
from firmware_app.fleet.change import Path, dotted
from firmware_app.fleet.document import Tree
from firmware_app.fleet.key_set import Role
from light_client.rules.errors import RuleViolation

DEVICE: Final = "device"
"""The section that is the device's own: who it is and where it keeps things."""
GRID_SECTIONS: Final = frozenset({"market", "clock", "report"})
"""Chain, servers and their keys; whose time is believed; for whom what the home uses is sealed.

Whoever sets these can cut a device off, mislead it, or read a home's days.
"""


def roles_needed(content: Content, attachments: Iterable[Attachment] = ()) -> tuple[Role, ...]:
    """Whose signatures a bundle needs: decided by what it names, so that everybody decides the same."""
    firmware = (Role.FIRMWARE,) if any(one.use is Use.FIRMWARE for one in attachments) else ()
    sections = content.document.keys() if isinstance(content, Whole) else {c.path[0] for c in content.changes}
    grid = (Role.GRID,) if GRID_SECTIONS & sections else ()
    return (Role.CONFIG, *grid, *firmware)


def check_owned(content: Content) -> None:
    """Refuse what is not for a bundle to say.

    Raises:
        RuleViolation: FLT-13 it names the device's own section, or holds a secret, which everybody would read.
    """
    for path in _named(content):
        if path[0] == DEVICE:
            raise RuleViolation("FLT-13", "a bundle names a key of the device's own", got=dotted(path))
        if any(name == path[0] and path[-1] == key for name, key in SECRETS):
            raise RuleViolation("FLT-13", "a bundle holds a secret, which many would read", got=dotted(path))


def _named(content: Content) -> Iterator[Path]:
    """Paths of everything that a content says, to the last key."""
    if isinstance(content, Whole):
        yield from _paths(content.document, ())
        return
    for change in content.changes:
        yield change.path
        yield from _paths(change.value, change.path)


def _paths(value: Any, path: Path) -> Iterator[Path]:
    below: Iterable[tuple[str, Any]] = ()
    if type(value) is dict:
        below = value.items()
    elif type(value) is list:
        below = ((str(place), entry) for place, entry in enumerate(value))
    elif path:
        yield path
    for key, entry in below:
        yield from _paths(entry, (*path, key))
        if entry in ({}, []):
            yield (*path, key)


def with_own(document: Tree, present: Tree) -> Tree:
    """A whole document completed by what is the device's own: its section and its secrets."""
    full = {**document, DEVICE: present[DEVICE]} if DEVICE in present else dict(document)
    for section, key in SECRETS:
        given = full.get(section, {})
        if (
            key in present.get(section, {}) and type(given) is dict
        ):  # anything else is for the schema to refuse
            full[section] = {**given, key: present[section][key]}
    return full


def _secrets(kind: type) -> Iterator[tuple[str, str]]:
    """(section, key) of every field of the schema that is kept out of its repr."""
    hints = get_type_hints(kind)
    for section in fields(kind):
        parts = (hints[section.name], *get_args(hints[section.name]))
        for part in parts:
            if isinstance(part, type) and is_dataclass(part):
                yield from ((section.name, item.name) for item in fields(part) if not item.repr)


SECRETS: Final = frozenset(_secrets(DeviceConfig))
"""(section, key) of the secrets in the document: the schema keeps them out of its repr, and no bundle carries them."""
