"""The device's side of a rollout, as a state machine without I/O: from a bundle's bytes to a kept configuration.

Whoever drives it does the effects of one event in their order and completely before the next event; `Keep` comes
before `Apply`, `Install` and `Restart`, so that a power cut between finds written down what was about to happen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from firmware_app.fleet.attachment import Attachment
from firmware_app.fleet.envelope import Envelope, Verify, read_envelope
from firmware_app.fleet.events import (
    Effect,
    Event,
    Fetched,
    Moment,
    Note,
    Offered,
    Report,
    Withdrawn,
)
from firmware_app.fleet.key_set import check_next_key_set, is_key_set, key_set_from_bytes
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.fleet.report import Allowance, reported_of
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.takeover import Takeover
from firmware_app.fleet.verification import Approved, CheckHere, IsHere, Judgement, Standing, judge
from firmware_app.fleet.waiting import Waiting
from light_client.rules.errors import RuleViolation
from light_client.rules.verdict import Rejected, Undecided

FLOOD_RULE: Final = "FLT-17"
RULES_OF_THE_PRESENT: Final = frozenset({"FLT-12", "FLT-14", "FLT-15", "FLT-16"})
"""Whether these hold depends on the configuration in force, and so on how a rollout under way ends."""
REPORT_EACH_MS: Final = 5_000
LOOK_EACH_MS: Final = 60_000
"""From one look at what waits for files to the next."""


class Agent(Takeover):
    """One device."""

    def __init__(
        self,
        memory: Memory,
        facts: DeviceFacts,
        *,
        verify_signature: Verify,
        check_here: CheckHere = lambda _: "",
        is_here: IsHere = lambda _: "its files",
    ) -> None:
        super().__init__(memory)
        self._facts = facts
        self._verify = verify_signature
        self._check_here = check_here
        self._is_here = is_here
        self._waiting = Waiting()
        self._looks = Allowance(burst=20, each_ms=1_000)
        self._reports = Allowance(burst=2, each_ms=REPORT_EACH_MS)
        self._refused: Counter[str] = Counter()
        self._last_refusal = self._last_refused = ""
        self._looked_ms = 0
        self._knew_time = False

    @property
    def memory(self) -> Memory:
        """What is kept."""
        return self._memory

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """Bundles and key sets that wait for something, in memory alone."""
        return self._waiting.all

    @property
    def wanted(self) -> tuple[Attachment, ...]:
        """Files that genuine bundles wait for."""
        return self._waiting.wanted

    def handle(self, event: Event, now: Moment) -> tuple[Effect, ...]:
        """Take one event; what comes back is to be done in its order."""
        match event:
            case Offered(raw=raw):
                self._offer(raw, now)
            case Withdrawn():
                self._changed |= self._waiting.forget_fetching()
            case Fetched():
                self._look_again(now)
            case _:
                self._step(event, now)
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
            waiting=self._waiting.missing,
            fetching=_name_of(self._waiting.fetching(), self._memory.key_set.fleet_id),
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
            self._wait(raw, Undecided(rule="FLT-04", missing=f"key set {current.version + 1}"))
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
            case Undecided():
                self._wait(raw, judgement)
            case _:
                self._wait(raw, Undecided(rule="", missing="the end of the rollout before it"))

    def _judged(self, raw: bytes, now: Moment) -> Judgement:
        memory = self._memory
        standing = Standing(
            facts=self._facts,
            key_set=memory.key_set,
            floor=memory.floor,
            version=memory.current.order[1],
            document=memory.current.document,
            slot=self._slot,
        )
        return judge(raw, standing, now.clock, self._verify, self._check_here, self._is_here)

    def _wait(self, raw: bytes, answer: Undecided) -> None:
        """A bundle under a key set that is not here yet may be anybody's."""
        genuine = answer.rule != "FLT-04"
        if self._waiting.put(raw, answer.missing, rule=answer.rule, genuine=genuine):
            self._changed = True
            self._effects.append(Note(name="fleet.waits", sentence=f"a bundle waits for {answer.missing}"))

    def _look_again(self, now: Moment) -> None:
        """Judge what waits: the newest that passes is taken, the others with it or before it are done with."""
        self._looked_ms = now.monotonic_ms
        if self._memory.phase is not Phase.SETTLED:
            return
        waiting = self._waiting.empty()
        for raw in sorted(waiting, key=_is_bundle):  # key sets first: bundles may be signed under them
            if not _is_bundle(raw):
                self._receive(raw, now)
        judged = [(raw, self._judged(raw, now)) for raw in waiting if _is_bundle(raw)]
        approved = [answer for _, answer in judged if isinstance(answer, Approved)]
        if approved:
            self._stage(max(approved, key=lambda answer: answer.bundle.order))
        for raw, answer in judged:
            if isinstance(answer, Undecided):
                self._wait(raw, answer)
            elif isinstance(answer, Rejected):
                self._refuse(answer, raw)

    def _refuse(self, rejected: Rejected, raw: bytes = b"") -> None:
        self._refused[rejected.rule] += 1
        if rejected.rule != FLOOD_RULE or not self._last_refused:  # a flood hides no operator's bundle
            self._last_refusal = rejected.reason
            self._last_refused = _name_of(raw, self._memory.key_set.fleet_id)
        self._changed = True
        self._effects.append(Note(name="fleet.refused", sentence=rejected.reason))

    # -- when time passes, or something has ended ------------------------------------------------------------------

    def _settled(self, now: Moment) -> None:
        self._look_again(now)

    def _tick(self, now: Moment) -> None:
        super()._tick(now)
        if self.wanted and now.monotonic_ms - self._looked_ms >= LOOK_EACH_MS:
            self._look_again(now)  # what has expired meanwhile is fetched no further


def _is_bundle(raw: bytes) -> bool:
    return not is_key_set(read_envelope(raw))


def _name_of(raw: bytes, fleet: bytes) -> str:
    """The hash of a signed body, hexadecimal; empty for what is none."""
    try:
        return read_envelope(raw).hash(fleet).hex()
    except RuleViolation:
        return ""
