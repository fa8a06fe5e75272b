"""Systemd is fed while every part lives or is being brought back, and never longer."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware_app.watchdog.parts import Part, WatchdogParams
from firmware_app.watchdog.watch import (
    NEXT_STATES,
    Beat,
    GaveUp,
    PartState,
    Recovered,
    Restart,
    Stale,
    Watch,
    _Vital,
)

LIMIT_MS = 10_000
METER = Part(name="meter:ttyUSB0", limit_ms=LIMIT_MS, fresh="a reading", idle="no answer", restarts=2)
STORE = Part(name="store", limit_ms=3 * LIMIT_MS, fresh="a commit", restarts=0)


def test_a_part_that_works_keeps_systemd_fed() -> None:
    watch = Watch((METER,), now_ms=0)
    for now_ms in range(0, 100_000, LIMIT_MS):
        assert watch.fresh(METER.name, now_ms) == []
        assert watch.beat(now_ms) == Beat(feed=True, status="", events=())


def test_a_stale_part_is_named_and_restarted_before_systemd_is_let_do_it() -> None:
    watch = Watch((METER,), now_ms=0)
    first = watch.beat(LIMIT_MS + 1)
    assert first.feed
    assert first.events == (
        Stale(part=METER.name, silent_ms=LIMIT_MS + 1),
        Restart(part=METER.name, attempt=1),
    )
    assert first.status == "meter:ttyUSB0 stale for 10 s, restart 1 of 2"
    assert watch.beat(LIMIT_MS + 2).events == ()
    second = watch.beat(2 * LIMIT_MS + 2)
    assert (second.feed, second.events) == (True, (Restart(part=METER.name, attempt=2),))
    last = watch.beat(3 * LIMIT_MS + 3)
    assert not last.feed
    assert last.events == (GaveUp(part=METER.name, silent_ms=3 * LIMIT_MS + 3),)
    assert last.status == "meter:ttyUSB0 given up"
    assert not watch.beat(3 * LIMIT_MS + 4).feed


def test_a_part_that_comes_back_feeds_systemd_again() -> None:
    watch = Watch((STORE,), now_ms=0)
    assert not watch.beat(STORE.limit_ms + 1).feed
    assert watch.fresh("store", STORE.limit_ms + 2) == [Recovered(part="store", after_ms=STORE.limit_ms + 2)]
    assert watch.beat(STORE.limit_ms + 3) == Beat(feed=True, status="", events=())


def test_a_part_that_dies_after_each_restart_does_not_get_away_with_it() -> None:
    watch = Watch((METER,), now_ms=0)
    now_ms, fed = 0, True
    for _ in range(4):
        now_ms += LIMIT_MS + 2
        fed = watch.beat(now_ms).feed
        watch.fresh(METER.name, now_ms + 1)
    assert not fed


def test_restarts_are_forgiven_after_the_part_lived_for_its_limit() -> None:
    watch = Watch((METER,), now_ms=0)
    now_ms = 0
    for _ in range(6):
        now_ms += LIMIT_MS + 2
        assert watch.beat(now_ms).feed
        for _ in range(3):
            now_ms += LIMIT_MS // 2
            watch.fresh(METER.name, now_ms)
    (report,) = watch.report()
    assert (report.restarts, report.state) == (6, PartState.WORKING)


def test_idleness_has_a_reason_is_renewed_and_is_not_for_everybody() -> None:
    watch = Watch((METER, STORE), now_ms=0)
    watch.idle(METER.name, "no answer", 9_000)
    assert watch.beat(15_000).events == ()
    assert watch.report()[0].idle == "no answer"
    assert watch.beat(9_000 + LIMIT_MS + 1).events != ()
    with pytest.raises(ValueError, match="has a reason"):
        watch.idle(METER.name, "", 0)
    with pytest.raises(ValueError, match="may not be idle"):
        watch.idle("store", "tired", 0)
    with pytest.raises(KeyError):
        watch.fresh("stranger", 0)


def test_the_table_of_parts_covers_every_bus() -> None:
    parts = WatchdogParams().parts(("ttyUSB0", "ttyUSB1"))
    assert [part.name for part in parts] == [
        "meter:ttyUSB0",
        "meter:ttyUSB1",
        "store",
        "clock",
        "market",
        "trader",
        "page",
    ]
    Watch(parts, now_ms=0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Part(name="x", limit_ms=999, fresh=""),
        lambda: Part(name="two words", limit_ms=1_000, fresh=""),
        lambda: Part(name="x", limit_ms=1_000, fresh="", restarts=-1),
        lambda: WatchdogParams(meter_ms=1),
        lambda: Watch((METER, METER), now_ms=0),
        lambda: _Vital(METER, 0).turn(PartState.GIVEN_UP),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"got|given up|one name"):
        wrong()
    assert set(NEXT_STATES) == set(PartState)


class FedByTheLoop(Watch):
    """Broken: feeds systemd because its loop turns."""

    def beat(self, now_ms: int) -> Beat:
        return Beat(feed=True, status="", events=super().beat(now_ms).events)


class OftenEnough(Watch):
    """Broken: one living part is enough."""

    def beat(self, now_ms: int) -> Beat:
        beat = super().beat(now_ms)
        alive = any(part.state is PartState.WORKING for part in self.report())
        return Beat(feed=alive, status=beat.status, events=beat.events)


def keeps_the_promise(watch: Watch, signs: list[tuple[int, str]]) -> None:
    """After every part's last allowance has passed without a sign, systemd is not fed."""
    seen = {METER.name: 0, "store": 0}
    now_ms = 0
    for gap_ms, part in signs:
        for _ in range(max(1, gap_ms // 5_000)):
            now_ms += 5_000
            fed = watch.beat(now_ms).feed
            for each in (METER, STORE):
                dead_ms = (each.restarts + 1) * (each.limit_ms + 5_000)
                assert not (fed and now_ms - seen[each.name] > dead_ms), each.name
        if part in seen:
            watch.fresh(part, now_ms)
            seen[part] = now_ms


SIGNS = st.lists(
    st.tuples(st.integers(0, 120_000), st.sampled_from([METER.name, "store", "nobody"])), max_size=20
)


@settings(max_examples=100)
@given(SIGNS)
def test_a_dead_part_always_ends_in_a_restart_of_the_service(signs: list[tuple[int, str]]) -> None:
    keeps_the_promise(Watch((METER, STORE), now_ms=0), signs)


@pytest.mark.parametrize("broken", [FedByTheLoop, OftenEnough])
def test_a_broken_watchdog_hides_a_dead_part(broken: type[Watch]) -> None:
    signs = [(9_000, "store")] * 20
    with pytest.raises(AssertionError):
        keeps_the_promise(broken((METER, STORE), now_ms=0), signs)


class Lives(RuleBasedStateMachine):
    """Parts that show themselves now and then: the watch's states follow from the times alone."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch((METER, STORE), now_ms=0)
        self.now_ms = 0

    @rule(gap_ms=st.integers(0, 2 * LIMIT_MS))
    def passes(self, gap_ms: int) -> None:
        self.now_ms += gap_ms

    @rule(part=st.sampled_from([METER.name, "store"]))
    def works(self, part: str) -> None:
        self.watch.fresh(part, self.now_ms)

    @invariant()
    def is_fed_exactly_while_nothing_is_given_up(self) -> None:
        beat = self.watch.beat(self.now_ms)
        states = {part.state for part in self.watch.report()}
        assert beat.feed == (PartState.GIVEN_UP not in states)
        assert bool(beat.status) == (states != {PartState.WORKING})
        for part in self.watch.report():
            if self.now_ms - part.shown_ms <= part.limit_ms:
                assert part.state is PartState.WORKING


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=30, stateful_step_count=30)
