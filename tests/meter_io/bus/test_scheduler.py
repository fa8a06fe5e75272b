"""The bus in virtual time: beats, back-off, one time limit for the dead, noise, late answers, lost ports."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meter_io.bus import scheduler
from meter_io.bus.dialogue import Said
from meter_io.bus.events import Broken, Failed, Opened, Received, Round, Time
from meter_io.bus.roster import PATIENCE_MS, Roster
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll, Pushing, Slave
from meter_io.bus.timing import BusTiming, ReplyTime, doubled_ms
from meter_io.errors import GarbledReply, MeterError, NoReply
from meter_io.reading import MeterId
from tests.meter_io.bus.simulated import Behaviour, Question, World

REPLY_MS = 500
TIMING = BusTiming(character_us=0, gap_ms=5)


def poll(name: str, interval_ms: int = 1_000, reply_ms: int = REPLY_MS) -> Poll:
    """A meter to poll."""
    return Poll(meter=MeterId(name), begin=lambda: Question(name), interval_ms=interval_ms, reply_ms=reply_ms)


def world(*names: str, timing: BusTiming = TIMING, interval_ms: int = 1_000) -> World:
    """A line with these slaves, all well."""
    polls = [poll(name, interval_ms) for name in names]
    return World(bus=Bus(polls, timing=timing, now_ms=0), slaves={name: Behaviour() for name in names})


def test_each_meter_is_read_on_its_beat_and_they_are_spread() -> None:
    line = world("a", "b", "c", "d")
    line.run_until(10_000)
    for place, name in enumerate("abcd"):
        times = line.rounds_of(name)
        assert len(times) == 10
        assert {later - earlier for earlier, later in itertools.pairwise(times)} <= {
            1_000,
            995,
            1_005,
        }
        assert abs(times[1] - 1_000 - 250 * place) < 50
    assert not [report for _, report in line.reports if not isinstance(report, Round)]


def test_a_dead_slave_backs_off_from_two_seconds_to_five_minutes() -> None:
    line = world("dead", "live")
    line.slaves["dead"].dead = True
    line.run_until(3_600_000)
    tries = [at for at, name in line.asked if name == "dead"]
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    for wait, nominal in zip(
        waits, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000], strict=False
    ):
        assert nominal <= wait <= nominal + REPLY_MS + PATIENCE_MS
    assert 300_000 <= waits[-1] < 300_000 + PATIENCE_MS + REPLY_MS
    failure = line.failures_of("dead")[0]
    assert isinstance(failure.error, NoReply)
    assert failure.failures == 1
    line.slaves["dead"].dead = False
    before = len(line.rounds_of("dead"))
    line.run_until(3_600_000 + 310_000)
    assert len(line.rounds_of("dead")) - before > 1, "it is polled again once it answers"


def live_delays(line: World, name: str, interval_ms: int) -> list[int]:
    """How much later than its beat each round of a live meter ended, once the dead are known."""
    times = [at for at in line.rounds_of(name) if at > 10_000]
    return [later - earlier - interval_ms for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize("dead", [1, 3, 10, 30])
def test_however_many_are_dead_a_live_slave_waits_for_one_time_limit_at_most(dead: int) -> None:
    names = [f"dead{number}" for number in range(dead)]
    line = world("live", *names)
    for name in names:
        line.slaves[name].dead = True
    line.run_until(300_000)
    assert max(live_delays(line, "live", 1_000)) <= REPLY_MS + 2 * TIMING.gap_ms + 20
    assert all(len(line.failures_of(name)) >= 5 for name in names), "the dead are still tried"


def test_where_there_is_time_the_dead_cost_nothing() -> None:
    line = world("live", "dead1", "dead2", interval_ms=5_000)
    line.slaves["dead1"].dead = line.slaves["dead2"].dead = True
    line.run_until(600_000)
    assert max(live_delays(line, "live", 5_000)) <= 0


class Naive(Roster):
    """A broken twin: whoever is due longest is next, dead or alive, with a fixed retry of one second."""

    def choose(self, now_ms: int) -> Slave | None:
        due = [slave for slave in self._slaves if slave.due_ms <= now_ms]
        return min(due, key=lambda slave: slave.due_ms, default=None)


def test_the_broken_twin_lets_the_dead_delay_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "Roster", Naive)
    names = [f"dead{number}" for number in range(30)]
    line = world("live", *names)
    for name in names:
        line.slaves[name].dead = True
    line.run_until(300_000)
    assert max(live_delays(line, "live", 1_000)) > 3 * REPLY_MS


def test_noise_is_asked_again_at_once_and_reported_only_twice_in_a_row() -> None:
    line = world("a")
    line.slaves["a"].noises = 1
    line.run_until(900)
    assert len(line.rounds_of("a")) == 1
    assert not line.failures_of("a")
    line.slaves["a"].noises = 2
    line.run_until(1_900)
    assert isinstance(line.failures_of("a")[0].error, GarbledReply)
    line.run_until(10_000)
    assert len(line.rounds_of("a")) > 3


def test_a_late_answer_is_never_taken_for_a_new_one() -> None:
    """The slave answers after its time limit; it is left alone until such an answer cannot come any more."""
    line = world("slow", timing=BusTiming(character_us=0, gap_ms=5, late_ms=2_000))
    line.slaves["slow"].delay_ms = REPLY_MS + 400
    line.run_until(2_900)
    assert not line.rounds_of("slow")
    asked = [at for at, _ in line.asked]
    assert asked[1] - asked[0] >= REPLY_MS + 2_000


def test_time_limits_are_learned_within_bounds_and_forgotten_when_missed() -> None:
    time = ReplyTime(floor_ms=100, ceiling_ms=1_000)
    assert time.limit_ms == 1_000
    for _ in range(50):
        time.answered(30)
    assert time.limit_ms == 100
    for _ in range(50):
        time.answered(400)
    assert 400 < time.limit_ms <= 1_000
    time.expired()
    assert time.limit_ms == 1_000


@given(st.lists(st.one_of(st.none(), st.integers(0, 5_000)), max_size=60))
def test_a_time_limit_never_leaves_its_bounds(answers: list[int | None]) -> None:
    time = ReplyTime(floor_ms=200, ceiling_ms=1_500)
    for answer in answers:
        if answer is None:
            time.expired()
        else:
            time.answered(answer)
        assert 200 <= time.limit_ms <= 1_500


def test_an_unplugged_port_comes_back_and_no_slave_is_blamed() -> None:
    line = world("a", "b")
    line.run_until(5_000)
    line.unplug()
    line.run_until(60_000)
    broken = [report for _, report in line.reports if isinstance(report, Broken)]
    waits = [later.retry_ms - earlier.retry_ms for earlier, later in itertools.pairwise(broken)]
    assert waits == sorted(waits)
    assert waits[-1] <= 30_000
    line.openable = True
    line.run_until(100_000)
    assert max(line.rounds_of("a")) > 98_000
    assert not line.failures_of("a")
    assert not line.failures_of("b")


def test_after_opening_the_line_rests() -> None:
    line = world("a", timing=BusTiming(character_us=0, gap_ms=5, post_open_ms=3_000))
    line.run_until(2_999)
    assert not line.asked
    line.run_until(3_100)
    assert [name for _, name in line.asked] == ["a"]


def test_the_turnaround_is_kept_between_different_slaves_only() -> None:
    line = world("a", "b", timing=BusTiming(character_us=0, gap_ms=5, turnaround_ms=300), interval_ms=200)
    line.slaves["a"].delay_ms = line.slaves["b"].delay_ms = 10
    line.run_until(20_000)
    for (earlier, first), (later, second) in zip(line.asked, line.asked[1:], strict=False):
        assert first == second or later - earlier >= 310


def test_bytes_that_nobody_asked_for_keep_us_waiting_but_not_for_ever() -> None:
    line = world("a")
    line.tell(Time())
    for at in range(0, 5_000, 3):
        line.run_until(at)
        line.tell(Received(b"\xff"))
    assert line.asked
    assert line.asked[0][0] < 1_000


def test_behind_tcp_an_unreadable_answer_drops_the_connection() -> None:
    line = world("a", timing=BusTiming(character_us=0, gap_ms=0, drop_on_garbage=True))
    line.slaves["a"].noises = 1
    line.run_until(400)
    assert [type(report).__name__ for _, report in line.reports] == ["Failed", "Broken"]
    line.run_until(5_000)
    assert line.rounds_of("a")


class Telegrams:
    """A listener whose telegrams are lines."""

    def feed(self, data: bytes) -> list[Said | MeterError]:
        return [Said("push", {}) if data == b"telegram" else GarbledReply("broken telegram")]


def test_a_pushing_meter_is_heard_beside_polled_ones_and_missed_when_silent() -> None:
    pushing = Pushing(meter=MeterId("push"), listener=Telegrams(), silence_ms=10_000)
    bus = Bus([poll("a")], timing=TIMING, now_ms=0, pushing=pushing)
    line = World(bus=bus, slaves={"a": Behaviour()})
    line.run_until(500)
    line.tell(Received(b"telegram"))
    line.tell(Received(b"noise"))
    assert len(line.rounds_of("push")) == 1
    assert isinstance(line.failures_of("push")[0].error, GarbledReply)
    line.run_until(25_000)
    silences = [failure for failure in line.failures_of("push") if isinstance(failure.error, NoReply)]
    assert len(silences) == 2
    assert len(line.rounds_of("a")) >= 24


def test_a_meter_is_not_called_silent_for_the_time_in_which_its_port_was_gone() -> None:
    pushing = Pushing(meter=MeterId("push"), listener=Telegrams(), silence_ms=10_000)
    line = World(bus=Bus([], timing=TIMING, now_ms=0, pushing=pushing), slaves={})
    line.run_until(1_000)
    line.tell(Received(b"telegram"))
    line.unplug()
    line.run_until(100_000)
    line.openable = True
    line.run_until(145_000)
    opened_ms = max(report.retry_ms for _, report in line.reports if isinstance(report, Broken))
    assert opened_ms >= 100_000
    silences = [at for at, report in line.reports if isinstance(report, Failed)]
    assert silences[0] == opened_ms + 10_000


def test_a_bus_with_only_a_pushing_meter_does_not_spin() -> None:
    pushing = Pushing(meter=MeterId("push"), listener=Telegrams())
    line = World(bus=Bus([], timing=TIMING, now_ms=0, pushing=pushing), slaves={})
    line.run_until(3_600_000)
    assert line.turns < 1_000


@pytest.mark.parametrize(
    ("failures", "expected"), [(1, 2_000), (2, 4_000), (8, 256_000), (9, 300_000), (10_000, 300_000)]
)
def test_the_back_off_doubles(failures: int, expected: int) -> None:
    assert doubled_ms(failures, 2_000, 300_000) == expected


def test_wrong_buses_are_not_made() -> None:
    with pytest.raises(ValueError, match="once"):
        Bus([poll("a"), poll("a")], timing=TIMING, now_ms=0)
    with pytest.raises(ValueError, match="without a meter"):
        Bus([], timing=TIMING, now_ms=0)
    with pytest.raises(ValueError, match="gap_ms"):
        BusTiming(gap_ms=-1)
    with pytest.raises(ValueError, match="100 ms to one day"):
        poll("a", interval_ms=0)


def test_events_that_do_not_fit_change_nothing() -> None:
    bus = Bus([poll("a")], timing=TIMING, now_ms=0)
    assert bus.handle(Opened(), 0) == []
    assert bus.handle(Received(b"x"), 0) == []


class AnyDay(RuleBasedStateMachine):
    """Slaves die, wake, slow down and babble at any time; the port comes and goes."""

    names = ("a", "b", "c", "d", "e")

    @initialize()
    def begin(self) -> None:
        self.line = world(*self.names)
        self.dead_since: dict[str, int] = {}
        self.known_ms = 0

    @rule(name=st.sampled_from(names), dead=st.booleans())
    def kill_or_wake(self, name: str, dead: bool) -> None:
        if self.line.slaves[name].dead != dead:
            self.known_ms = self.line.now_ms
        self.line.slaves[name].dead = dead

    @rule(name=st.sampled_from(names), delay_ms=st.integers(1, 150))
    def change_pace(self, name: str, delay_ms: int) -> None:
        self.line.slaves[name].delay_ms = delay_ms
        self.known_ms = self.line.now_ms

    @rule(name=st.sampled_from(names), noises=st.integers(1, 3))
    def babble(self, name: str, noises: int) -> None:
        self.line.slaves[name].noises = noises
        self.known_ms = self.line.now_ms

    @rule()
    def unplug(self) -> None:
        self.line.unplug()
        self.known_ms = self.line.now_ms

    @precondition(lambda self: not self.line.openable)
    @rule()
    def plug(self) -> None:
        self.line.openable = True
        self.known_ms = self.line.now_ms

    @rule(wait_ms=st.integers(1, 40_000))
    def wait(self, wait_ms: int) -> None:
        self.line.run_until(self.line.now_ms + wait_ms)

    @invariant()
    def the_living_are_read_in_time(self) -> None:
        """Once the present state is known to the bus, no live meter waits for more than the others and one limit."""
        line = self.line
        settled_ms = self.known_ms + 320_000
        if line.openable:
            if line.now_ms < settled_ms:
                return
            worst_ms = 1_000 + REPLY_MS + len(self.names) * (150 + 2 * TIMING.gap_ms)
            for name, slave in line.slaves.items():
                if not slave.dead and not slave.noises:
                    assert line.rounds_of(name)[-1] >= line.now_ms - worst_ms - 50

    @rule()
    def wait_until_settled(self) -> None:
        self.line.run_until(max(self.line.now_ms, self.known_ms + 330_000))

    @invariant()
    def nobody_is_asked_while_another_may_answer(self) -> None:
        asked = self.line.asked[-20:]
        for (earlier, _), (later, _) in itertools.pairwise(asked):
            assert later - earlier >= TIMING.gap_ms


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(
    max_examples=15, stateful_step_count=12, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
