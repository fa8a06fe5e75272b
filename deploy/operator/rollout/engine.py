"""One rollout as a state machine without I/O: it is told what devices say and what people want, and answers with marks.

Whoever drives it writes all marks of one event in one transaction, and only then sends: what lies in devices' topics
follows from what is written (`desired.py`), so that a desk that is killed at any moment goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Final, TypeAlias

from deploy.operator.rollout.outcomes import FAILED, OPEN, PENDING, TRANSITIONS, Outcome, Sight, Turn
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.takeover import MAX_STARTS


class Standing(StrEnum):
    """Where a rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    """Nobody takes it up any more: by a person's word, at the threshold, or for want of time."""
    DONE = "done"
    """All waves were begun, and every device that was connected has settled; who is away catches up."""
    OVER = "over"
    """Done, and its bundle has expired since: nobody catches up any more."""


class Step(Enum):
    """What happens to a rollout."""

    PAUSE = auto()
    RESUME = auto()
    ABORT = auto()
    """By a person."""
    TOO_MANY = auto()
    """More devices failed than the signed plan allows."""
    THROUGH = auto()
    EXPIRED = auto()


_S = Standing

STEPS: Final[Mapping[tuple[Standing, Step], Standing]] = {
    (_S.RUNNING, Step.PAUSE): _S.PAUSED,
    (_S.PAUSED, Step.RESUME): _S.RUNNING,
    (_S.RUNNING, Step.ABORT): _S.ABORTED,
    (_S.PAUSED, Step.ABORT): _S.ABORTED,
    (_S.DONE, Step.ABORT): _S.ABORTED,
    (_S.RUNNING, Step.TOO_MANY): _S.ABORTED,
    (_S.PAUSED, Step.TOO_MANY): _S.ABORTED,
    (_S.RUNNING, Step.THROUGH): _S.DONE,
    (_S.RUNNING, Step.EXPIRED): _S.ABORTED,
    (_S.PAUSED, Step.EXPIRED): _S.ABORTED,
    (_S.DONE, Step.EXPIRED): _S.OVER,
}
"""Everything else is not for this standing, and changes nothing."""

UNFINISHED: Final = frozenset({Standing.RUNNING, Standing.PAUSED})
OFFERED: Final = frozenset({Standing.RUNNING, Standing.PAUSED, Standing.DONE})
"""In these the bundle lies in the topics of devices that have not settled."""
GRACE_MS: Final = 120_000
"""For messages to arrive and for a device to restart, besides the health window of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One device of a rollout; its number says when its turn comes."""

    device: str
    outcome: Outcome = Outcome.WAITING
    reason: str = ""
    sent_ms: int | None = None
    """When the bundle was first meant for its topic, UTC ms."""
    until_ms: int | None = None
    """By then it must have settled, UTC ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Write what became of a device."""

    number: int
    place: Place
    before: Outcome
    """Its outcome until now; the same where only its time was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Write where the rollout stands."""

    standing: Standing
    wave: int
    """Waves begun."""
    reason: str


Effect: TypeAlias = Mark | Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Something was heard of a device, or its connection."""

    device: str
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A person wants it paused, resumed or aborted."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awake:
    """The desk hears again, after a restart or an outage: whoever is waited for may have spoken meanwhile."""


Event: TypeAlias = Seen | Ask | Tick | Awake


class Rollout:
    """One rollout."""

    def __init__(
        self,
        *,
        bundle: str,
        plan: RolloutPlan,
        expires_ms: int,
        places: Iterable[Place],
        sights: Callable[[str], Sight],
        standing: Standing = Standing.RUNNING,
        wave: int = 0,
        reason: str = "",
    ) -> None:
        """Begin, or go on after a restart.

        Args:
            bundle: its hash, hexadecimal.
            places: the devices in the order of their turns.
            sights: device -> what was heard of it last.
        """
        self._bundle = bundle
        self._plan = plan
        self._expires_ms = expires_ms
        self._places = list(places)
        self._numbers = {place.device: number for number, place in enumerate(self._places)}
        self._counts = Counter(place.outcome for place in self._places)
        self._pending = {n for n, place in enumerate(self._places) if place.outcome in PENDING}
        self._sights = sights
        self.standing = standing
        self.wave = wave
        self.reason = reason
        self._effects: list[Effect] = []

    @property
    def places(self) -> tuple[Place, ...]:
        """All devices in the order of their turns."""
        return tuple(self._places)

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many devices have come to what."""
        return self._counts

    @property
    def reach(self) -> int:
        """Places below this one were reached: those of the waves begun."""
        return self._plan.waves[self.wave - 1].reaches(len(self._places)) if self.wave else 0

    def __contains__(self, device: str) -> bool:
        return device in self._numbers

    def outcome(self, device: str) -> Outcome:
        """What became of a device of this rollout."""
        return self._places[self._numbers[device]].outcome

    def handle(self, event: Event, now_ms: int) -> tuple[Effect, ...]:
        """Take one event; what comes back is to be written together.

        Args:
            now_ms: UTC ms.
        """
        match event:
            case Seen(device=device, sight=sight):
                self._see(self._numbers[device], sight, now_ms)
            case Ask(step=step, why=why):
                self._step(step, why, now_ms)
            case Tick():
                self._tick(now_ms)
            case Awake():
                self._wait_anew(now_ms)
        self._judge(now_ms)
        effects, self._effects = tuple(self._effects), []
        return effects

    # -- devices ---------------------------------------------------------------------------------------------------

    def _see(self, number: int, sight: Sight, now_ms: int) -> None:
        found = sight.turn(self._bundle)
        if found is not None:
            self._turn(number, *found, now_ms)
        if sight.connected:
            self._turn(number, Turn.CAME, "", now_ms)
            self._extend(number, sight, now_ms)

    def _turn(self, number: int, turn: Turn, reason: str, now_ms: int) -> None:
        before = self._places[number]
        after = TRANSITIONS.get((before.outcome, turn))
        if after is None:
            return
        first = turn in (Turn.REACHED, Turn.REACHED_AWAY)
        sent_ms = now_ms if first else before.sent_ms
        until_ms = now_ms + self._patience_ms if after in PENDING else None
        self._counts[before.outcome] -= 1
        self._counts[after] += 1
        (self._pending.add if after in PENDING else self._pending.discard)(number)
        self._put(number, replace(before, outcome=after, reason=reason, sent_ms=sent_ms, until_ms=until_ms))

    def _extend(self, number: int, sight: Sight, now_ms: int) -> None:
        """Give a device that takes the bundle over, and speaks, time for as many trials as it may begin.

        One that fetches what the bundle brings has as much: it says when it begins, and not how far it is.
        """
        place = self._places[number]
        if place.sent_ms is None or place.until_ms is None:
            return
        most_ms = place.sent_ms + MAX_STARTS * self._patience_ms
        if place.outcome is Outcome.SENT and sight.fetching_hash == self._bundle:
            until_ms = most_ms
        elif place.outcome is Outcome.APPLYING:
            until_ms = min(now_ms + self._patience_ms, most_ms)
        else:
            return
        if until_ms > place.until_ms:
            self._put(number, replace(place, until_ms=until_ms))

    def _wait_anew(self, now_ms: int) -> None:
        """Nobody is late for what nobody could hear."""
        for number in sorted(self._pending):
            self._put(number, replace(self._places[number], until_ms=now_ms + self._patience_ms))

    def _put(self, number: int, place: Place) -> None:
        before, self._places[number] = self._places[number].outcome, place
        self._effects.append(Mark(number=number, place=place, before=before))

    @property
    def _patience_ms(self) -> int:
        return self._plan.window_ms + GRACE_MS

    def _tick(self, now_ms: int) -> None:
        for number in sorted(self._pending):
            until_ms = self._places[number].until_ms
            if until_ms is not None and now_ms >= until_ms:
                self._turn(number, Turn.OVERDUE, "it did not say in time what became of it", now_ms)

    # -- the rollout -----------------------------------------------------------------------------------------------

    def _judge(self, now_ms: int) -> None:
        """Stop where too many failed or the time is over; else begin what waves may begin."""
        if now_ms >= self._expires_ms:
            self._step(Step.EXPIRED, "the bundle has expired", now_ms)
        if self._too_many():
            failed = sum(self._counts[outcome] for outcome in FAILED)
            why = f"{failed} of {self._told} devices failed, more than {self._plan.abort_permille / 10:g} %"
            self._step(Step.TOO_MANY, why, now_ms)
        while self.standing is Standing.RUNNING and self._wave_is_through():
            if self.wave == len(self._plan.waves):
                self._step(Step.THROUGH, "", now_ms)
            else:
                self._begin_wave(now_ms)

    @property
    def _told(self) -> int:
        """Devices that the failed are compared with: those of which it is known, or soon will be, how they fare."""
        silent = (Outcome.WAITING, Outcome.AWAY, Outcome.WITHDRAWN)
        return len(self._places) - sum(self._counts[outcome] for outcome in silent)

    def _too_many(self) -> bool:
        failed = sum(self._counts[outcome] for outcome in FAILED)
        return failed * 1_000 > self._plan.abort_permille * self._told

    def _wave_is_through(self) -> bool:
        """Whether everybody reached has settled or is away, and somebody has shown that the bundle does no harm."""
        if self.wave == 0:
            return True
        proven = self._counts[Outcome.HEALTHY] > 0 or self.wave == len(self._plan.waves)
        return proven and not self._pending

    def _begin_wave(self, now_ms: int) -> None:
        first = self.reach
        self.wave += 1
        for number in range(first, self.reach):
            sight = self._sights(self._places[number].device)
            self._turn(number, Turn.REACHED if sight.connected else Turn.REACHED_AWAY, "", now_ms)
            self._see(number, sight, now_ms)
        self._stand()
        if self._too_many():  # some may have failed with it before, by a stick
            self._step(Step.TOO_MANY, "too many devices have failed with it already", now_ms)

    def _step(self, step: Step, why: str, now_ms: int) -> None:
        after = STEPS.get((self.standing, step))
        if after is None:
            return
        self.standing, self.reason = after, why
        if after not in OFFERED:
            for number, place in enumerate(self._places):
                if (place.outcome, Turn.ENDED) in TRANSITIONS:
                    self._turn(number, Turn.ENDED, why, now_ms)
        self._stand()

    def _stand(self) -> None:
        self._effects.append(Stand(standing=self.standing, wave=self.wave, reason=self.reason))


def is_wanted(standing: Standing, outcome: Outcome) -> bool:
    """Whether the bundle has to lie in a device's topic until it settles."""
    return standing in OFFERED and outcome in OPEN
