"""The clock gate: a state machine without I/O that says whether the time is known, and what it is.

    UNTRUSTED  --synchronised, steady for settle_ms, not below the floor-->   TRUSTED    (Opened)
    UNTRUSTED  --signed times of rescue_servers servers agree, and move on--> RESCUED    (Opened)
    RESCUED    --synchronised, steady, not below the floor-->                 TRUSTED    (Opened)
    RESCUED    --the last signed time is older than rescue_hold_ms-->         UNTRUSTED  (Closed)
    TRUSTED    --not synchronised for holdover_ms-->                          UNTRUSTED  (Closed)
    TRUSTED    --wall clock below the floor (LC-08), or behind signed time--> UNTRUSTED  (Closed)
    TRUSTED    --wall against monotonic clock moves over jump_ms-->           UNTRUSTED  (Jumped, Closed)
    others     --the same-->                                                  unchanged  (Jumped) settling begins anew

A wall clock is compared with the monotonic one and with nothing else: slewing by NTP moves both, so their difference
changes by steps alone. While the gate is open the time is the monotonic clock plus the difference that was believed,
so a step between two looks is never handed out.

After a jump from a time that was trusted to another one, `dispute_ms` must pass instead of `settle_ms`: somebody set
the clock, and the time service has to stand by it. Signed time that agrees settles the dispute at once.

Signed time is a lower bound: a quorum does not sign a header from the future, but anybody can show an old one, and a
tier that stands still has no other. So a server vouches only once its headers moved on with the monotonic clock, the
latest of them counts, and `rescue_servers` different servers must come close to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from firmware_app.clock.params import ClockParams
from light_client.rules.errors import RuleViolation
from light_client.rules.light import TrustedState, clock_is_set
from meter_io.reading import Moment, TimeBasis

SAID_VALID_MS: Final = 120_000
"""How long a word of a time service counts, ms: who asks it no more must not go on believing it."""


class ClockState(Enum):
    """Whether the time is known."""

    UNTRUSTED = "untrusted"
    """The gate is closed: no trading, no verdict that depends on the time."""
    RESCUED = "rescued"
    """Known to within `rescue_spread_ms`, by headers that quorums of the tier signed."""
    TRUSTED = "trusted"
    """A time service holds the wall clock, or held it less than `holdover_ms` ago."""


NEXT_STATES: Final = {
    ClockState.UNTRUSTED: {ClockState.RESCUED, ClockState.TRUSTED},
    ClockState.RESCUED: {ClockState.UNTRUSTED, ClockState.TRUSTED},
    ClockState.TRUSTED: {ClockState.UNTRUSTED},
}
"""From state to state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What a time service says of the wall clock."""

    source: str
    """Who says it: `kernel`, `chrony`."""
    synchronised: bool
    offset_us: int | None = None
    """Wall clock minus true time as estimated, µs; positive: the clock is fast."""
    error_us: int | None = None
    """Largest error as estimated, µs."""
    stratum: int | None = None
    """Steps to a reference clock; None where the source does not know."""
    reason: str = ""
    """Why not synchronised, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The time is known from now on: what was measured before can be stamped."""

    state: ClockState
    utc_ms: int
    monotonic_ms: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The time is not known any more."""

    reason: str
    monotonic_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Jumped:
    """Somebody set the wall clock, or the board slept."""

    by_ms: int
    """Forwards is positive, ms."""
    monotonic_ms: int


ClockEvent = Opened | Closed | Jumped


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReport:
    """The gate for people and programs."""

    state: ClockState
    since_ms: int
    """Since when it has been in this state, monotonic ms."""
    source: str
    """What the time rests on: a time service, `signed time`, or nothing."""
    offset_us: int | None
    error_us: int | None
    stratum: int | None
    floor_ms: int | None
    """Newest time that a quorum vouched for, UTC ms."""
    synchronised_ms: int | None
    """When a time service last held the clock, monotonic ms."""
    jumps: int
    """Since the start."""
    reason: str
    """Why the gate is closed; empty while it is open."""


class _Server:
    """The signed times that one server showed."""

    __slots__ = ("began_ms", "live_ms", "offset_ms", "time_ms")

    def __init__(self, time_ms: int, monotonic_ms: int) -> None:
        self.time_ms = time_ms
        """Of its newest header."""
        self.offset_ms = time_ms - monotonic_ms
        """Latest difference of its headers' times and the monotonic clock."""
        self.began_ms = monotonic_ms
        """Since when its headers have kept pace."""
        self.live_ms: int | None = None
        """When it last proved that they do."""

    def show(self, time_ms: int, monotonic_ms: int, spread_ms: int) -> None:
        """Take in its newest header; one that was shown before proves nothing."""
        if time_ms <= self.time_ms:
            return
        self.time_ms = time_ms
        offset_ms = time_ms - monotonic_ms
        if offset_ms - self.offset_ms > spread_ms:  # it was behind, and is catching up
            self.began_ms, self.live_ms = monotonic_ms, None
        elif self.offset_ms - offset_ms <= spread_ms and monotonic_ms - self.began_ms >= 2 * spread_ms:
            self.live_ms = monotonic_ms
        self.offset_ms = max(self.offset_ms, offset_ms)


class ClockGate:
    """Give it every look at the clocks and every signed time; ask it for the time."""

    def __init__(self, params: ClockParams, *, max_drift_ms: int, monotonic_ms: int) -> None:
        """Begin closed.

        Args:
            params: the settings.
            max_drift_ms: of the chain: how far honest clocks lie apart, ms.
            monotonic_ms: now.
        """
        self.params = params
        self.state = ClockState.UNTRUSTED
        self._drift_ms = max_drift_ms
        self._since_ms = monotonic_ms
        self._steady_since_ms = monotonic_ms
        self._offset_ms = 0
        """Believed difference of UTC and monotonic clock; means nothing while closed."""
        self._seen_ms: int | None = None
        """The wall clock's difference that later looks are compared with."""
        self._disputed_ms: int | None = None
        """The difference that was trusted before a jump."""
        self._trusted: TrustedState | None = None
        self._signed: dict[str, _Server] = {}
        self._sync: Sync | None = None
        self._said_ms = monotonic_ms
        self._synchronised_ms: int | None = None
        self._jumps = 0
        self._reason = "no time service was asked yet"

    @property
    def is_open(self) -> bool:
        """Whether the time is known."""
        return self.state is not ClockState.UNTRUSTED

    def utc_ms(self, monotonic_ms: int) -> int | None:
        """The time at an instant of the monotonic clock, UTC ms; None while it is not known."""
        return monotonic_ms + self._offset_ms if self.is_open else None

    def moment(self, monotonic_ms: int) -> Moment:
        """The stamp of something that was measured at `monotonic_ms`."""
        utc_ms = self.utc_ms(monotonic_ms)
        basis = TimeBasis.MONOTONIC if utc_ms is None else TimeBasis.RECEIVED
        return Moment(utc_ms=utc_ms, monotonic_ms=monotonic_ms, basis=basis)

    def raise_floor(self, trusted: TrustedState) -> None:
        """Take over what the light client trusts; an older header never lowers the floor."""
        if self._trusted is None or trusted.time_ms > self._trusted.time_ms:
            self._trusted = trusted

    def vouch(self, server: str, time_ms: int, monotonic_ms: int) -> list[ClockEvent]:
        """Hear of a signed time: the header that `server` showed just now is from `time_ms`, and was verified."""
        known = self._signed.get(server)
        if known is None:
            self._signed[server] = _Server(time_ms, monotonic_ms)
        else:
            known.show(time_ms, monotonic_ms, self.params.rescue_spread_ms)
        return self._without_a_service(monotonic_ms)

    def look(self, *, wall_ms: int, monotonic_ms: int, sync: Sync | None = None) -> list[ClockEvent]:
        """Look at both clocks, once a second or so.

        Args:
            wall_ms: the system's clock, UTC ms.
            monotonic_ms: the monotonic clock at the same instant.
            sync: what a time service says; None where none was asked this time.
        """
        if sync is not None:
            self._sync, self._said_ms = sync, monotonic_ms
        elif monotonic_ms - self._said_ms > SAID_VALID_MS:
            self._sync = None
        synchronised = self._is_synchronised()
        offset_ms = wall_ms - monotonic_ms
        events = self._jump(offset_ms, monotonic_ms)
        if self._seen_ms is None or events or synchronised:
            self._seen_ms = offset_ms
        if events:
            synchronised, self._sync = False, None  # whatever was said, was said before the jump was noticed
        refusal = self._refusal(wall_ms, offset_ms, monotonic_ms, synchronised=synchronised)
        if not refusal:
            self._synchronised_ms = monotonic_ms
            return events + self._trust(offset_ms, monotonic_ms)
        if self.state is ClockState.TRUSTED and not self._holds(wall_ms, offset_ms, monotonic_ms):
            events += self._close(refusal, monotonic_ms)
        if self.state is not ClockState.TRUSTED:
            self._reason = refusal
            events += self._without_a_service(monotonic_ms)
        return events

    def report(self) -> ClockReport:
        """Return how it stands."""
        sync = self._sync if self.state is not ClockState.RESCUED else None
        source = {
            ClockState.UNTRUSTED: "",
            ClockState.RESCUED: "signed time",
            ClockState.TRUSTED: self._sync.source if self._sync else "",
        }[self.state]
        return ClockReport(
            state=self.state,
            since_ms=self._since_ms,
            source=source,
            offset_us=sync.offset_us if sync and sync.synchronised else None,
            error_us=sync.error_us if sync and sync.synchronised else None,
            stratum=sync.stratum if sync and sync.synchronised else None,
            floor_ms=None if self._trusted is None else self._trusted.time_ms,
            synchronised_ms=self._synchronised_ms,
            jumps=self._jumps,
            reason="" if self.is_open else self._reason,
        )

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _jump(self, offset_ms: int, monotonic_ms: int) -> list[ClockEvent]:
        """Notice that the wall clock was set, however it was done: compared with where it last stood in sync."""
        if self._seen_ms is None or abs(offset_ms - self._seen_ms) <= self.params.jump_ms:
            return []
        by_ms = offset_ms - self._seen_ms
        self._jumps += 1
        self._steady_since_ms = monotonic_ms
        events: list[ClockEvent] = [Jumped(by_ms=by_ms, monotonic_ms=monotonic_ms)]
        if self.state is ClockState.TRUSTED:
            self._disputed_ms = self._offset_ms
            events += self._close(_set_by(by_ms), monotonic_ms)
        return events

    def _is_synchronised(self) -> bool:
        sync = self._sync
        if sync is None or not sync.synchronised:
            return False
        return sync.error_us is None or sync.error_us <= self.params.max_error_ms * 1_000

    def _refusal(self, wall_ms: int, offset_ms: int, monotonic_ms: int, *, synchronised: bool) -> str:
        """Why the wall clock is not to be believed as it stands, or an empty string."""
        behind = self._behind(wall_ms, offset_ms)
        if behind:
            return behind
        if not synchronised:
            return (
                (self._sync.reason or "the time service's error is too large")
                if self._sync
                else "no time service"
            )
        settled_ms = monotonic_ms - self._steady_since_ms
        if self.state is ClockState.TRUSTED:
            return ""
        if self._is_disputed(offset_ms, monotonic_ms):
            waits_ms = self.params.dispute_ms
            why = "the clock moved away from a trusted time"
        else:
            waits_ms, why = self.params.settle_ms, "the clock is settling"
        return "" if settled_ms >= waits_ms else f"{why}: {settled_ms} of {waits_ms} ms"

    def _behind(self, wall_ms: int, offset_ms: int) -> str:
        """LC-08, and the same against signed times that the light client has not taken over yet."""
        if self._trusted is not None:
            try:
                clock_is_set(self._trusted, wall_ms, self._drift_ms)
            except RuleViolation as broken:
                return str(broken)
        signed_ms = max((server.offset_ms for server in self._signed.values()), default=None)
        if signed_ms is not None and offset_ms + self._drift_ms < signed_ms:  # a bound needs no second server
            return f"the clock is {signed_ms - offset_ms} ms behind signed time"
        return ""

    def _is_disputed(self, offset_ms: int, monotonic_ms: int) -> bool:
        if self._disputed_ms is None or abs(offset_ms - self._disputed_ms) <= self.params.jump_ms:
            return False
        signed_ms = self._agreed_ms(monotonic_ms)
        return signed_ms is None or abs(offset_ms - signed_ms) > self.params.rescue_spread_ms

    def _holds(self, wall_ms: int, offset_ms: int, monotonic_ms: int) -> bool:
        """Whether a trusted clock without a time service is still good."""
        last_ms = self._synchronised_ms
        fresh = last_ms is not None and monotonic_ms - last_ms <= self.params.holdover_ms
        return fresh and not self._behind(wall_ms, offset_ms)

    def _trust(self, offset_ms: int, monotonic_ms: int) -> list[ClockEvent]:
        self._offset_ms = offset_ms
        if self.state is ClockState.TRUSTED:
            return []
        self._disputed_ms = None
        return self._open(ClockState.TRUSTED, self._sync.source if self._sync else "", monotonic_ms)

    # -- signed time -------------------------------------------------------------------------------------------------

    def _agreed_ms(self, monotonic_ms: int) -> int | None:
        """Difference of UTC and monotonic clock by signed times; None where too few servers agree."""
        offsets = [
            server.offset_ms
            for server in self._signed.values()
            if server.live_ms is not None and monotonic_ms - server.live_ms <= self.params.rescue_hold_ms
        ]
        if not offsets:
            return None
        latest = max(offsets)
        close = sum(latest - offset <= self.params.rescue_spread_ms for offset in offsets)
        return latest if close >= self.params.rescue_servers else None

    def _without_a_service(self, monotonic_ms: int) -> list[ClockEvent]:
        """Open by signed time, follow it, or close when it is too old."""
        if self.state is ClockState.TRUSTED:
            return []
        agreed_ms = self._agreed_ms(monotonic_ms)
        if agreed_ms is None:
            return (
                self._close("signed time is too old", monotonic_ms)
                if self.state is ClockState.RESCUED
                else []
            )
        floor_ms = None if self._trusted is None else self._trusted.time_ms
        if floor_ms is not None and monotonic_ms + agreed_ms + self._drift_ms < floor_ms:
            return []
        if self.state is ClockState.RESCUED:
            self._offset_ms = max(self._offset_ms, agreed_ms)  # a lower bound: later is closer
            return []
        self._offset_ms = agreed_ms
        return self._open(ClockState.RESCUED, "signed time", monotonic_ms)

    # -- states ------------------------------------------------------------------------------------------------------

    def _open(self, state: ClockState, source: str, monotonic_ms: int) -> list[ClockEvent]:
        self._turn(state, monotonic_ms)
        utc_ms = monotonic_ms + self._offset_ms
        return [Opened(state=state, utc_ms=utc_ms, monotonic_ms=monotonic_ms, source=source)]

    def _close(self, reason: str, monotonic_ms: int) -> list[ClockEvent]:
        self._turn(ClockState.UNTRUSTED, monotonic_ms)
        self._reason = reason
        return [Closed(reason=reason, monotonic_ms=monotonic_ms)]

    def _turn(self, state: ClockState, monotonic_ms: int) -> None:
        if state not in NEXT_STATES[self.state]:
            raise ValueError(f"the clock gate goes from {self.state.value} not to {state.value}")
        self.state, self._since_ms = state, monotonic_ms


def _set_by(by_ms: int) -> str:
    return f"the clock was set {'forwards' if by_ms > 0 else 'back'} by {abs(by_ms) // 1_000} s"
