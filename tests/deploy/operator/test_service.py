"""The service with a broker in memory and real agents: waves, failures, absences, restarts of either side."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.operator.rollout.engine import Standing, Step
from deploy.operator.rollout.outcomes import Outcome
from deploy.operator.serving.wire import Message
from firmware_app.console import CommandError
from firmware_app.fleet.topics import Said
from tests.deploy.operator.desk_kit import TOPICS, World
from tests.firmware_app.fleet.world import delta


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "desk", meters=8)
    made.live(2)
    return made


def test_a_push_reaches_all_in_waves(world: World) -> None:
    world.push()
    world.live(2)
    reached = [world.outcome(name) for name in world.meters]
    assert sum(outcome is not Outcome.WAITING for outcome in reached) == 1
    world.live(30)
    assert world.summary().standing is Standing.DONE
    assert world.versions() == [1] * 8
    assert world.summary().counts == {Outcome.HEALTHY: 8}
    what = [entry.what for entry in world.desk.audit.entries()]
    assert what == ["push", "rollout wave", "rollout wave", "rollout wave", "rollout done"]
    assert world.desk.audit.check() is None


def test_a_bundle_that_does_harm_stops_at_the_canary(world: World) -> None:
    for meter in world.meters.values():
        meter.problem_with = 250
    world.push()
    world.live(90)
    assert world.summary().standing is Standing.ABORTED
    assert world.summary().counts == {Outcome.ROLLED_BACK: 1, Outcome.WITHDRAWN: 7}
    assert world.versions() == [0] * 8
    assert not any(payload for topic, payload in world.retained.items() if topic.endswith("desired"))


def test_who_is_away_catches_up_in_order(world: World) -> None:
    world.leave("meter-0003")
    world.push()
    world.live(40)
    assert world.summary().standing is Standing.DONE
    assert world.outcome("meter-0003") is Outcome.AWAY
    world.push(2, delta(("privacy.price_step_uc_per_kwh", 200_000)))
    world.live(40)
    assert world.summary(2).standing is Standing.DONE
    world.come_back("meter-0003")
    world.live(20)
    assert world.versions() == [2] * 8
    assert world.meters["meter-0003"].driver.running["privacy"]["lot_wh"] == 250
    assert world.outcome("meter-0003") is Outcome.HEALTHY
    assert world.outcome("meter-0003", 2) is Outcome.HEALTHY


@pytest.mark.parametrize("after", range(0, 12, 2))
def test_the_desk_restarts_at_any_moment(world: World, after: int) -> None:
    world.push()
    world.live(after)
    world.restart()
    world.live(45)
    assert world.summary().counts == {Outcome.HEALTHY: 8}
    assert world.versions() == [1] * 8
    assert world.desk.audit.check() is None


def test_a_night_without_the_desk_makes_nobody_late(world: World) -> None:
    """The laptop is closed while the canary is on trial; meanwhile the canary has settled."""
    world.push()
    world.live(1)
    canary = next(meter for name, meter in world.meters.items() if world.outcome(name) is not Outcome.WAITING)
    for _ in range(10):
        canary.live()  # what it says nobody hears
    world.restart(absent_ms=8 * 3_600_000)
    assert world.summary().standing is Standing.RUNNING
    world.live(40)
    assert world.summary().counts == {Outcome.HEALTHY: 8}


def test_without_a_connection_nobody_is_late(world: World) -> None:
    world.push()
    world.live(1)
    for _ in range(40):
        world.now_ms += 60_000
        world.service.turn((), world.now_ms, hears=False)
    assert world.summary().standing is Standing.RUNNING
    world.live(40)
    assert world.summary().counts == {Outcome.HEALTHY: 8}


def test_what_was_written_and_not_sent_is_sent_after_a_restart(world: World) -> None:
    world.push()
    world.now_ms += 1_000
    lost = world.service.turn((), world.now_ms)
    assert [sending.payload for sending in lost if sending.topic.endswith("desired")]
    world.restart()
    world.live(45)
    assert world.summary().counts == {Outcome.HEALTHY: 8}


def test_pause_resume_and_abort_are_obeyed(world: World) -> None:
    world.push()
    world.live(1)
    world.ask(1, Step.PAUSE, "anna", "lunch")
    world.live(30)
    assert world.summary().standing is Standing.PAUSED
    assert world.versions().count(1) == 1
    world.ask(1, Step.RESUME, "anna", "")
    world.live(3)
    assert world.summary().standing is Standing.RUNNING
    world.ask(1, Step.ABORT, "bert", "enough")
    world.live(30)
    assert world.summary().standing is Standing.ABORTED
    assert world.versions().count(1) == 2
    assert [entry.who for entry in world.desk.audit.entries() if entry.what.startswith("rollout a")] == [
        "bert"
    ]


def test_what_a_broker_brings_back_is_put_right(world: World) -> None:
    world.push()
    world.live(40)
    topic = TOPICS.device("meter-0001", Said.DESIRED)
    right = world.retained[topic]
    for strange in (b"", b"\x00garbage", world.paper(9).raw):
        world.retained[topic] = strange
        world.hear([Message(topic, strange)])
        assert world.retained[topic] == right


def test_two_rollouts_do_not_meet(world: World) -> None:
    world.push()
    world.live(1)
    with pytest.raises(CommandError, match="is being rolled out"):
        world.push(2)
    world.live(40)
    with pytest.raises(CommandError, match="version of the bundle"):
        world.push(1)


def test_a_bundle_that_meters_refuse_stops_with_their_reason(world: World) -> None:
    world.push(1, delta(("privacy.no_such_key", 1)))
    world.live(10)
    assert world.summary().standing is Standing.ABORTED
    refused = [place for place in world.desk.rollouts.places(1) if place.outcome is Outcome.REFUSED]
    assert len(refused) == 1
    assert "FLT-15" in refused[0].reason


def test_a_meter_that_falls_silent_counts_as_failed(world: World) -> None:
    world.push()
    world.live(1)
    canary = next(name for name in world.meters if world.outcome(name) is not Outcome.WAITING)
    world.meters[canary].online = False
    world.live(200)
    assert world.outcome(canary) is Outcome.LOST
    assert world.summary().standing is Standing.ABORTED
