"""A rollout without a desk: devices that do what a test wants, and what must always hold, asked after every event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from deploy.operator.rollout.engine import (
    OFFERED,
    Ask,
    Effect,
    Event,
    Mark,
    Place,
    Rollout,
    Seen,
    Stand,
    Standing,
    Step,
    Tick,
)
from deploy.operator.rollout.outcomes import FAILED, OPEN, PENDING, Outcome, Sight
from firmware_app.fleet.plan import RolloutPlan, Wave

BUNDLE: Final = "b" * 64
OTHER: Final = "0" * 64
PLAN: Final = RolloutPlan(
    waves=(Wave(devices=1), Wave(permille=250), Wave(permille=1_000)),
    abort_permille=200,
    window_ms=10_000,
    hold_ms=1_000,
)
EXPIRES_MS: Final = 10_000_000
_SENT: Final = frozenset(OPEN | {Outcome.HEALTHY, Outcome.ROLLED_BACK, Outcome.REFUSED})


class BrokenPromiseError(AssertionError):
    """A rollout did what it never may."""


class Fleet:
    """Devices by their names, a rollout over them, and its promises."""

    def __init__(
        self,
        size: int = 8,
        *,
        plan: RolloutPlan = PLAN,
        away: Iterable[int] = (),
        kind: type[Rollout] = Rollout,
    ) -> None:
        self.names = tuple(f"m-{number:03}" for number in range(size))
        absent = set(away)
        self.sights = {name: Sight(connected=n not in absent) for n, name in enumerate(self.names)}
        self.plan = plan
        self.kind = kind
        self.now_ms = 0
        self.written = {number: Place(device=name) for number, name in enumerate(self.names)}
        self.stand = Stand(standing=Standing.RUNNING, wave=0, reason="")
        self.ever_sent: set[str] = set()
        """Whom the bundle was laid before."""
        self.by_stick: set[str] = set()
        """Who got it without the desk."""
        self.rollout = self._made()

    def _made(self) -> Rollout:
        return self.kind(
            bundle=BUNDLE,
            plan=self.plan,
            expires_ms=EXPIRES_MS,
            places=[self.written[number] for number in sorted(self.written)],
            sights=self.sights.__getitem__,
            standing=self.stand.standing,
            wave=self.stand.wave,
            reason=self.stand.reason,
        )

    def restart(self) -> None:
        """The desk restarts: what was written is all that is left."""
        self.rollout = self._made()

    def tell(self, event: Event) -> tuple[Effect, ...]:
        """One event; its effects are written, and every promise is asked."""
        before = self.stand
        effects = self.rollout.handle(event, self.now_ms)
        for effect in effects:
            if isinstance(effect, Mark):
                self.written[effect.number] = effect.place
            else:
                self.stand = effect
        self.check(before, event)
        return effects

    def tick(self, ms: int = 1_000) -> None:
        """Time passes."""
        self.now_ms += ms
        self.tell(Tick())

    def see(self, name: str, **fields: object) -> None:
        """A device, or its connection, says something."""
        self.sights[name] = replace(self.sights[name], **fields)  # type: ignore[arg-type]
        self.tell(Seen(device=name, sight=self.sights[name]))

    def take(self, name: str) -> None:
        """It begins its trial."""
        self.see(name, next_hash=BUNDLE, phase="trial")

    def keep(self, name: str) -> None:
        """It keeps the configuration."""
        self.see(name, hash=BUNDLE, next_hash="", phase="settled")

    def fail(self, name: str) -> None:
        """It goes back."""
        self.see(
            name, next_hash="", failed_hash=BUNDLE, failed_reason="not well within 10 s", phase="settled"
        )

    def ask(self, step: Step) -> None:
        """A person decides."""
        self.tell(Ask(step=step, why="by a person"))

    def outcomes(self) -> list[Outcome]:
        """What became of all, in their order."""
        return [self.written[number].outcome for number in sorted(self.written)]

    # -- promises --------------------------------------------------------------------------------------------------

    def check(self, before: Stand, event: Event) -> None:
        """Hold the rollout to what it promised; the judgement is made from what was written alone."""
        outcomes = self.outcomes()
        laid = {self.names[n] for n, outcome in enumerate(outcomes) if outcome in _SENT} - self.by_stick
        fresh = laid - self.ever_sent
        self.ever_sent |= laid
        self._never_beyond_the_wave()
        resumed = isinstance(event, Ask) and event.step is Step.RESUME
        if before.standing is not Standing.RUNNING and fresh and not resumed:
            raise BrokenPromiseError(f"laid before {sorted(fresh)} while {before.standing}")
        if self.stand.wave > before.wave:
            self._only_on_proof(before)
        if self.stand.standing is Standing.RUNNING and self._too_many(outcomes):
            raise BrokenPromiseError(f"goes on with {outcomes}")
        if self.stand.standing not in OFFERED and {Outcome.SENT, Outcome.AWAY} & set(outcomes):
            raise BrokenPromiseError(f"{self.stand.standing}, and the bundle still lies in topics")
        if (
            self.stand.standing is Standing.DONE
            and before.standing is Standing.RUNNING
            and PENDING & set(outcomes)
        ):
            raise BrokenPromiseError("done, and some have not settled")

    def _never_beyond_the_wave(self) -> None:
        wave = self.stand.wave
        reach = self.plan.waves[wave - 1].reaches(len(self.names)) if wave else 0
        beyond = self.ever_sent - set(self.names[:reach])
        if beyond:
            raise BrokenPromiseError(
                f"wave {wave} reaches {reach} devices, and the bundle was laid before {sorted(beyond)}"
            )

    def _only_on_proof(self, before: Stand) -> None:
        """The wave before has settled, and somebody is well with it."""
        settled = self.outcomes()
        if self.stand.wave > 1 and Outcome.HEALTHY not in settled:
            raise BrokenPromiseError("a wave begins, and nobody has shown that the bundle does no harm")
        if not before.wave:
            return
        reach = self.plan.waves[before.wave - 1].reaches(len(self.names))
        if PENDING & set(settled[:reach]) and self.stand.wave == before.wave + 1:
            raise BrokenPromiseError("a wave begins before the one before it has settled")

    def _too_many(self, outcomes: list[Outcome]) -> bool:
        silent = (Outcome.WAITING, Outcome.AWAY, Outcome.WITHDRAWN)
        told = sum(outcome not in silent for outcome in outcomes)
        failed = sum(outcome in FAILED for outcome in outcomes)
        return failed * 1_000 > self.plan.abort_permille * told
