"""The device's side of a rollout, as a state machine without I/O: from a bundle's bytes to a kept configuration.

Whoever drives it does the effects of one event in their order and completely before the next event; `Keep` comes
before `Apply`, so that a power cut between the two finds written down what was about to happen.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Final

from firmware_app.fleet.envelope import Envelope, Verify, read_envelope
from firmware_app.fleet.events import (
    Apply,
    DidApply,
    Effect,
    Event,
    Health,
    Keep,
    Moment,
    Note,
    Offered,
    Report,
    Started,
    Tick,
)
from firmware_app.fleet.key_set import check_next_key_set, is_key_set, key_set_from_bytes
from firmware_app.fleet.memory import Configuration, Failure, Memory, Next, Phase
from firmware_app.fleet.report import Allowance, reported_of
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.verification import Approved, CheckHere, Judgement, Standing, judge
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.verdict import Rejected, Undecided


class Turn(Enum):
    """What can happen to the next configuration."""

    APPROVED = auto()
    """A bundle passed all rules."""
    APPLIED = auto()
    """The device runs by the document that it was told to."""
    PROVEN = auto()
    """It was well for long enough."""
    FAILED = auto()
    """It could not be applied, or was not well in time, or restarted too often."""


TRANSITIONS: Final[Mapping[tuple[Phase, Turn], Phase]] = {
    (Phase.SETTLED, Turn.APPROVED): Phase.STAGED,
    (Phase.STAGED, Turn.APPLIED): Phase.TRIAL,
    (Phase.STAGED, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.TRIAL, Turn.PROVEN): Phase.SETTLED,
    (Phase.TRIAL, Turn.FAILED): Phase.ROLLING_BACK,
    (Phase.ROLLING_BACK, Turn.APPLIED): Phase.SETTLED,
}
"""Everything else is not for this phase, and changes nothing."""

MAX_STARTS: Final = 3
"""A device that begins a trial so often has restarted in it again and again."""
MAX_WAITING: Final = 4
"""Bundles kept in memory until what they want is there, of each of two sorts: known to be genuine, and not."""
FLOOD_RULE: Final = "FLT-17"
RULES_OF_THE_PRESENT: Final = frozenset({"FLT-12", "FLT-14", "FLT-15", "FLT-16"})
"""Whether these hold depends on the configuration in force, and so on how a rollout under way ends."""
REPORT_EACH_MS: Final = 5_000
RETRY_MS: Final = 60_000
"""From one attempt to go back to the next, where that fails too."""


class Agent:
    """One device."""

    def __init__(
        self,
        memory: Memory,
        facts: DeviceFacts,
        *,
        verify_signature: Verify,
        check_here: CheckHere = lambda _: "",
    ) -> None:
        self._memory = memory
        self._facts = facts
        self._verify = verify_signature
        self._check_here = check_here
        self._genuine: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._strange: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._looks = Allowance(burst=20, each_ms=1_000)
        self._reports = Allowance(burst=2, each_ms=REPORT_EACH_MS)
        self._refused: Counter[str] = Counter()
        self._last_refusal = self._last_refused = ""
        self._waiting = ""
        self._health = ""
        self._well_since_ms: int | None = None
        self._trial_since_ms = 0
        self._retry_at_ms: int | None = None
        self._knew_time = False
        self._changed = True
        self._effects: list[Effect] = []

    @property
    def memory(self) -> Memory:
        """What is kept."""
        return self._memory

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """Bundles and key sets that wait for something, in memory alone."""
        return (*self._genuine, *self._strange)

    def handle(self, event: Event, now: Moment) -> tuple[Effect, ...]:
        """Take one event; what comes back is to be done in its order."""
        match event:
            case Started():
                self._start(now)
            case Offered(raw=raw):
                self._offer(raw, now)
            case DidApply(problem=problem):
                self._did_apply(problem, now)
            case Health(problem=problem):
                self._judge_health(problem, now)
            case Tick():
                self._tick(now)
        knows_time = now.clock.utc_ms is not None
        if knows_time and not self._knew_time:
            self._look_again(now)
        self._knew_time = knows_time
        if self._changed and self._reports.take(now.monotonic_ms):
            self._changed = False
            self._effects.append(Report(document=self.reported()))
        effects, self._effects = tuple(self._effects), []
        return effects

    def reported(self) -> dict[str, Any]:
        """The reported document."""
        return reported_of(
            self._facts.name,
            self._memory,
            health=self._health,
            refused=dict(self._refused),
            last_refusal=self._last_refusal,
            last_refused=self._last_refused,
            waiting=self._waiting,
        )

    # -- bundles ---------------------------------------------------------------------------------------------------

    def _offer(self, raw: bytes, now: Moment) -> None:
        if not self._looks.take(now.monotonic_ms):
            self._refuse(
                Rejected(rule=FLOOD_RULE, reason=f"{FLOOD_RULE}: more bundles than can be looked at")
            )
            return
        self._receive(raw, now)

    def _receive(self, raw: bytes, now: Moment) -> None:
        try:
            envelope = read_envelope(raw)
            if is_key_set(envelope):
                self._take_key_set(raw, envelope, now)
            elif not self._is_known(envelope):
                self._consider(raw, now)
        except RuleViolation as error:
            self._refuse(Rejected(rule=error.rule, reason=str(error)), raw)

    def _is_known(self, envelope: Envelope) -> bool:
        """Whether this is what the device has, is taking over, or has rolled back: a retained message comes again."""
        known = {self._memory.current.hash}
        known |= {self._memory.following.configuration.hash} if self._memory.following else set()
        known |= {self._memory.failure.hash} if self._memory.failure else set()
        return envelope.hash(self._memory.key_set.fleet_id) in known

    def _take_key_set(self, raw: bytes, envelope: Envelope, now: Moment) -> None:
        current = self._memory.key_set
        fresh = key_set_from_bytes(envelope.body)
        if fresh == current:
            return
        if fresh.fleet_id == current.fleet_id and fresh.version > current.version + 1:
            self._wait(self._strange, raw, f"key set {current.version + 1}")
            return
        self._keep(replace(self._memory, key_set=check_next_key_set(current, envelope, self._verify)))
        self._effects.append(
            Note(name="fleet.key-set", sentence=f"key set {current.version + 1} is in force")
        )
        self._look_again(now)

    def _consider(self, raw: bytes, now: Moment) -> None:
        judgement = self._judged(raw, now)
        is_busy = self._memory.phase is not Phase.SETTLED
        match judgement:
            case Approved() if not is_busy:
                self._stage(judgement)
            case Rejected(rule=rule) if not is_busy or rule not in RULES_OF_THE_PRESENT:
                self._refuse(judgement, raw)
            case Undecided(rule="FLT-04"):
                self._wait(self._strange, raw, judgement.missing)
            case Undecided():
                self._wait(self._genuine, raw, judgement.missing)
            case _:
                self._wait(self._genuine, raw, "the end of the rollout before it")

    def _judged(self, raw: bytes, now: Moment) -> Judgement:
        memory = self._memory
        standing = Standing(
            facts=self._facts,
            key_set=memory.key_set,
            floor=memory.floor,
            version=memory.current.order[1],
            document=memory.current.document,
        )
        return judge(raw, standing, now.clock, self._verify, self._check_here)

    def _wait(self, line: deque[bytes], raw: bytes, missing: str) -> None:
        if raw not in line:
            line.append(raw)
        if self._waiting != missing:
            self._waiting = missing
            self._changed = True
            self._effects.append(Note(name="fleet.waits", sentence=f"a bundle waits for {missing}"))

    def _look_again(self, now: Moment) -> None:
        """Judge what waits: the newest that passes is taken, the others with it or before it are done with."""
        if self._memory.phase is not Phase.SETTLED:
            return
        waiting = (*self._genuine, *self._strange)
        self._genuine.clear()
        self._strange.clear()
        self._waiting = ""
        for raw in sorted(waiting, key=_is_bundle):  # key sets first: bundles may be signed under them
            if not _is_bundle(raw):
                self._receive(raw, now)
        judged = [(raw, self._judged(raw, now)) for raw in waiting if _is_bundle(raw)]
        approved = [answer for _, answer in judged if isinstance(answer, Approved)]
        if approved:
            self._stage(max(approved, key=lambda answer: answer.bundle.order))
        for raw, answer in judged:
            if isinstance(answer, Undecided):
                line = self._strange if answer.rule == "FLT-04" else self._genuine
                self._wait(line, raw, answer.missing)
            elif isinstance(answer, Rejected):
                self._refuse(answer, raw)

    def _refuse(self, rejected: Rejected, raw: bytes = b"") -> None:
        self._refused[rejected.rule] += 1
        self._last_refusal = rejected.reason
        self._last_refused = _name_of(raw, self._memory.key_set.fleet_id)
        self._changed = True
        self._effects.append(Note(name="fleet.refused", sentence=rejected.reason))

    # -- phases ----------------------------------------------------------------------------------------------------

    def _stage(self, approved: Approved) -> None:
        bundle = approved.bundle
        configuration = Configuration(order=bundle.order, hash=approved.hash, document=approved.document)
        following = Next(phase=self._after(Turn.APPROVED), configuration=configuration, plan=bundle.plan)
        self._keep(replace(self._memory, floor=bundle.order, following=following))
        self._effects.append(Note(name="fleet.staged", sentence=f"version {bundle.version} is staged"))
        self._effects.append(Apply(document=configuration.document))

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
        self._look_again(now)

    def _fail(self, reason: str) -> None:
        following = self._memory.following
        if following is None:
            raise LocalError(
                "nothing can fail", got=self._memory.phase, expected="a configuration being taken over"
            )
        back = replace(following, phase=self._after(Turn.FAILED), reason=reason)
        self._keep(replace(self._memory, following=back))
        self._effects.append(Apply(document=self._memory.current.document))

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
        if following.phase is Phase.TRIAL and following.starts >= MAX_STARTS:
            self._fail(f"the device restarted {MAX_STARTS} times with it")
        elif following.phase is Phase.TRIAL:
            self._begin_again(following, now)
        else:
            self._effects.append(Apply(document=self._memory.running.document))

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
        self._keep(replace(self._memory, current=following.configuration, following=None))
        version = following.configuration.order[1]
        self._effects.append(Note(name="fleet.committed", sentence=f"version {version} is kept"))
        self._look_again(now)

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


def _is_bundle(raw: bytes) -> bool:
    return not is_key_set(read_envelope(raw))


def _name_of(raw: bytes, fleet: bytes) -> str:
    """The hash of a signed body, hexadecimal; empty for what is none."""
    try:
        return read_envelope(raw).hash(fleet).hex()
    except RuleViolation:
        return ""
