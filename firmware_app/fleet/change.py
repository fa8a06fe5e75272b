"""A delta: keys of a configuration document that are set or unset, addressed by path.

A step into an array of tables is the name of an entry, or `*` for every one: `meter.house.poll_ms`, `meter.*.poll_ms`.
Setting a whole entry by its name adds or replaces it; unsetting it takes it away. Changes are sorted by path and none
lies inside another, so their order never matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from firmware_app.fleet.document import Tree, from_wire, to_wire
from firmware_app.fleet.form import form, rows, text, whole
from light_client.rules.errors import RuleViolation

MAX_CHANGES: Final = 256
MAX_STEPS: Final = 6
EVERY: Final = "*"
CHANGE_RULE: Final = "FLT-14"

Path: TypeAlias = tuple[str, ...]


class _Unset:
    """Stands for "take it away"."""

    def __repr__(self) -> str:
        return "unset"


UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key set or unset."""

    path: Path
    value: Any
    """The new value, or ``UNSET``."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.path, 0) if self.value is UNSET else (self.path, 1, to_wire(self.value))


def change_from_wire(wire: Any) -> Change:
    """Read the canonical form.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not tuple or len(wire) not in (2, 3):
        raise form("change", wire, "2 or 3 fields")
    path = tuple(text("step of a path", step) for step in rows("path", wire[0], 1, MAX_STEPS))
    whole("kind of a change", wire[1], len(wire) - 2, len(wire) - 2)
    return Change(path=path, value=from_wire(wire[2]) if len(wire) == 3 else UNSET)


def check_order(changes: tuple[Change, ...]) -> None:
    """Hold changes to their order.

    Raises:
        RuleViolation: FLT-02 where they are too many, not ascending, or one lies inside another.
    """
    rows("changes", changes, 0, MAX_CHANGES)
    for before, after in pairwise(changes):
        if not before.path < after.path or after.path[: len(before.path)] == before.path:
            raise form(
                "paths of a delta", dotted(after.path), f"after {dotted(before.path)} and not inside it"
            )


def dotted(path: Path) -> str:
    """The path for people."""
    return ".".join(path)


def applied(tree: Tree, changes: Iterable[Change]) -> Tree:
    """The document with the changes made; ``tree`` stays as it is.

    Raises:
        RuleViolation: FLT-14 where a path leads nowhere.
    """
    fresh = deepcopy(tree)
    for change in changes:
        _apply(fresh, change.path, change)
    return fresh


def _apply(table: Tree, path: Path, change: Change) -> None:
    key, rest = path[0], path[1:]
    if not rest:
        if change.value is not UNSET:
            table[key] = deepcopy(change.value)
        elif table.pop(key, UNSET) is UNSET:
            raise _nowhere(change, f"no {key!r} to take away")
        return
    below = table.get(key)
    if below is None and change.value is not UNSET:
        below = table[key] = {}
    if type(below) is dict:
        _apply(below, rest, change)
    elif type(below) is list and all(type(entry) is dict for entry in below):
        _apply_to_entries(below, rest, change)
    else:
        raise _nowhere(change, f"{key!r} is no table")


def _apply_to_entries(entries: list[Tree], path: Path, change: Change) -> None:
    name, rest = path[0], path[1:]
    chosen = [entry for entry in entries if name in (EVERY, entry.get("name"))]
    if rest:
        if not chosen:
            raise _nowhere(change, f"no entry {name!r}")
        for entry in chosen:
            _apply(entry, rest, change)
    elif change.value is UNSET and chosen:
        entries[:] = [entry for entry in entries if entry not in chosen]
    elif type(change.value) is dict and name != EVERY and change.value.get("name") == name:
        entries[:] = [change.value if entry in chosen else entry for entry in entries]
        entries += [] if chosen else [deepcopy(change.value)]
    else:
        raise _nowhere(change, f"an entry {name!r} to take away, or a table with this name to put")


def _nowhere(change: Change, problem: str) -> RuleViolation:
    return RuleViolation(CHANGE_RULE, "a change leads nowhere", got=dotted(change.path), expected=problem)


def difference(old: Tree, new: Tree) -> tuple[Change, ...]:
    """The changes that make ``new`` of ``old``; an array of tables whose names are others is set as a whole."""
    found: list[Change] = []
    _compare(old, new, (), found.append)
    return tuple(sorted(found, key=lambda change: change.path))


def _compare(old: Tree, new: Tree, path: Path, put: Callable[[Change], None]) -> None:
    for key in sorted({*old, *new}):
        here = (*path, key)
        before, after = old.get(key, UNSET), new.get(key, UNSET)
        if type(before) is dict and type(after) is dict:
            _compare(before, after, here, put)
        elif _names(before) and _names(before) == _names(after):
            for entry, other in zip(before, after, strict=True):
                _compare(entry, other, (*here, entry["name"]), put)
        elif before is UNSET or after is UNSET or to_wire(before) != to_wire(after):
            put(Change(path=here, value=after))


def _names(value: object) -> list[str]:
    """The names of an array of tables in which each has one of its own; empty for anything else."""
    if type(value) is not list or not all(
        type(entry) is dict and type(entry.get("name")) is str for entry in value
    ):
        return []
    names = [entry["name"] for entry in value]
    return names if len(set(names)) == len(names) else []


def changes_from_wire(wire: Any) -> tuple[Change, ...]:
    """Read a delta.

    Raises:
        RuleViolation: FLT-02.
    """
    changes = tuple(change_from_wire(row) for row in rows("changes", wire, 0, MAX_CHANGES))
    check_order(changes)
    return changes
