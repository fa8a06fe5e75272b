"""The device's lifecycle: what it is doing, what is allowed meanwhile, and what leads from where to where.

    state               when                                                      allowed
    UNPROVISIONED       no keys: `gridlight enroll`                               read
    WAITING_FOR_CLOCK   the time is not known, or is behind what is trusted       read
    SYNCING             on the way to the newest header; or the trust is too old  read, decide
    TRADING             chain, clock and grid meter are believed                  read, decide, post, settle
    DEGRADED            as TRADING, but the grid meter is not believed            read, decide, settle
    HALTED              a committee contradicted itself or the rules              read

    from                to
    UNPROVISIONED       (only a restart leads on)
    WAITING_FOR_CLOCK   SYNCING, TRADING, DEGRADED, HALTED
    SYNCING             WAITING_FOR_CLOCK, TRADING, DEGRADED, HALTED
    TRADING, DEGRADED   each other, WAITING_FOR_CLOCK, SYNCING, HALTED
    HALTED              WAITING_FOR_CLOCK, SYNCING: a new anchor of the registry, never the mere lapse of time

Reading the meters is always allowed: energy that flows is counted, whatever happens to the market. What is allowed
here is what the device begins; an offer that is on the market is carried through by the market, not by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from light_client.client.status import Standing
from light_client.rules.errors import LocalError


class State(Enum):
    """What the device is doing."""

    UNPROVISIONED = "unprovisioned"
    WAITING_FOR_CLOCK = "waiting for clock"
    SYNCING = "syncing"
    TRADING = "trading"
    DEGRADED = "degraded"
    HALTED = "halted"


class May(Enum):
    """What the device may begin."""

    READ = "read meters"
    DECIDE = "decide offers and ask for addresses"
    POST = "post offers"
    SETTLE = "hand back what is left"


ALLOWED: Final = {
    State.UNPROVISIONED: {May.READ},
    State.WAITING_FOR_CLOCK: {May.READ},
    State.SYNCING: {May.READ, May.DECIDE},
    State.TRADING: {May.READ, May.DECIDE, May.POST, May.SETTLE},
    State.DEGRADED: {May.READ, May.DECIDE, May.SETTLE},
    State.HALTED: {May.READ},
}
_AT_WORK: Final = {State.SYNCING, State.TRADING, State.DEGRADED}
NEXT_STATES: Final = {
    State.UNPROVISIONED: set(),
    State.WAITING_FOR_CLOCK: {*_AT_WORK, State.HALTED},
    **{state: {State.WAITING_FOR_CLOCK, State.HALTED, *_AT_WORK} - {state} for state in _AT_WORK},
    State.HALTED: {State.WAITING_FOR_CLOCK, State.SYNCING},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides the state."""

    clock_known: bool
    """Whether the board's time is known."""
    standing: Standing
    """Of the light client."""
    why: str
    """The light client's reason for it."""
    measured: bool
    """Whether the grid meter is believed."""


def state_of(facts: Facts) -> tuple[State, str]:
    """The state that follows from the facts, and why it is no better; the first reason counts."""
    if facts.standing is Standing.HALTED:
        return State.HALTED, facts.why
    if not facts.clock_known:
        return State.WAITING_FOR_CLOCK, "the time is not known"
    if facts.standing is Standing.WAITING_FOR_CLOCK:
        return State.WAITING_FOR_CLOCK, facts.why
    if facts.standing is not Standing.FOLLOWING:
        return State.SYNCING, facts.why
    if not facts.measured:
        return State.DEGRADED, "the grid meter is not believed"
    return State.TRADING, ""


class Lifecycle:
    """Goes from state to state, as the table allows."""

    def __init__(self, now_ms: int | None = None) -> None:
        """Be as one who knows nothing yet.

        Args:
            now_ms: when this begins; None: with ``begin``.
        """
        self.state = State.WAITING_FOR_CLOCK
        self.why = "starting"
        self.since_ms = now_ms

    def begin(self, now_ms: int) -> None:
        """Begin now, if it has not begun."""
        if self.since_ms is None:
            self.since_ms = now_ms

    def turn(self, facts: Facts, now_ms: int) -> bool:
        """Go where the facts lead; returns whether the state is another one now.

        Out of a halt leads only SYNCING: whoever seems to follow right after it is taken through it.

        Raises:
            LocalError: the table has no such way.
        """
        state, self.why = state_of(facts)
        if state is self.state:
            return False
        if self.state is State.HALTED and state in _AT_WORK:
            state = State.SYNCING
        if state not in NEXT_STATES[self.state]:
            raise LocalError("state of the device", got=state.value, expected=f"after {self.state.value}")
        self.state, self.since_ms = state, now_ms
        return True

    def may(self, what: May) -> bool:
        """Whether something may be begun now."""
        return what in ALLOWED[self.state]
