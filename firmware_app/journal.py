"""The journal: one event on each line, bounded in length and in number, without secrets and without trades.

On a terminal a line reads `13:07:12 warning  meter.lost  port is gone  port=ttyUSB0`, elsewhere it is a JSON object.
Logs carry the identity of the meter, so no line says what was traded: what leaves the board holds one or the other.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TextIO

from firmware_app.console import Paint, wants_colour
from light_client.rules.errors import shown

MAX_KINDS: Final = 200
"""Kinds of events that are counted one by one; further ones share a limit."""
MAX_VALUE: Final = 160
"""Characters of one value."""
MAX_FIELDS: Final = 16
KEPT_EVENTS: Final = 200
"""Last events that stay in memory, for the status page and a support bundle."""
SECRET: Final = "[secret]"  # noqa: S105 - what stands in place of one
TRADE: Final = "[trade]"
_SECRET_WORDS: Final = ("key", "secret", "password", "token", "seed", "mnemonic", "credential")
_TRADE_WORDS: Final = ("address", "price", "offer", "trade", "payment", "balance", "grant", "uc_per_kwh")
_OTHERS: Final = "other"


class Level(IntEnum):
    """How much an owner has to care; INFO is what an owner acts on or looks for, DEBUG is normal work."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParams:
    """How much is logged: the table `[log]` of the configuration."""

    level: str = "info"
    """Least level that is written: debug, info, warning or error."""
    burst: int = 10
    """Events of one kind that are written in one window; the others are counted."""
    window_s: int = 60
    """Length of a window, seconds."""

    def __post_init__(self) -> None:
        if self.level.upper() not in Level.__members__:
            raise ValueError(f"log.level is debug, info, warning or error, got {self.level!r}")
        if not 1 <= self.burst <= 1_000 or not 1 <= self.window_s <= 86_400:
            raise ValueError(
                f"log.burst is 1 to 1000 and log.window_s 1 to 86400, got {self.burst}, {self.window_s}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One event as it is written.

    Attributes:
        monotonic_ms: when, by the clock that always runs.
        level: how much it matters.
        kind: stable, `part.what`, such as `clock.jumped`.
        message: a sentence that holds no secret.
        fields: what the event carries, safe and short.
        suppressed: events of this kind before it that were not written.
    """

    monotonic_ms: int
    level: Level
    kind: str
    message: str
    fields: Mapping[str, str | int | bool | None]
    suppressed: int = 0


class _Quota:
    __slots__ = ("began_ms", "suppressed", "written")

    def __init__(self, now_ms: int) -> None:
        self.began_ms = now_ms
        self.written = 0
        self.suppressed = 0


class Journal:
    """Writes events to one stream. A stream that refuses is no reason to stop a meter: what it loses is counted."""

    def __init__(
        self,
        params: LogParams,
        *,
        out: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        monotonic_ms: Callable[[], int] | None = None,
        utc_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Bind the stream and the clocks.

        Args:
            params: the settings.
            out: stderr if not given; systemd's journal reads it.
            environ: for the choice of colour.
            monotonic_ms: the clock that always runs.
            utc_ms: the time by the clock gate; None while it is not known.
        """
        self._out = sys.stderr if out is None else out
        self._people = self._out.isatty()
        self._colour = wants_colour("auto", environ or {}, is_terminal=self._people)
        self._params = params
        self._least = Level[params.level.upper()]
        self._monotonic_ms = monotonic_ms or (lambda: time.monotonic_ns() // 1_000_000)
        self._utc_ms = utc_ms
        self._quotas: dict[str, _Quota] = {}
        self.recent: deque[LogEvent] = deque(maxlen=KEPT_EVENTS)
        self.lost = 0
        """Lines that the stream did not take."""

    def follow(self, params: LogParams) -> None:
        """Write by other settings from now on."""
        self._params = params
        self._least = Level[params.level.upper()]

    def debug(self, kind: str, message: str, **fields: object) -> None:
        """Normal work."""
        self._event(Level.DEBUG, kind, message, fields)

    def info(self, kind: str, message: str, **fields: object) -> None:
        """What an owner looks for."""
        self._event(Level.INFO, kind, message, fields)

    def warning(self, kind: str, message: str, **fields: object) -> None:
        """What an owner should know."""
        self._event(Level.WARNING, kind, message, fields)

    def error(self, kind: str, message: str, **fields: object) -> None:
        """What stops the meter from doing its work."""
        self._event(Level.ERROR, kind, message, fields)

    def flush(self) -> None:
        """Say how many events were suppressed and never mentioned: at the end of a window, and of the service."""
        now_ms = self._monotonic_ms()
        for kind, quota in self._quotas.items():
            if quota.suppressed and now_ms - quota.began_ms >= self._params.window_s * 1_000:
                count, quota.suppressed, quota.written, quota.began_ms = quota.suppressed, 0, 1, now_ms
                self._write(
                    LogEvent(
                        monotonic_ms=now_ms,
                        level=Level.INFO,
                        kind=kind,
                        message="events of this kind were not written",
                        fields={},
                        suppressed=count,
                    )
                )

    def _event(self, level: Level, kind: str, message: str, fields: Mapping[str, object]) -> None:
        if level < self._least:
            return
        suppressed = self._admit(kind)
        if suppressed is None:
            return
        event = LogEvent(
            monotonic_ms=self._monotonic_ms(),
            level=level,
            kind=kind[:64],
            message=" ".join(message.split())[: 2 * MAX_VALUE],
            fields={name: safe(name, value) for name, value in list(fields.items())[:MAX_FIELDS]},
            suppressed=suppressed,
        )
        self._write(event)

    def _admit(self, kind: str) -> int | None:
        """How many events of the kind went unwritten before this one; None if this one goes unwritten too."""
        now_ms = self._monotonic_ms()
        known = kind if kind in self._quotas or len(self._quotas) < MAX_KINDS else _OTHERS
        quota = self._quotas.setdefault(known, _Quota(now_ms))
        if now_ms - quota.began_ms >= self._params.window_s * 1_000:
            quota.began_ms, quota.written = now_ms, 0
        if quota.written >= self._params.burst:
            quota.suppressed += 1
            return None
        quota.written += 1
        suppressed, quota.suppressed = quota.suppressed, 0
        return suppressed

    def _write(self, event: LogEvent) -> None:
        self.recent.append(event)
        line = self._for_people(event) if self._people else self._for_programs(event)
        try:
            print(line, file=self._out, flush=True)
        except (OSError, ValueError):  # a full disk, a closed pipe
            self.lost += 1

    def _for_people(self, event: LogEvent) -> str:
        utc_ms = self._utc_ms()
        if utc_ms is None:
            when = f"+{event.monotonic_ms // 1_000} s"
        else:
            when = time.strftime("%H:%M:%S", time.localtime(utc_ms // 1_000))
        word = f"{event.level.name.lower():<7}"
        if self._colour and event.level >= Level.WARNING:
            paint = Paint.RED if event.level is Level.ERROR else Paint.YELLOW
            word = f"\x1b[{paint.value}m{word}\x1b[0m"
        parts = [f"{when:>8} {word} {event.kind:<16} {event.message:<40}"]
        parts += [f"{name}={_word(value)}" for name, value in event.fields.items()]
        if event.suppressed:
            parts.append(f"suppressed={event.suppressed}")
        return " ".join(parts).rstrip()

    def _for_programs(self, event: LogEvent) -> str:
        document: dict[str, object] = {
            "time_utc_ms": self._utc_ms(),
            "monotonic_ms": event.monotonic_ms,
            "level": event.level.name.lower(),
            "kind": event.kind,
            "message": event.message,
            **{name: value for name, value in event.fields.items() if name not in _TAKEN},
        }
        if event.suppressed:
            document["suppressed"] = event.suppressed
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


_TAKEN: Final = frozenset({"time_utc_ms", "monotonic_ms", "level", "kind", "message", "suppressed"})


def safe(name: str, value: object) -> str | int | bool | None:
    """A field's value as it may be written: no secret, no trade, no long text, bytes by their first four."""
    lowered = name.lower()
    if any(word in lowered for word in _SECRET_WORDS):
        return SECRET
    if any(word in lowered for word in _TRADE_WORDS):
        return TRADE
    if value is None or isinstance(value, bool | int):
        return value
    text = shown(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def _word(value: str | int | None) -> str:
    text = "-" if value is None else str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(map(str.isspace, text)) else text
