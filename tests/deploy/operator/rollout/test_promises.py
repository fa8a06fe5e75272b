"""Rollouts by chance: whatever devices, people and time do, the promises hold; without a rule they break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from deploy.operator.rollout.engine import OFFERED, Awake, Rollout, Seen, Standing, Step
from deploy.operator.rollout.outcomes import Outcome, Turn
from tests.deploy.operator.rollout.fleet_kit import BUNDLE, BrokenPromiseError, Fleet

SIZE = 9
DEVICES = st.integers(0, SIZE - 1)


class Chance(RuleBasedStateMachine):
    """Anything may happen in any order; `Fleet.check` judges after each event."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(SIZE, away=(2, 5))

    def _laid(self, number: int) -> bool:
        """Whether the device can have the bundle: the desk laid it, or a stick brought it."""
        name = self.fleet.names[number]
        return name in self.fleet.ever_sent or name in self.fleet.by_stick

    @rule(ms=st.sampled_from((1_000, 30_000, 140_000)))
    def time_passes(self, ms: int) -> None:
        self.fleet.tick(ms)

    @rule(number=DEVICES, connected=st.booleans())
    def connection(self, number: int, connected: bool) -> None:
        self.fleet.see(self.fleet.names[number], connected=connected)

    def _unsettled(self, number: int) -> str | None:
        """One of those that have the bundle and have not settled with it."""
        found = [
            name
            for at, name in enumerate(self.fleet.names)
            if self._laid(at)
            and BUNDLE not in (self.fleet.sights[name].hash, self.fleet.sights[name].failed_hash)
        ]
        return found[number % len(found)] if found else None

    @rule(number=DEVICES)
    def takes(self, number: int) -> None:
        name = self._unsettled(number)
        if name:
            self.fleet.take(name)

    @rule(number=DEVICES)
    def keeps(self, number: int) -> None:
        name = self._unsettled(number)
        if name:
            self.fleet.keep(name)

    @rule(number=DEVICES)
    def fails(self, number: int) -> None:
        name = self._unsettled(number)
        if name:
            self.fleet.fail(name)

    @rule(number=DEVICES)
    def a_stick_brings_it(self, number: int) -> None:
        self.fleet.by_stick.add(self.fleet.names[number])

    @rule(step=st.sampled_from((Step.PAUSE, Step.RESUME)))
    def a_person_decides(self, step: Step) -> None:
        self.fleet.ask(step)

    @precondition(lambda self: self.fleet.stand.wave > 1)
    @rule()
    def a_person_aborts(self) -> None:
        self.fleet.ask(Step.ABORT)

    @rule()
    def the_desk_restarts(self) -> None:
        self.fleet.restart()
        self.fleet.tell(Awake())

    @rule()
    def everybody_comes_and_is_well(self) -> None:
        """Left alone a rollout that was not aborted is done."""
        self.fleet.ask(Step.RESUME)
        for _ in range(4):
            for number, name in enumerate(self.fleet.names):
                self.fleet.see(name, connected=True)
                if self._laid(number) and not self.fleet.sights[name].failed_hash:
                    self.fleet.keep(name)
            self.fleet.tick()
        well = Outcome.HEALTHY in self.fleet.outcomes()
        assert not well or self.fleet.stand.standing is not Standing.RUNNING or self.fleet.stand.wave < 3


def test_the_promises_hold_by_chance() -> None:
    run_state_machine_as_test(
        Chance,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class AllAtOnce(Rollout):
    """Lays the bundle before one device more than the wave has."""

    @property
    def reach(self) -> int:
        return min(len(self._places), super().reach + 1) if self.wave else 0


class Deaf(Rollout):
    """Does not count failures."""

    def _too_many(self) -> bool:
        return False


class Impatient(Rollout):
    """Begins the next wave while this one is on trial."""

    def _wave_is_through(self) -> bool:
        return self.wave == 0 or self._counts[Outcome.HEALTHY] > 0


class Trusting(Rollout):
    """Goes on though nobody has shown that the bundle does no harm."""

    def _wave_is_through(self) -> bool:
        return not self._pending


class Restless(Rollout):
    """Goes on while it is paused."""

    def _judge(self, now_ms: int) -> None:
        paused = self.standing is Standing.PAUSED
        if paused:
            self.standing = Standing.RUNNING
        super()._judge(now_ms)
        if paused and self.standing is Standing.RUNNING:
            self.standing = Standing.PAUSED


class Clinging(Rollout):
    """Leaves the bundle in topics when it is aborted."""

    def _turn(self, number: int, turn: Turn, reason: str, now_ms: int) -> None:
        if turn is not Turn.ENDED:
            super()._turn(number, turn, reason, now_ms)


class Forgetful(Rollout):
    """Begins anew after each restart."""

    def __init__(self, **fields: object) -> None:
        super().__init__(**{**fields, "wave": 0})  # type: ignore[arg-type]


def a_day(fleet: Fleet) -> None:
    """All goes well."""
    fleet.tick()
    for name in fleet.names:
        fleet.take(name)
        fleet.keep(name)


def the_first_fails(fleet: Fleet) -> None:
    """The canary goes back."""
    fleet.tick()
    fleet.fail("m-000")
    fleet.tick()


def lunch(fleet: Fleet) -> None:
    """Paused while the canary is on trial."""
    fleet.tick()
    fleet.ask(Step.PAUSE)
    fleet.keep("m-000")


def enough(fleet: Fleet) -> None:
    """Aborted while the canary is on trial."""
    fleet.tick()
    fleet.ask(Step.ABORT)


def power_cut(fleet: Fleet) -> None:
    """The desk restarts in the second wave."""
    fleet.tick()
    fleet.keep("m-000")
    fleet.restart()
    fleet.tick()


def nobody_is_there(fleet: Fleet) -> None:
    """No device is connected."""
    for name in fleet.names:
        fleet.see(name, connected=False)
    fleet.tick()


TALES: Final = (a_day, the_first_fails, lunch, enough, power_cut, nobody_is_there)


@pytest.mark.parametrize("tale", TALES)
def test_the_promises_hold_in_every_tale(tale: Callable[[Fleet], None]) -> None:
    tale(Fleet(SIZE, away=(2, 5)))


@pytest.mark.parametrize(
    ("kind", "tale"),
    [
        (AllAtOnce, a_day),
        (Deaf, the_first_fails),
        (Impatient, a_day),
        (Trusting, nobody_is_there),
        (Restless, lunch),
        (Clinging, enough),
        (Forgetful, power_cut),
    ],
)
def test_a_rollout_without_a_rule_breaks_a_promise(
    kind: type[Rollout], tale: Callable[[Fleet], None]
) -> None:
    with pytest.raises(BrokenPromiseError):
        tale(Fleet(SIZE, away=(2, 5), kind=kind))


def test_a_device_that_sends_reports_for_ever_writes_little() -> None:
    """What is written follows what changes, not what is said."""
    fleet = Fleet(8)
    fleet.tick()
    fleet.take("m-000")
    written = [len(fleet.tell(Seen(device="m-000", sight=fleet.sights["m-000"]))) for _ in range(50)]
    assert sum(written) == 0
    assert fleet.stand.standing in OFFERED
