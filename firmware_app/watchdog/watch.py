"""The watch over all parts: a state machine without I/O.

    WORKING     --limit passes without a sign of life-->     STALE       (Stale, Restart the part)
    STALE       --sign of life-->                            WORKING     (Recovered)
    STALE       --limit passes again, restarts left-->       STALE       (Restart the part)
    STALE       --limit passes again, none left-->           GIVEN_UP    (GaveUp) systemd is not fed from now on
    GIVEN_UP    --sign of life-->                            WORKING     (Recovered) and systemd is fed again

Systemd is fed while no part is given up: a stale part is named and restarted by the supervisor first, and only then is
the whole service. The count of restarts begins anew after `limit_ms` of signs of life, so that a part that dies right
after each restart does not get away with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from firmware_app.watchdog.parts import Part


class PartState(Enum):
    """How a part fares."""

    WORKING = "working"
    STALE = "stale"
    GIVEN_UP = "given up"


NEXT_STATES: Final = {
    PartState.WORKING: {PartState.STALE},
    PartState.STALE: {PartState.WORKING, PartState.GIVEN_UP},
    PartState.GIVEN_UP: {PartState.WORKING},
}
"""From state to state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A part shows no sign of life: it is to be restarted."""

    part: str
    silent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What the supervisor is to do, now."""

    part: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """A part did not come back: systemd is left to restart the service."""

    part: str
    silent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A part works again."""

    part: str
    after_ms: int


WatchEvent = Stale | Restart | GaveUp | Recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One part for people and programs."""

    name: str
    state: PartState
    shown_ms: int
    """When it last showed itself, monotonic ms."""
    limit_ms: int
    idle: str
    """Why it has nothing to show; empty if it worked."""
    restarts: int
    """Since the start of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What to do now."""

    feed: bool
    """Whether systemd may be fed."""
    status: str
    """One line for `systemctl status`; empty while all is well."""
    events: tuple[WatchEvent, ...]


class _Vital:
    """What is known of one part."""

    __slots__ = ("asked_ms", "attempts", "idle", "part", "restarts", "shown_ms", "state", "well_ms")

    def __init__(self, part: Part, now_ms: int) -> None:
        self.part = part
        self.state = PartState.WORKING
        self.shown_ms = now_ms
        self.asked_ms = now_ms
        """When the running limit began: the last sign of life, or the last restart."""
        self.well_ms = now_ms
        """Since when it has been showing itself."""
        self.attempts = 0
        self.restarts = 0
        self.idle = "starting"

    def turn(self, state: PartState) -> None:
        if state not in NEXT_STATES[self.state]:
            raise ValueError(f"a part goes from {self.state.value} not to {state.value}")
        self.state = state


class Watch:
    """Hears of every sign of life, and says whether systemd may be fed."""

    def __init__(self, parts: tuple[Part, ...], *, now_ms: int) -> None:
        """Begin: every part has its limit to show itself for the first time.

        Args:
            parts: of the table; names are unique.
            now_ms: the monotonic clock, ms, here and everywhere.
        """
        self._vitals = {part.name: _Vital(part, now_ms) for part in parts}
        if len(self._vitals) != len(parts):
            raise ValueError(f"two parts have one name: {sorted(part.name for part in parts)}")

    def fresh(self, part: str, now_ms: int) -> list[WatchEvent]:
        """A part did its work.

        Raises:
            KeyError: no such part is watched.
        """
        return self._alive(self._vitals[part], "", now_ms)

    def idle(self, part: str, reason: str, now_ms: int) -> list[WatchEvent]:
        """A part has nothing to show and says why; it must say so again within its limit.

        Raises:
            KeyError: no such part is watched.
            ValueError: no reason, or the part has no business being idle.
        """
        vital = self._vitals[part]
        if not reason or not vital.part.idle:
            raise ValueError(f"part {part} may not be idle" if reason else "idleness has a reason")
        return self._alive(vital, reason, now_ms)

    def beat(self, now_ms: int) -> Beat:
        """Look at all parts; to be called at least every `Notifier.feed_every_ms`."""
        events = [event for vital in self._vitals.values() for event in self._look(vital, now_ms)]
        given_up = [vital for vital in self._vitals.values() if vital.state is PartState.GIVEN_UP]
        stale = [vital for vital in self._vitals.values() if vital.state is PartState.STALE]
        words = [f"{vital.part.name} given up" for vital in given_up]
        words += [
            f"{vital.part.name} stale for {(now_ms - vital.shown_ms) // 1_000} s, restart {vital.attempts} "
            f"of {vital.part.restarts}"
            for vital in stale
        ]
        return Beat(feed=not given_up, status="; ".join(words), events=tuple(events))

    def report(self) -> tuple[PartReport, ...]:
        """Return how each part fares, in the order of the table."""
        return tuple(
            PartReport(
                name=name,
                state=vital.state,
                shown_ms=vital.shown_ms,
                limit_ms=vital.part.limit_ms,
                idle=vital.idle,
                restarts=vital.restarts,
            )
            for name, vital in self._vitals.items()
        )

    def _alive(self, vital: _Vital, idle: str, now_ms: int) -> list[WatchEvent]:
        silent_ms = now_ms - vital.shown_ms
        vital.shown_ms = vital.asked_ms = now_ms
        vital.idle = idle
        if vital.state is not PartState.WORKING:
            vital.turn(PartState.WORKING)
            vital.well_ms = now_ms
            return [Recovered(part=vital.part.name, after_ms=silent_ms)]
        if now_ms - vital.well_ms >= vital.part.limit_ms:
            vital.attempts = 0
        return []

    def _look(self, vital: _Vital, now_ms: int) -> list[WatchEvent]:
        part = vital.part
        if vital.state is PartState.GIVEN_UP or now_ms - vital.asked_ms <= part.limit_ms:
            return []
        silent_ms = now_ms - vital.shown_ms
        events: list[WatchEvent] = []
        if vital.state is PartState.WORKING:
            vital.turn(PartState.STALE)
            events.append(Stale(part=part.name, silent_ms=silent_ms))
        if vital.attempts >= part.restarts:
            vital.turn(PartState.GIVEN_UP)
            return [*events, GaveUp(part=part.name, silent_ms=silent_ms)]
        vital.attempts += 1
        vital.restarts += 1
        vital.asked_ms = now_ms
        return [*events, Restart(part=part.name, attempt=vital.attempts)]
