"""The rollout engine by hand: each transition that matters, seen once."""

from __future__ import annotations

import pytest

from deploy.operator.rollout.desired import Offer, desired
from deploy.operator.rollout.engine import GRACE_MS, STEPS, Standing, Step
from deploy.operator.rollout.outcomes import TRANSITIONS, Outcome, Turn, sight_of
from firmware_app.fleet.plan import RolloutPlan, Wave
from tests.deploy.operator.rollout.fleet_kit import BUNDLE, EXPIRES_MS, PLAN, Fleet

PATIENCE_MS = PLAN.window_ms + GRACE_MS


def test_waves_go_on_as_devices_prove_themselves() -> None:
    fleet = Fleet(8)
    fleet.tick()
    assert fleet.outcomes() == [Outcome.SENT] + [Outcome.WAITING] * 7
    fleet.take("m-000")
    fleet.keep("m-000")
    assert fleet.outcomes()[:3] == [Outcome.HEALTHY, Outcome.SENT, Outcome.WAITING]
    fleet.keep("m-001")
    assert fleet.outcomes().count(Outcome.SENT) == 6
    for name in fleet.names:
        fleet.keep(name)
    assert fleet.stand.standing is Standing.DONE


def test_who_has_it_already_is_not_waited_for() -> None:
    fleet = Fleet(4)
    for name in fleet.names[:2]:
        fleet.by_stick.add(name)
        fleet.keep(name)
    fleet.tick()
    assert fleet.outcomes()[:2] == [Outcome.HEALTHY] * 2
    assert fleet.stand.wave == 3


def test_failures_are_counted_against_those_told() -> None:
    plan = RolloutPlan(
        waves=(Wave(devices=5), Wave(permille=1_000)), abort_permille=200, window_ms=10_000, hold_ms=0
    )
    fleet = Fleet(20, plan=plan)
    fleet.tick()
    fleet.fail("m-000")
    assert fleet.stand.standing == "running", "1 of 5 is 20 %, not more"
    fleet.fail("m-001")
    assert fleet.stand.standing is Standing.ABORTED
    assert "2 of 5 devices failed, more than 20 %" in fleet.stand.reason
    assert fleet.outcomes()[2:] == [Outcome.WITHDRAWN] * 18


def test_a_wave_of_absent_devices_proves_nothing() -> None:
    fleet = Fleet(4, away=range(4))
    fleet.tick()
    fleet.tick(PATIENCE_MS * 2)
    assert fleet.outcomes() == [Outcome.AWAY] + [Outcome.WAITING] * 3
    fleet.see("m-000", connected=True)
    assert fleet.outcomes()[0] is Outcome.SENT
    fleet.keep("m-000")
    assert fleet.stand.standing is Standing.DONE
    assert fleet.outcomes() == [Outcome.HEALTHY] + [Outcome.AWAY] * 3


def test_silence_after_being_told_counts_as_failed_until_the_device_speaks() -> None:
    fleet = Fleet(8)
    fleet.tick()
    fleet.tick(PATIENCE_MS - 1)
    assert fleet.outcomes()[0] is Outcome.SENT
    fleet.tick(1)
    assert fleet.outcomes()[0] is Outcome.LOST
    assert fleet.stand.standing is Standing.ABORTED
    fleet.keep("m-000")
    assert fleet.outcomes()[0] is Outcome.HEALTHY, "its own word holds, also when it comes late"
    assert fleet.stand.standing is Standing.ABORTED


def test_a_device_that_restarts_in_its_trial_gets_time_but_not_for_ever() -> None:
    fleet = Fleet(8)
    fleet.tick()
    fleet.take("m-000")
    lived_ms = 0
    while fleet.outcomes()[0] is Outcome.APPLYING:
        fleet.tick(PATIENCE_MS // 2)
        lived_ms += PATIENCE_MS // 2
        if fleet.outcomes()[0] is Outcome.APPLYING:
            fleet.take("m-000")
    assert PATIENCE_MS < lived_ms <= 4 * PATIENCE_MS
    assert fleet.outcomes()[0] is Outcome.LOST


def test_an_expired_bundle_ends_its_rollout() -> None:
    fleet = Fleet(8)
    fleet.tick()
    fleet.now_ms = EXPIRES_MS
    fleet.tick(0)
    assert (fleet.stand.standing, fleet.stand.reason) == (Standing.ABORTED, "the bundle has expired")
    done = Fleet(2, away=(1,))
    done.tick()
    done.keep("m-000")
    assert done.stand.standing is Standing.DONE
    done.now_ms = EXPIRES_MS
    done.tick(0)
    assert (done.stand.standing, done.outcomes()[1]) == (Standing.OVER, Outcome.WITHDRAWN)


def test_nothing_leads_out_of_the_ends() -> None:
    assert not any(before in (Standing.ABORTED, Standing.OVER) for before, _ in STEPS)
    ends = {Outcome.HEALTHY, Outcome.ROLLED_BACK}
    assert not any(before in ends for before, _ in TRANSITIONS)
    assert {turn for _, turn in TRANSITIONS} == set(Turn)
    assert {step for _, step in STEPS} == set(Step)


@pytest.mark.parametrize(
    ("reported", "turn"),
    [
        ({"state": "settled", "version": {"hash": BUNDLE}}, Turn.PROVED),
        ({"state": "trial", "version": {"hash": None}, "next": {"hash": BUNDLE}}, Turn.TOOK),
        ({"state": "rolling-back", "version": {"hash": None}, "next": {"hash": BUNDLE}}, Turn.TOOK),
        ({"state": "settled", "version": {"hash": None}, "failed": {"hash": BUNDLE, "reason": "x"}}, Turn.WENT_BACK),
        ({"state": "settled", "version": {"hash": None}, "last_refused": BUNDLE, "last_refusal": "y"}, Turn.REFUSED),
        ({"state": "settled", "version": {"hash": "0" * 64}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_report_amounts_to_a_turn(reported: dict[str, object], turn: Turn | None) -> None:
    found = sight_of(reported, connected=True).turn(BUNDLE)
    assert (found[0] if found else None) is turn


def test_the_older_bundle_lies_in_the_topic_first() -> None:
    one, two = bytes([1]) * 32, bytes([2]) * 32
    older = Offer((1, 1), one, Standing.DONE, Outcome.AWAY)
    newer = Offer((1, 2), two, Standing.RUNNING, Outcome.SENT)
    assert desired((newer, older), lies=two) == one
    healthy = older._replace(outcome=Outcome.HEALTHY)
    assert desired((newer, healthy), lies=one) == two
    assert desired((healthy, newer._replace(outcome=Outcome.ROLLED_BACK)), lies=two) == one
    assert desired((healthy._replace(standing=Standing.OVER),), lies=one) == one
    for gone in (
        older._replace(standing=Standing.ABORTED),
        older._replace(outcome=Outcome.ROLLED_BACK),
        older._replace(outcome=Outcome.REFUSED),
        older._replace(outcome=Outcome.WITHDRAWN, standing=Standing.OVER),
    ):
        assert desired((gone,), lies=one) == b""
    assert desired((), lies=one) == one, "of a rollout that was long ago"
