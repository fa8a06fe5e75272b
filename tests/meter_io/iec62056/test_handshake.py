"""The handshake against a simulated meter: every mode, meters that strain the standard, faults, and bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meter_io.errors import GarbledReply, NoReply
from meter_io.iec62056 import Answer, Handshake, Timing
from meter_io.iec62056.handshake import _TABLE, Effect, End, Send, SetBaud, State, Wake
from meter_io.obis import IMPORT_TOTAL
from tests.meter_io.encoders import with_even_parity
from tests.meter_io.iec62056.simulated_meter import DATA, Line, Meter


def read(meter: Meter, handshake: Handshake | None = None, *, echo: bool = False) -> tuple[Line, Handshake]:
    line = Line(meter=meter, echo=echo)
    handshake = handshake or Handshake()
    line.run(handshake)
    return line, handshake


def assert_read(line: Line) -> None:
    assert line.ended == End(None)
    assert [telegram.values[IMPORT_TOTAL].number for telegram in line.telegrams] == [123_456]
    assert line.telegrams[0].model == "ABC TEST"


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("character", ["0", "1", "2", "3", "4", "5", "6"])
def test_mode_c_at_every_speed(character: str, echo: bool) -> None:
    meter = Meter(character=character)
    line, handshake = read(meter, echo=echo)
    assert_read(line)
    assert meter.acknowledged == [f"\x060{character}0\r\n".encode()]
    assert handshake.answer is Answer.CHANGE
    assert handshake.identification is not None
    assert handshake.identification.baud == line.baud
    assert line.telegrams[0].dialect == "IEC 62056-21 mode C"


@pytest.mark.parametrize("character", ["A", "B", "C", "D", "E", "F"])
def test_mode_b_changes_unasked(character: str) -> None:
    line, _ = read(Meter(character=character))
    assert_read(line)
    assert line.sent == [b"/?!\r\n"], "nothing is acknowledged"


@pytest.mark.parametrize("character", ["@", "x", " "])
def test_mode_a_stays_and_sends_unasked(character: str) -> None:
    line, _ = read(Meter(character=character))
    assert_read(line)
    assert (line.sent, line.baud) == ([b"/?!\r\n"], 300)


def test_a_meter_that_ignores_the_speed_it_offers_is_read_the_second_time() -> None:
    line, handshake = read(Meter(character="5", obeys=False))
    assert_read(line)
    assert handshake.answer is Answer.STAY, "which is what its profile should say"
    direct, _ = read(Meter(character="5", obeys=False), Handshake(answers=(Answer.STAY,)))
    assert_read(direct)
    assert len(direct.sent) == 2


def test_declining_asks_for_300_baud() -> None:
    meter = Meter(character="6")
    line, _ = read(meter, Handshake(answers=(Answer.DECLINE,)))
    assert_read(line)
    assert (meter.acknowledged, line.baud) == ([b"\x06000\r\n"], 300)


def test_the_pauses_are_kept() -> None:
    handshake = Handshake(timing=Timing(before_answer_ms=777, before_change_ms=400))
    handshake.start(0)
    (*_, wake) = handshake.receive(b"/ABC5TEST\r\n", 1_000)
    assert wake == Wake(1_777)
    assert handshake.elapse(1_776) == []
    acknowledgement, wake = handshake.elapse(1_777)
    assert acknowledgement == Send(b"\x06050\r\n")
    assert wake == Wake(1_777 + 200 + 400), "six characters take 200 ms at 300 baud, then the pause"
    assert handshake.receive(b"\x06050\r\n", 1_990) == [], "an echo"
    assert handshake.elapse(2_376) == []
    assert handshake.elapse(2_377)[0] == SetBaud(9_600)


def test_a_damaged_readout_is_asked_for_again_with_the_same_answer() -> None:
    line, handshake = read(Meter(damages=1))
    assert_read(line)
    assert handshake.answer is Answer.CHANGE
    assert sum(message == b"/?!\r\n" for message in line.sent) == 2


def test_readouts_that_are_always_damaged_end_with_what_was_wrong() -> None:
    line, _ = read(Meter(damages=99))
    assert line.telegrams == []
    assert line.ended is not None
    assert isinstance(line.ended.error, GarbledReply)
    assert "check character" in line.ended.error.sentence


def test_a_dumb_meter_ends_with_the_next_thing_to_do() -> None:
    line, _ = read(Meter(dumb=True))
    assert line.ended is not None
    assert isinstance(line.ended.error, NoReply)
    assert "300 baud 7E1" in line.ended.error.hint
    assert line.sent == [b"/?!\r\n"] * 3


def test_parity_by_software_is_sent_and_checked() -> None:
    line = Line(meter=Meter(), seam=with_even_parity)
    handshake = Handshake(even_parity=True)
    line.run(handshake)
    assert_read(line)
    sent = next(effect for effect in Handshake(even_parity=True).start(0) if isinstance(effect, Send))
    assert sent.data == with_even_parity(b"/?!\r\n") != b"/?!\r\n"


@given(
    character=st.sampled_from("0123456ABCDEF@"),
    obeys=st.booleans(),
    reacts_ms=st.integers(20, 1_500),
    settles_ms=st.integers(0, 400),
    damages=st.integers(0, 1),
    echo=st.booleans(),
)
def test_any_meter_within_the_standard_is_read(
    character: str, obeys: bool, reacts_ms: int, settles_ms: int, damages: int, echo: bool
) -> None:
    meter = Meter(
        character=character,
        obeys=obeys,
        reacts_ms=max(reacts_ms, 260) if settles_ms < 260 else reacts_ms,
        settles_ms=settles_ms,
        damages=damages,
    )
    line, _ = read(meter, echo=echo)
    assert_read(line)


@given(st.binary(max_size=30))
def test_noise_before_everything_ends_the_reading_in_time(noise: bytes) -> None:
    line = Line(meter=Meter(), noise=noise)
    handshake = Handshake()
    line.run(handshake, limit_ms=60_000)
    assert handshake.state is State.ENDED


class AnyLine(RuleBasedStateMachine):
    """A reader on a line where anything may arrive at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.handshake = Handshake(timing=Timing(readout_ms=5_000))
        self.now_ms = 0
        self.wake_ms = 0
        self.attempts = 0
        self.ended = False
        self.take(self.handshake.start(0))

    def take(self, effects: list[Effect]) -> None:
        assert not (self.ended and effects), "nothing comes after the end"
        for effect in effects:
            match effect:
                case Send(data):
                    assert data == b"/?!\r\n" or (data[:2] == b"\x060" and data[3:] == b"0\r\n")
                    self.attempts += data == b"/?!\r\n"
                case SetBaud(baud):
                    assert baud in (300, 600, 1200, 2400, 4800, 9600, 19200)
                case Wake(at_ms):
                    assert at_ms >= self.now_ms
                    self.wake_ms = at_ms
                case End():
                    self.ended = True
                case _:
                    pass

    @rule(
        data=st.binary(max_size=40)
        | st.sampled_from(
            [b"/ABC5TEST\r\n", b"/ABCBTEST\r\n", b"/ABC@T\r\n", b"/?!\r\n", DATA, DATA[:30], b"\n"]
        ),
        later_ms=st.integers(0, 500),
    )
    def bytes_come(self, data: bytes, later_ms: int) -> None:
        self.now_ms = max(self.now_ms, min(self.now_ms + later_ms, self.wake_ms))
        self.take(self.handshake.receive(data, self.now_ms))

    @precondition(lambda self: not self.ended)
    @rule()
    def time_passes(self) -> None:
        self.now_ms = max(self.now_ms, self.wake_ms)
        self.take(self.handshake.elapse(self.now_ms))

    @invariant()
    def it_is_bounded(self) -> None:
        assert self.attempts <= 4
        assert (self.handshake.state is State.ENDED) == self.ended
        assert len(self.handshake._line) <= 600


TestAnyLine = AnyLine.TestCase


def test_every_state_but_the_last_is_left_in_time() -> None:
    waiting = {state for state, cause in _TABLE if cause.value == "time"}
    assert waiting == set(State) - {State.IDLE, State.ENDED}


def test_a_handshake_is_started_once() -> None:
    handshake = Handshake()
    handshake.start(0)
    with pytest.raises(ValueError, match="started once"):
        handshake.start(1)


@pytest.mark.parametrize("address", ["1!", "/", "?", "a\r\n", "x" * 33, "\u00e4"])
def test_an_address_that_would_break_the_request_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Handshake(address=address)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="pause_ms"):
        Timing(pause_ms=-1)
    with pytest.raises(ValueError, match="answer"):
        Handshake(answers=())
    address = next(effect for effect in Handshake(address="12345").start(0) if isinstance(effect, Send))
    assert address.data == b"/?12345!\r\n"


def test_endless_noise_without_an_identification_is_given_up() -> None:
    handshake = Handshake(answers=(Answer.CHANGE,))
    handshake.start(0)
    effects = handshake.receive(b"x" * 600, 10)
    assert isinstance(effects[-1], End)
    assert isinstance(effects[-1].error, GarbledReply)
    bad = Handshake(answers=(Answer.CHANGE,))
    bad.start(0)
    assert isinstance(bad.receive(b"/nonsense!\r\n", 10)[-1], End)
