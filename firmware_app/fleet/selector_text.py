"""Selectors as people write them: ``feeder=7,8 and not label.site=north and firmware>=0.4``.

all                      every device
id=m-1,m-2               by name
label.KEY=VALUE          by label
board=NAME               by board
feeder=N,N               by feeder
firmware>=R, firmware<R  by release
and, or, not, ( )        combined; `not` binds closest, then `and`
"""

from __future__ import annotations

import re
from typing import Final

from firmware_app.command_line import likely
from firmware_app.fleet.selector import (
    AllOf,
    AnyOf,
    Everyone,
    Labelled,
    Named,
    Not,
    OnBoard,
    OnFeeder,
    Release,
    Selector,
    Since,
    release_of,
    selector_from_wire,
    selector_to_wire,
)
from light_client.rules.errors import LightClientError

_TOKEN: Final = re.compile(r"\s*(?:([()])|([a-z][\w.-]*)\s*(>=|<|=)\s*([^\s()]+)|(\w+))")
_KEYS: Final = ("id", "board", "feeder", "firmware", "label.KEY")


class SelectorError(Exception):
    """The text is no selector; the sentence says where and what would be right."""


def selector_of(source: str) -> Selector:
    """Read a selector.

    Raises:
        SelectorError: it is none.
    """
    reader = _Reader(source)
    selector = reader.any_of()
    if reader.ahead is not None:
        raise SelectorError(f"target: {reader.ahead!r} is not expected here; join with 'and' or 'or'")
    try:
        return selector_from_wire(selector_to_wire(selector))  # its bounds
    except LightClientError as error:
        raise SelectorError(f"target: {error}") from None


def selector_text(selector: Selector) -> str:  # noqa: C901, PLR0911 - one line for each kind
    """Write a selector so that ``selector_of`` reads the same."""
    match selector:
        case Everyone():
            return "all"
        case Named(names):
            return f"id={','.join(names)}"
        case Labelled(key, value):
            return f"label.{key}={value}"
        case OnBoard(board):
            return f"board={board}"
        case OnFeeder(feeders):
            return f"feeder={','.join(map(str, feeders))}"
        case Since(release):
            return f"firmware>={_release_text(release)}"
        case Not(Since(release)):
            return f"firmware<{_release_text(release)}"
        case Not(part):
            return f"not {_in_brackets(part)}"
        case AllOf(parts):
            return " and ".join(_in_brackets(part) for part in parts)
        case AnyOf(parts):
            return " or ".join(_in_brackets(part) for part in parts)


def _in_brackets(part: Selector) -> str:
    return f"({selector_text(part)})" if isinstance(part, AllOf | AnyOf) else selector_text(part)


def _release_text(release: Release) -> str:
    return ".".join(map(str, release))


class _Reader:
    """Recursive descent over the words of a text."""

    def __init__(self, source: str) -> None:
        self._words: list[tuple[str, str, str, str, str]] = []
        at = 0
        while source[at:].strip():
            found = _TOKEN.match(source, at)
            if found is None:
                raise SelectorError(f"target: {source[at:].strip()!r} is not understood")
            bracket, key, relation, value, word = (part or "" for part in found.groups())
            self._words.append((bracket, key, relation, value, word))
            at = found.end()
        self._words.reverse()

    @property
    def ahead(self) -> str | None:
        """The next word, or None at the end."""
        return "".join(self._words[-1]) if self._words else None

    def any_of(self) -> Selector:
        parts = [self._all_of()]
        while self.ahead == "or":
            self._words.pop()
            parts.append(self._all_of())
        return AnyOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _all_of(self) -> Selector:
        parts = [self._single()]
        while self.ahead == "and":
            self._words.pop()
            parts.append(self._single())
        return AllOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _single(self) -> Selector:
        if not self._words:
            raise SelectorError(
                f"target: something is missing at the end, expected {', '.join(_KEYS)} or 'all'"
            )
        bracket, key, relation, value, word = self._words.pop()
        if key:
            return _term(key, relation, value)
        if word == "not":
            return Not(self._single())
        if word == "all":
            return Everyone()
        if bracket == "(":
            inner = self.any_of()
            if self.ahead != ")":
                raise SelectorError("target: a bracket is not closed")
            self._words.pop()
            return inner
        raise SelectorError(
            f"target: {bracket or word!r} is not understood.{likely(word, (*_KEYS, 'all', 'not'))}"
        )


def _term(key: str, relation: str, value: str) -> Selector:
    if key == "firmware" and relation != "=":
        try:
            since = Since(release_of(value))
        except LightClientError as error:
            raise SelectorError(f"target: {error}") from None
        return since if relation == ">=" else Not(since)
    if relation != "=":
        raise SelectorError(f"target: {key}{relation}{value}: only firmware has an order")
    if key == "id":
        return Named(tuple(sorted(set(value.split(",")))))
    if key == "board":
        return OnBoard(value)
    if key == "feeder":
        return OnFeeder(_numbers(value))
    name, dot, label = key.partition(".")
    if name == "label" and dot and label:
        return Labelled(label, value)
    if key == "firmware":
        raise SelectorError("target: firmware has an order, expected firmware>=R or firmware<R")
    raise SelectorError(f"target: there is no {key!r}.{likely(key, _KEYS)} Known are {', '.join(_KEYS)}.")


def _numbers(value: str) -> tuple[int, ...]:
    words = value.split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) <= 10 for word in words):
        raise SelectorError(f"target: feeder={value}: expected numbers such as 7,8")
    return tuple(sorted({int(word) for word in words}))
