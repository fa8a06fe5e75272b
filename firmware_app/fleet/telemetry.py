"""How a device says that it is there, how it is, and that something is wrong: three small JSON documents.

Nothing in them is of the market: an alarm is one of a table and its sentence stands there too, so that no address,
offer, trade or price can slip in with it.

| document                | when                                            | topic          |
|-------------------------|-------------------------------------------------|----------------|
| `gridlight.presence/1`  | at birth; as the will, and before it goes, off  | `presence`     |
| `gridlight.health/1`    | when it changes, and once in a while            | `health`       |
| `gridlight.alarm/1`     | when something begins and when it ends          | `letter/alarm` |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn

from firmware_app.fleet.form import MAX_NUMBER, form, text, whole
from light_client.rules.encoding import INT_MAX, INT_MIN

PRESENCE: Final = "gridlight.presence/1"
HEALTH: Final = "gridlight.health/1"
ALARM_SCHEMA: Final = "gridlight.alarm/1"
MAX_BYTES: Final = 4 << 10
"""Of each of the documents."""
MAX_SENTENCE: Final = 240
MAX_NAME: Final = 64
MAX_PARTS: Final = 32
MAX_FIGURES: Final = 32
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,63}", re.IGNORECASE)


class Alarm(StrEnum):
    """What an operator is called for."""

    EVIDENCE = "evidence"
    HALTED = "halted"
    CLOCK = "clock"
    STORAGE = "storage"
    METER = "meter"
    PART = "part"
    CONFIGURATION = "configuration"


SENTENCES: Final[Mapping[Alarm, str]] = {
    Alarm.EVIDENCE: "the device holds evidence that the committee broke the rules",
    Alarm.HALTED: "the device does not trade any more until somebody looks at it",
    Alarm.CLOCK: "the device does not know the time",
    Alarm.STORAGE: "the device cannot write its storage",
    Alarm.METER: "a meter does not answer, or its counter cannot be believed",
    Alarm.PART: "a part of the program does not work",
    Alarm.CONFIGURATION: "a configuration was rolled back",
}
"""What an alarm says, for people: nothing else is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a device is connected.

    Raises:
        RuleViolation: FLT-02.
    """

    online: bool
    since_ms: int | None
    """Since when it has been so, UTC ms, where the device knew; of a will when its connection began."""
    firmware: str
    board: str

    def __post_init__(self) -> None:
        _truth("online", self.online)
        _time("since_ms", self.since_ms)
        text("firmware", self.firmware, 64)
        text("board", self.board, 64)

    def encode(self) -> bytes:
        """The JSON document."""
        return _json(
            {
                "schema": PRESENCE,
                "online": self.online,
                "since_ms": self.since_ms,
                "firmware": self.firmware,
                "board": self.board,
            }
        )


def presence_from_bytes(raw: bytes) -> Presence:
    """Read bytes of unknown origin.

    Raises:
        RuleViolation: FLT-02.
    """
    return Presence(**_fields("presence", raw, PRESENCE, ("online", "since_ms", "firmware", "board")))


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """How a device is.

    Raises:
        RuleViolation: FLT-02.
    """

    at_ms: int | None
    """UTC ms, where the device knows the time."""
    problem: str
    """What keeps it from being well, in a sentence; empty if it is well."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Part of the program -> how it fares: ``working``, ``stale``, ``given up``."""
    alarms: tuple[Alarm, ...] = ()
    """What holds now, ascending."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """Name with its unit -> number."""

    def __post_init__(self) -> None:
        _time("at_ms", self.at_ms)
        _sentence("problem", self.problem)
        for name, state in _table("parts", self.parts, MAX_PARTS).items():
            _named("part", name)
            text("state of a part", state, 64)
        if list(self.alarms) != sorted(set(self.alarms)) or not set(self.alarms) <= set(Alarm):
            raise form("alarms", self.alarms, "alarms in ascending order")
        for name, number in _table("figures", self.figures, MAX_FIGURES).items():
            _named("figure", name)
            whole("figure", number, INT_MIN, INT_MAX)

    def encode(self) -> bytes:
        """The JSON document.

        Raises:
            RuleViolation: FLT-02: it is too long.
        """
        return _json(
            {
                "schema": HEALTH,
                "at_ms": self.at_ms,
                "problem": self.problem,
                "parts": dict(sorted(self.parts.items())),
                "alarms": [alarm.value for alarm in self.alarms],
                "figures": dict(sorted(self.figures.items())),
            }
        )


def health_from_bytes(raw: bytes) -> HealthReport:
    """Read bytes of unknown origin.

    Raises:
        RuleViolation: FLT-02.
    """
    wire = _fields("health", raw, HEALTH, ("at_ms", "problem", "parts", "alarms", "figures"))
    if type(wire["alarms"]) is not list:
        raise form("alarms", wire["alarms"], "a list")
    return HealthReport(**{**wire, "alarms": tuple(_alarm(name) for name in wire["alarms"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNote:
    """The body of a letter of the kind ``alarm``: something began, or ended.

    Raises:
        RuleViolation: FLT-02.
    """

    alarm: Alarm
    raised: bool
    """Whether it began; False where it ended."""

    def __post_init__(self) -> None:
        _truth("raised", self.raised)

    def encode(self) -> bytes:
        """The JSON document."""
        return _json(
            {
                "schema": ALARM_SCHEMA,
                "alarm": self.alarm.value,
                "raised": self.raised,
                "sentence": SENTENCES[self.alarm],
            }
        )


def alarm_from_bytes(raw: bytes) -> AlarmNote:
    """Read bytes of unknown origin; the sentence is that of the table, whatever was sent.

    Raises:
        RuleViolation: FLT-02.
    """
    wire = _fields("alarm", raw, ALARM_SCHEMA, ("alarm", "raised", "sentence"))
    return AlarmNote(alarm=_alarm(wire["alarm"]), raised=wire["raised"])


def _alarm(name: object) -> Alarm:
    if name not in tuple(Alarm):
        raise form("alarm", name, ", ".join(Alarm))
    return Alarm(str(name))


def _json(document: dict[str, Any]) -> bytes:
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        raise form("document", f"{len(data)} bytes", f"at most {MAX_BYTES}")
    return data


def _fields(what: str, raw: bytes, schema: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a document of one schema: all of them, and no others."""
    if len(raw) > MAX_BYTES:
        raise form(what, f"{len(raw)} bytes", f"at most {MAX_BYTES}")
    try:
        wire = json.loads(raw, object_pairs_hook=_once, parse_float=_not_whole, parse_constant=_not_whole)
    except (ValueError, RecursionError):
        raise form(what, raw[:64], "a JSON document of whole numbers, no key twice") from None
    if type(wire) is not dict or wire.keys() != {"schema", *names} or wire.pop("schema") != schema:
        raise form(what, wire, f"{schema} with {', '.join(names)}")
    return wire


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice")
    return table


def _not_whole(number: str) -> NoReturn:
    raise ValueError(f"{number} is no whole number")


def _time(what: str, at_ms: object) -> None:
    if at_ms is not None:
        whole(what, at_ms, 0, MAX_NUMBER)


def _truth(what: str, value: object) -> None:
    if type(value) is not bool:
        raise form(what, value, "true or false")


def _sentence(what: str, value: object) -> None:
    if type(value) is not str or len(value) > MAX_SENTENCE:
        raise form(what, value, f"a text of at most {MAX_SENTENCE} characters")


def _table(what: str, value: Any, most: int) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > most:
        raise form(what, value, f"a table of at most {most}")
    return value


def _named(what: str, name: object) -> None:
    if type(name) is not str or not _NAME.fullmatch(name):
        raise form(f"name of a {what}", name, "letters, digits and _.:/-")
