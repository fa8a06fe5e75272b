"""How the next configuration is taken over, once its bundle passed all rules: the table of phases, and each step.

    SETTLED -> (INSTALLING -> RESTARTING ->) STAGED -> TRIAL -> SETTLED, and back by ROLLING_BACK from anywhere

In brackets what a firmware needs besides. Which system runs is known at every start by the name of its slot, so that
a board which fell back by itself, or lost its power at any step, is found out and goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from firmware_app.fleet.events import (
    Apply,
    Confirm,
    DidApply,
    DidInstall,
    Effect,
    Event,
    Health,
    Install,
    Keep,
    Moment,
    Note,
    Restart,
    Started,
    Tick,
)
from firmware_app.fleet.memory import Configuration, Failure, Memory, Next, Phase
from firmware_app.fleet.verification import Approved
from light_client.rules.errors import LocalError


class Turn(Enum):
    """What can happen to the next configuration."""

    APPROVED = auto()
    """A bundle passed all rules."""
    APPROVED_FIRMWARE = auto()
    """So did one that brings a firmware."""
    INSTALLED = auto()
    """The firmware is in the other slot."""
    STARTED = auto()
    """The board started from the other slot."""
    APPLIED = auto()
    """The device runs by the document that it was told to."""
    PROVEN = auto()
    """It was well for long enough."""
    FAILED = auto()
    """It could not be installed, started or applied, or was not well in time, or restarted too often."""


TRANSITIONS: Final[Mapping[tuple[Phase, Turn], Phase]] = {
    (Phase.SETTLED, Turn.APPROVED): Phase.STAGED,
    (Phase.SETTLED, Turn.APPROVED_FIRMWARE): Phase.INSTALLING,
    (Phase.INSTALLING, Turn.INSTALLED): Phase.RESTARTING,
    (
        Phase.INSTALLING,
        Turn.STARTED,
    ): Phase.STAGED,  # the power went away after the last write of the installer
    (Phase.INSTALLING, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.RESTARTING, Turn.STARTED): Phase.STAGED,
    (Phase.RESTARTING, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.STAGED, Turn.APPLIED): Phase.TRIAL,
    (Phase.STAGED, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.TRIAL, Turn.PROVEN): Phase.SETTLED,
    (Phase.TRIAL, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.ROLLING_BACK, Turn.APPLIED): Phase.SETTLED,
}
"""Everything else is not for this phase, and changes nothing."""

MAX_STARTS: Final = 3
"""A device that begins a trial, or an installation, so often has restarted in it again and again."""
RETRY_MS: Final = 60_000
"""From one attempt to go back to the next, where that fails too."""


class Takeover:
    """The phases of one device; `Agent` says what is taken over."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._slot = ""
        self._health = ""
        self._well_since_ms: int | None = None
        self._trial_since_ms = 0
        self._retry_at_ms: int | None = None
        self._changed = True
        self._effects: list[Effect] = []

    def _settled(self, now: Moment) -> None:
        """Called when a configuration was kept or rolled back."""

    def _step(self, event: Event, now: Moment) -> None:
        match event:
            case Started(slot=slot):
                self._slot = slot
                self._start(now)
            case DidInstall(problem=problem):
                self._did_install(problem)
            case DidApply(problem=problem):
                self._did_apply(problem, now)
            case Health(problem=problem):
                self._judge_health(problem, now)
            case Tick():
                self._tick(now)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _stage(self, approved: Approved) -> None:
        bundle, firmware = approved.bundle, approved.bundle.firmware
        configuration = Configuration(order=bundle.order, hash=approved.hash, document=approved.document)
        phase = self._after(Turn.APPROVED if firmware is None else Turn.APPROVED_FIRMWARE)
        following = Next(phase=phase, configuration=configuration, plan=bundle.plan)
        if firmware is not None:
            following = replace(following, firmware=firmware, slot=self._slot)
        self._keep(replace(self._memory, floor=bundle.order, following=following))
        self._effects.append(Note(name="fleet.staged", sentence=f"version {bundle.version} is staged"))
        self._effects.append(
            Apply(document=configuration.document) if firmware is None else Install(firmware=firmware)
        )

    def _did_install(self, problem: str) -> None:
        following = self._memory.following
        if following is None or following.phase is not Phase.INSTALLING:
            return
        if problem:
            self._fail(f"cannot be installed: {problem}")
            return
        self._keep(
            replace(self._memory, following=replace(following, phase=self._after(Turn.INSTALLED), starts=0))
        )
        self._effects.append(Note(name="fleet.installed", sentence="the board starts with another firmware"))
        self._effects.append(Restart())

    def _did_apply(self, problem: str, now: Moment) -> None:
        following = self._memory.following
        if following is None or (following.phase is Phase.TRIAL and not problem):
            return
        if problem and following.phase is Phase.ROLLING_BACK:
            self._retry_at_ms = now.monotonic_ms + RETRY_MS
            self._effects.append(Note(name="fleet.stuck", sentence=f"cannot go back: {problem}; tries again"))
        elif problem:
            self._fail(f"cannot be applied: {problem}")
        elif following.phase is Phase.STAGED:
            self._begin_trial(following, now)
        else:
            self._settle_back(following, now)

    def _begin_trial(self, following: Next, now: Moment) -> None:
        self._well_since_ms = None
        self._health = ""
        self._trial_since_ms = now.monotonic_ms
        trial = replace(following, phase=self._after(Turn.APPLIED), starts=following.starts + 1)
        self._keep(replace(self._memory, following=trial))

    def _settle_back(self, following: Next, now: Moment) -> None:
        self._after(Turn.APPLIED)
        self._retry_at_ms = None
        failed = following.configuration
        failure = Failure(order=failed.order, hash=failed.hash, reason=following.reason)
        self._keep(replace(self._memory, following=None, failure=failure))
        sentence = f"version {failed.order[1]} was rolled back: {following.reason}"
        self._effects.append(Note(name="fleet.rolled-back", sentence=sentence))
        self._settled(now)

    def _fail(self, reason: str) -> None:
        following = self._memory.following
        if following is None:
            raise LocalError(
                "nothing can fail", got=self._memory.phase, expected="a configuration being taken over"
            )
        back = replace(following, phase=self._after(Turn.FAILED), reason=reason)
        self._keep(replace(self._memory, following=back))
        self._go_back(back)

    def _go_back(self, following: Next) -> None:
        """To the system before, which applies the configuration before; or only to that."""
        if self._is_over(following):
            self._effects.append(Restart(back_to=following.slot))
        else:
            self._effects.append(Apply(document=self._memory.current.document))

    def _is_over(self, following: Next) -> bool:
        """Whether the system that runs is the one that came with this configuration."""
        return following.firmware is not None and self._slot != following.slot

    def _after(self, turn: Turn) -> Phase:
        """The phase that follows.

        Raises:
            LocalError: the turn is not for this phase: a bug of this file.
        """
        following = TRANSITIONS.get((self._memory.phase, turn))
        if following is None:
            raise LocalError(
                "no such transition", got=(self._memory.phase, turn), expected="one of the table"
            )
        return following

    def _keep(self, memory: Memory) -> None:
        self._memory = memory
        self._changed = True
        self._effects.append(Keep(memory=memory))

    # -- time and health -------------------------------------------------------------------------------------------

    def _start(self, now: Moment) -> None:
        following = self._memory.following
        if following is None:
            return
        phase, with_firmware = following.phase, following.firmware is not None
        if phase is Phase.ROLLING_BACK:
            self._go_back(following)
        elif phase in (Phase.INSTALLING, Phase.RESTARTING) and self._is_over(following):
            over = replace(following, phase=self._after(Turn.STARTED), starts=0)
            self._keep(replace(self._memory, following=over))
            self._effects.append(Apply(document=over.configuration.document))
        elif with_firmware and phase is not Phase.INSTALLING and not self._is_over(following):
            self._fail("the board did not stay with the firmware, and started the one before")
        elif phase is not Phase.STAGED and following.starts >= MAX_STARTS:
            self._fail(f"the device restarted {MAX_STARTS} times with it")
        elif phase is Phase.STAGED:
            self._effects.append(Apply(document=following.configuration.document))
        else:
            self._begin_again(following, now)
            if following.firmware is not None and phase is Phase.INSTALLING:
                self._effects.append(Install(firmware=following.firmware))

    def _begin_again(self, following: Next, now: Moment) -> None:
        self._trial_since_ms = now.monotonic_ms
        self._keep(replace(self._memory, following=replace(following, starts=following.starts + 1)))

    def _judge_health(self, problem: str, now: Moment) -> None:
        health = problem or "ok"
        self._changed |= health != self._health
        self._health = health
        if problem:
            self._well_since_ms = None
        elif self._well_since_ms is None:
            self._well_since_ms = now.monotonic_ms
        following, since_ms = self._memory.following, self._well_since_ms
        if following is None or following.phase is not Phase.TRIAL or since_ms is None:
            self._judge_window(now)
        elif now.monotonic_ms - since_ms >= following.plan.hold_ms:
            self._commit(following, now)

    def _commit(self, following: Next, now: Moment) -> None:
        self._after(Turn.PROVEN)
        if following.firmware is not None:
            self._effects.append(Confirm())
        self._keep(replace(self._memory, current=following.configuration, following=None))
        version = following.configuration.order[1]
        self._effects.append(Note(name="fleet.committed", sentence=f"version {version} is kept"))
        self._settled(now)

    def _judge_window(self, now: Moment) -> None:
        following = self._memory.following
        if following is None or following.phase is not Phase.TRIAL:
            return
        if now.monotonic_ms - self._trial_since_ms >= following.plan.window_ms:
            seconds = following.plan.window_ms // 1000
            self._fail(f"not well within {seconds} s: {self._health or 'no word of its health'}")

    def _tick(self, now: Moment) -> None:
        self._judge_window(now)
        if self._retry_at_ms is not None and now.monotonic_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            self._effects.append(Apply(document=self._memory.current.document))
