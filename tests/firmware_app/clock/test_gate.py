"""The clock gate in simulated worlds: whatever happens to the clocks, an open gate hands out the right time."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.clock.gate import (
    NEXT_STATES,
    SAID_VALID_MS,
    ClockEvent,
    ClockGate,
    ClockState,
    Closed,
    Jumped,
    Opened,
    Sync,
)
from firmware_app.clock.params import ClockParams
from light_client.rules.light import TrustedState
from tests.light_ground import AT_GENESIS

UTC_MS = 1_790_000_000_000
"""The true time when the board starts."""
DAY_MS = 86_400_000
DRIFT_MS = 10_000
BLOCK_MS = 150_000
PARAMS = ClockParams()
GOOD = Sync(source="kernel", synchronised=True, offset_us=400, error_us=20_000, stratum=3)
BAD = Sync(source="kernel", synchronised=False, reason="no time service holds the clock")


def trusted_at(time_ms: int) -> TrustedState:
    return replace(AT_GENESIS, time_ms=time_ms)


@dataclass
class Board:
    """A board in a world that knows the true time."""

    gate: ClockGate
    monotonic_ms: int = 5_000
    wall_off_ms: int = 0
    """Wall clock minus true time."""

    @property
    def true_ms(self) -> int:
        return UTC_MS + self.monotonic_ms

    def look(self, sync: Sync | None = None, *, after_ms: int = 1_000) -> list[ClockEvent]:
        self.monotonic_ms += after_ms
        return self.gate.look(
            wall_ms=self.true_ms + self.wall_off_ms, monotonic_ms=self.monotonic_ms, sync=sync
        )

    def settle(self, sync: Sync = GOOD) -> list[ClockEvent]:
        """Look until the gate has settled."""
        return [event for _ in range(12) for event in self.look(sync)]

    def vouch(self, server: str, *, age_ms: int = 0) -> list[ClockEvent]:
        return self.gate.vouch(server, self.true_ms - age_ms, self.monotonic_ms)

    def follow(self, *servers: str, age_ms: int = 0) -> list[ClockEvent]:
        """Servers show a header each, and another one when the next block is there."""
        events = [event for server in servers for event in self.vouch(server, age_ms=age_ms)]
        self.monotonic_ms += BLOCK_MS
        return events + [event for server in servers for event in self.vouch(server, age_ms=age_ms)]

    def error_ms(self) -> int:
        utc_ms = self.gate.utc_ms(self.monotonic_ms)
        assert utc_ms is not None
        return utc_ms - self.true_ms


def board(params: ClockParams = PARAMS, gate: type[ClockGate] = ClockGate) -> Board:
    return Board(gate(params, max_drift_ms=DRIFT_MS, monotonic_ms=5_000))


def test_a_synchronised_clock_is_believed_once_it_has_settled() -> None:
    there = board()
    assert there.look(GOOD) == []
    assert not there.gate.is_open
    assert there.gate.utc_ms(there.monotonic_ms) is None
    (opened,) = there.settle()
    assert isinstance(opened, Opened)
    assert opened.state is ClockState.TRUSTED
    assert there.error_ms() == 0
    report = there.gate.report()
    assert (report.source, report.offset_us, report.stratum, report.reason) == ("kernel", 400, 3, "")


def test_a_board_without_rtc_opens_after_the_step_of_its_time_service() -> None:
    there = board()
    there.wall_off_ms = -UTC_MS  # 1970
    there.gate.raise_floor(trusted_at(UTC_MS - DAY_MS))
    assert there.settle(BAD) == []
    assert "LC-08" in there.gate.report().reason
    there.wall_off_ms = 0
    (jumped,) = there.look(GOOD)
    assert isinstance(jumped, Jumped)
    assert jumped.by_ms == UTC_MS
    assert [type(event) for event in there.settle()] == [Opened]


def test_a_time_before_the_floor_is_never_believed_whatever_the_time_service_says() -> None:
    there = board()
    there.gate.raise_floor(trusted_at(UTC_MS + DAY_MS))
    assert there.settle() == []
    assert there.gate.report().reason.startswith("LC-08")


def test_the_floor_is_never_lowered_and_closes_an_open_gate() -> None:
    there = board()
    there.settle()
    there.gate.raise_floor(trusted_at(UTC_MS + DAY_MS))
    there.gate.raise_floor(trusted_at(UTC_MS))
    (closed,) = there.look(GOOD)
    assert isinstance(closed, Closed)
    assert there.gate.report().floor_ms == UTC_MS + DAY_MS


@pytest.mark.parametrize("by_ms", [DAY_MS, -DAY_MS, 2_001, -2_001])
def test_a_jump_closes_the_gate_and_the_way_back_opens_it_soon(by_ms: int) -> None:
    there = board()
    there.settle()
    there.wall_off_ms = by_ms
    jumped, closed = there.look()
    assert isinstance(jumped, Jumped)
    assert isinstance(closed, Closed)
    assert jumped.by_ms == by_ms
    there.wall_off_ms = 0
    assert [type(event) for event in there.look(GOOD)] == [Jumped]
    (opened,) = there.settle()
    assert isinstance(opened, Opened)
    assert there.error_ms() == 0


def test_a_small_step_is_followed_without_a_word() -> None:
    there = board()
    there.settle()
    there.wall_off_ms = 1_500
    assert there.look(GOOD) == []
    assert there.error_ms() == 1_500


def test_a_clock_that_creeps_in_small_steps_without_a_time_service_has_jumped() -> None:
    there = board()
    there.settle()
    there.look(BAD)
    events: list[ClockEvent] = []
    for _ in range(5):
        there.wall_off_ms += 900
        events += there.look(BAD)
    assert [type(event) for event in events][:2] == [Jumped, Closed]


def test_another_time_than_the_trusted_one_must_be_held_for_long_or_be_vouched_for() -> None:
    there = board()
    there.settle()
    there.wall_off_ms = DAY_MS  # somebody sets the clock, and the time service stands by it
    assert [type(event) for event in there.look(GOOD)] == [Jumped, Closed]
    assert there.settle() == []
    assert "moved away" in there.gate.report().reason
    there.look(GOOD, after_ms=PARAMS.dispute_ms)
    assert there.gate.state is ClockState.TRUSTED

    there = board()
    there.wall_off_ms = -DAY_MS  # the first trust was wrong, and signed time knows
    there.settle()
    there.wall_off_ms = 0
    there.look(GOOD)
    there.follow("a", "b")
    there.settle()
    assert there.gate.state is ClockState.TRUSTED
    assert there.error_ms() == 0


def test_the_clock_is_held_over_for_a_day_and_no_longer() -> None:
    there = board()
    there.settle()
    assert there.look(BAD, after_ms=PARAMS.holdover_ms) == []
    assert there.gate.report().synchronised_ms == there.monotonic_ms - PARAMS.holdover_ms
    (closed,) = there.look(BAD)
    assert isinstance(closed, Closed)


def test_a_time_service_that_nobody_asks_any_more_counts_for_two_minutes() -> None:
    there = board()
    there.look(GOOD)
    assert there.look(after_ms=SAID_VALID_MS + 1) == []
    assert not there.gate.is_open
    there.look(replace(GOOD, error_us=PARAMS.max_error_ms * 1_000 + 1), after_ms=60_000)
    assert "error is too large" in there.gate.report().reason


def test_two_servers_rescue_a_board_without_a_time_service_and_one_does_not() -> None:
    there = board()
    there.wall_off_ms = -20_000 * DAY_MS
    there.look(BAD)
    assert there.follow("a", age_ms=3_000) == []
    (opened,) = there.follow("b", age_ms=30_000)
    assert isinstance(opened, Opened)
    assert opened.state is ClockState.RESCUED
    assert there.error_ms() == -3_000
    there.vouch("b", age_ms=500)
    assert there.error_ms() == -500
    assert there.gate.report().source == "signed time"
    there.look(BAD, after_ms=PARAMS.rescue_hold_ms - BLOCK_MS)
    assert there.gate.is_open
    (closed,) = there.look(BAD, after_ms=BLOCK_MS)
    assert isinstance(closed, Closed)


def test_a_tier_that_stands_still_tells_no_time() -> None:
    there = board()
    header_ms = there.true_ms - 5 * 3_600_000
    for _ in range(10):
        there.look(BAD, after_ms=PARAMS.rescue_hold_ms // 3)
        for server in ("a", "b", "c"):
            assert there.gate.vouch(server, header_ms, there.monotonic_ms) == []
    assert not there.gate.is_open


def test_servers_that_catch_up_vouch_once_they_keep_pace() -> None:
    there = board()
    for hours in range(20, 0, -1):
        for server in ("a", "b"):
            assert there.vouch(server, age_ms=hours * 3_600_000) == []
        there.look(BAD, after_ms=BLOCK_MS)
    (opened,) = there.follow("a", "b", age_ms=900)
    assert isinstance(opened, Opened)
    assert there.error_ms() == -900


def test_servers_that_show_old_headers_do_not_rescue() -> None:
    there = board()
    assert there.follow("a") == []
    assert there.follow("b", age_ms=PARAMS.rescue_spread_ms + 1) == []
    late = board()
    late.gate.raise_floor(trusted_at(late.true_ms))
    assert late.follow("a", "b", age_ms=3_600_000) == []
    assert not late.gate.is_open


def test_a_rescued_time_survives_a_jump_of_the_wall_clock_and_gives_way_to_a_time_service() -> None:
    there = board()
    there.follow("a", "b", age_ms=2_000)
    there.look(BAD)
    there.wall_off_ms = DAY_MS
    assert [type(event) for event in there.look(BAD)] == [Jumped]
    assert there.error_ms() == -2_000
    there.wall_off_ms = 0
    events = there.settle()
    assert [type(event) for event in events] == [Jumped, Opened]
    assert there.gate.state is ClockState.TRUSTED


def test_a_wall_clock_behind_signed_time_is_not_believed() -> None:
    there = board()
    there.wall_off_ms = -3_600_000
    there.follow("a", "b")
    there.settle()
    assert there.gate.state is ClockState.RESCUED
    assert abs(there.error_ms()) < 1_000


def test_the_table_of_states_holds() -> None:
    gate = board().gate
    with pytest.raises(ValueError, match="from untrusted not to untrusted"):
        gate._turn(ClockState.UNTRUSTED, 0)
    assert set(NEXT_STATES) == set(ClockState)


@pytest.mark.parametrize(
    "wrong", [{"jump_ms": 5}, {"rescue_servers": 0}, {"dispute_ms": 1_000}, {"holdover_ms": 8 * DAY_MS}]
)
def test_settings_outside_their_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="clock\\."):
        ClockParams(**wrong)


# -- worlds ----------------------------------------------------------------------------------------------------------

ACTIONS = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 3_600_000)),
    st.tuples(st.just("set"), st.sampled_from([DAY_MS, -DAY_MS, 3_000, -3_000, 40 * 365 * DAY_MS])),
    st.tuples(st.just("sync"), st.integers(0, 900)),
    st.tuples(st.just("silence"), st.just(0)),
    st.tuples(st.just("vouch"), st.integers(0, 2 * DAY_MS)),
)
PPM = 50


def play(there: Board, actions: list[tuple[str, int]]) -> None:
    """Live through a world: after each second an open gate must be right; the kernel forgets its sync when set."""
    there.wall_off_ms = -UTC_MS
    sync, slow_ms = BAD, 0
    for step, (action, amount) in enumerate(actions):
        if action == "set":
            there.wall_off_ms, said, sync = there.wall_off_ms + amount, sync, BAD
            there.look(said)  # a time service was asked before, and answers now
        elif action == "sync":
            there.wall_off_ms, sync = amount, GOOD
        elif action == "silence":
            sync = BAD
        elif action == "vouch":
            there.vouch(f"server-{step % 3}", age_ms=amount)
        else:
            for _ in range(amount // 600_000):
                there.look(sync, after_ms=600_000)
            slow_ms += amount * PPM // 1_000_000
        asked = {13} if action == "set" else {0, 7}
        for number in range(14):
            there.look(sync if number in asked else None)
            allowed_ms = 70_000 if there.gate.state is ClockState.RESCUED else PARAMS.jump_ms + 1_000
            if there.gate.is_open:
                assert abs(there.error_ms()) <= allowed_ms, (action, there.gate.state)


@settings(max_examples=120)
@given(st.lists(ACTIONS, max_size=25))
def test_an_open_gate_is_right_in_every_world(actions: list[tuple[str, int]]) -> None:
    # two stale servers that agree are bounded by the floor alone: here the light client keeps it near
    there = board(replace(PARAMS, rescue_servers=3))
    honest = [(a, min(n, 60_000)) if a == "vouch" else (a, n) for a, n in actions]
    play(there, honest)


class HandsOutTheWall(ClockGate):
    """Broken: does not look for jumps."""

    def _jump(self, offset_ms: int, monotonic_ms: int) -> list[ClockEvent]:
        return []


class KeepsItsWord(ClockGate):
    """Broken: what a time service said before the clock was set counts after it too."""

    def look(self, *, wall_ms: int, monotonic_ms: int, sync: Sync | None = None) -> list[ClockEvent]:
        events = super().look(wall_ms=wall_ms, monotonic_ms=monotonic_ms, sync=sync)
        self._sync = sync or self._sync
        return events


class TakesOneServersWord(ClockGate):
    """Broken: any signed time will do."""

    def _agreed_ms(self, monotonic_ms: int) -> int | None:
        return next((server.offset_ms for server in self._signed.values()), None)


@pytest.mark.parametrize(
    ("broken", "world"),
    [
        (HandsOutTheWall, [("sync", 0), ("set", DAY_MS)]),
        (HandsOutTheWall, [("sync", 0), ("set", -4_000)]),
        (KeepsItsWord, [("sync", 0), ("set", DAY_MS)]),
        (TakesOneServersWord, [("vouch", DAY_MS)]),
    ],
)
def test_a_broken_gate_hands_out_a_wrong_time(broken: type[ClockGate], world: list[tuple[str, int]]) -> None:
    hasty = replace(PARAMS, dispute_ms=PARAMS.settle_ms)
    with pytest.raises(AssertionError):
        play(board(hasty, broken), world)
    play(board(hasty), world)
