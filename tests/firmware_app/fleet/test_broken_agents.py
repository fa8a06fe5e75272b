"""Agents that are broken on purpose, each seen to do the harm that the real one is tested not to do."""

from __future__ import annotations

from dataclasses import replace

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.events import Apply, Keep, Moment, Report, Started
from firmware_app.fleet.memory import Memory, Next
from firmware_app.fleet.verification import Approved
from light_client.rules.crypto import verify
from tests.firmware_app.fleet.world import FACTS, Driver, bundle, delta, memory, signed


def driver_of(kind: type[Agent], kept: Memory | None = None) -> Driver:
    """A device with another agent."""
    start = kept or memory()
    return Driver(start, agent=kind(start, FACTS, verify_signature=verify))


class ForgetsFloor(Agent):
    """Keeps the floor where it was."""

    def _stage(self, approved: Approved) -> None:
        before = self._memory.floor
        super()._stage(approved)
        self._memory = replace(self._memory, floor=before)
        self._effects = [
            replace(effect, memory=self._memory) if isinstance(effect, Keep) else effect
            for effect in self._effects
        ]


def replay(kind: type[Agent]) -> int:
    """Take version 2, then be offered version 1: returns the version in force."""
    driver = driver_of(kind)
    for version in (2, 1):
        driver.offer(signed(bundle(version, delta(("privacy.lot_wh", 100 * version)))))
        driver.live(12)
    return driver.disk.current.order[1]


def test_without_a_floor_an_old_bundle_comes_back() -> None:
    assert (replay(Agent), replay(ForgetsFloor)) == (2, 1)


class BelievesAtOnce(Agent):
    """Keeps a configuration as soon as it is applied."""

    def _begin_trial(self, following: Next, now: Moment) -> None:
        super()._begin_trial(following, now)
        if self._memory.following is not None:
            self._commit(self._memory.following, now)


def stays_ill(kind: type[Agent]) -> int:
    """Take a version that makes the device ill: returns the version in force at the end."""
    driver = driver_of(kind)
    driver.offer(signed(bundle(1)))
    driver.live(120, "ill")
    return driver.disk.current.order[1]


def test_without_a_health_gate_a_bad_configuration_stays() -> None:
    assert (stays_ill(Agent), stays_ill(BelievesAtOnce)) == (0, 1)


class NeverCounts(Agent):
    """Begins its trial anew after every restart."""

    def _begin_again(self, following: Next, now: Moment) -> None:
        self._trial_since_ms = now.monotonic_ms


def restarts(kind: type[Agent]) -> bool:
    """Restart again and again: whether the device ever goes back."""
    driver = driver_of(kind)
    driver.offer(signed(bundle(1)))
    for _ in range(10):
        driver = driver_of(kind, driver.disk)
        driver.tell(Started())
    return driver.disk.failure is not None


def test_without_counting_starts_a_crash_loop_has_no_end() -> None:
    assert (restarts(Agent), restarts(NeverCounts)) == (True, False)


class Chatters(Agent):
    """Reports whatever happens."""

    def handle(self, event: object, now: Moment) -> tuple[object, ...]:  # type: ignore[override]
        effects = super().handle(event, now)  # type: ignore[arg-type]
        return (*effects, Report(document=self.reported()))


def reports_of(kind: type[Agent]) -> int:
    """So many reports follow a hundred refusals within a second."""
    driver = driver_of(kind)
    for _ in range(100):
        driver.monotonic_ms -= 990
        driver.offer(b"x")
    return sum(isinstance(effect, Report) for effect in driver.effects)


def test_without_an_allowance_a_flood_is_answered_by_a_flood() -> None:
    assert reports_of(Agent) <= 3
    assert reports_of(Chatters) >= 100


def test_an_agent_does_not_apply_what_it_did_not_keep() -> None:
    driver = driver_of(Agent)
    driver.offer(signed(bundle(1)))
    kinds = [type(effect) for effect in driver.effects if isinstance(effect, Keep | Apply)]
    assert kinds[0] is Keep
