"""An emulated board keeps what a board keeps: wherever the power fails, it ends on one of two whole documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.events import Apply, Effect, Event, Moment
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.topics import Said
from firmware_app.fleet.verification import Clock
from light_client.rules.crypto import verify
from light_client.rules.errors import LocalError
from testbed.rollout.board import OUT_MS, Board, PowerCutError, Word
from testbed.rollout.fate import Cut, Fate, Shares, cut_of, fates
from tests.firmware_app.fleet.world import FACTS, NOW_MS, bundle, memory, signed

PLAN = RolloutPlan(window_ms=30_000, hold_ms=5_000)
RAW = signed(bundle(1, plan=PLAN))


class Life:
    """A board that gets a bundle, and its operator's view of it."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.now_ms = 0
        self.words: list[Word] = []
        self.cuts = 0
        self.words += board.start(self.now)

    @property
    def now(self) -> Moment:
        return Moment(monotonic_ms=self.now_ms, clock=Clock(utc_ms=NOW_MS + self.now_ms))

    def live(self, seconds: int) -> None:
        """Beats once a second; after a power cut it starts again, and the broker's retained bundle comes again."""
        for _ in range(seconds):
            self.now_ms += 1_000
            self._try(lambda: self.board.beat(self.now))

    def offer(self) -> None:
        """The bundle comes."""
        self._try(lambda: self.board.offer(RAW, self.now))

    def _try(self, what: Any) -> None:
        try:
            self.words += what()
        except PowerCutError:
            self.cuts += 1
            self.now_ms += OUT_MS
            self.words += self.board.start(self.now)
            self.offer()


def life_of(fate: Fate, cut: Cut = Cut.TRIAL) -> Life:
    """From the bundle's coming to the end."""
    life = Life(Board(FACTS, memory(), fate, cut))
    life.live(2)
    life.offer()
    life.live(60)
    return life


@pytest.mark.parametrize("cut", list(Cut))
def test_wherever_the_power_fails_the_new_configuration_is_kept_in_the_end(cut: Cut) -> None:
    life = life_of(Fate.POWERCUT, cut)
    truth = life.board.truth()
    assert (life.cuts, truth["starts"], truth["mixtures"]) == (1, 2, 0)
    assert (truth["version"], truth["phase"]) == (1, "settled")
    assert life.board.running["privacy"]["lot_wh"] == 250


def test_a_healthy_board_keeps_it_and_a_failing_one_goes_back_and_says_so() -> None:
    healthy, failing = life_of(Fate.HEALTHY), life_of(Fate.FAILING)
    assert (healthy.board.truth()["version"], healthy.cuts) == (1, 0)
    truth = failing.board.truth()
    assert (truth["version"], truth["phase"], bool(truth["failed"])) == (0, "settled", True)
    assert failing.board.running == memory().current.document
    told = [word.payload for word in failing.words if word.said is Said.HEALTH]
    assert [b"no fresh reading" in payload for payload in told] == [False, True, False]
    assert any(b'"rolling-back"' in word.payload or b'"reason"' in word.payload for word in failing.words)


def test_a_board_says_little() -> None:
    """Presence aside, a whole rollout takes a handful of messages."""
    assert len(life_of(Fate.HEALTHY).words) <= 6


class Mixes(Agent):
    """Applies half of the new document before it keeps anything."""

    def handle(self, event: Event, now: Moment) -> tuple[Effect, ...]:
        return tuple(
            replace(effect, document={**effect.document, "privacy": {}})
            if isinstance(effect, Apply)
            else effect
            for effect in super().handle(event, now)
        )


def test_a_device_that_runs_by_a_mixture_is_noticed() -> None:
    def mixing(kept: Memory, facts: DeviceFacts) -> Agent:
        return Mixes(kept, facts, verify_signature=verify)

    life = Life(Board(FACTS, memory(), Fate.HEALTHY, make_agent=mixing))
    life.offer()
    assert life.board.mixtures == 1


def test_an_idle_board_wants_no_beat() -> None:
    life = Life(Board(FACTS, memory(), Fate.HEALTHY))
    life.live(20)
    assert not life.board.wants_beat
    assert life.board.disk.phase is Phase.SETTLED


def test_fates_are_drawn_once_each_and_again_alike() -> None:
    names = [f"meter-{number:03d}" for number in range(400)]
    shares = Shares(offline=50, failing=20, powercut=10)
    drawn = fates(names, shares, 7)
    assert Counter(drawn.values()) == {
        Fate.HEALTHY: 368,
        Fate.OFFLINE: 20,
        Fate.FAILING: 8,
        Fate.POWERCUT: 4,
    }
    assert fates(names, shares, 7) == drawn != fates(names, shares, 8)
    assert {cut_of(name, 7) for name in names} == set(Cut)
    with pytest.raises(LocalError):
        Shares(offline=600, failing=500)
