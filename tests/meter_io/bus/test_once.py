"""A single round keeps the silence between frames, and no more of it than is missing."""

import pytest

from meter_io.bus.dialogue import Ask, Said
from meter_io.bus.once import LEAST_GAP_S, Once
from meter_io.errors import MeterError, NoReply


class Line:
    """A port whose slave answers at once, and the clock of its world."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []
        self.sent_s: list[float] = []

    def clock_s(self) -> float:
        return self.now_s

    def clock_ms(self) -> int:
        return int(self.now_s * 1000)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def send(self, data: bytes) -> None:
        self.sent_s.append(self.now_s)

    def receive(self, timeout_s: float) -> bytes:
        self.now_s += 0.000_1
        return b"answer"

    def set_speed(self, baud: int | None) -> None:
        """Nothing to do."""

    def fileno(self) -> int:
        return -1


class Question:
    """One question, one answer."""

    def begin(self) -> Ask:
        return Ask(b"question", 6)

    def again(self) -> Ask:
        return self.begin()

    def expired(self) -> MeterError:
        return NoReply("nothing came")

    def receive(self, data: bytes) -> Said:
        return Said("slave", {})


@pytest.fixture
def line() -> Line:
    return Line()


def reader(line: Line, character_us: int = 87) -> Once:
    return Once(
        port=line,
        character_us=character_us,
        clock_ms=line.clock_ms,
        clock_s=line.clock_s,
        pause=line.pause,
    )


def test_the_first_question_waits_for_a_whole_gap(line: Line) -> None:
    reader(line).converse(Question(), reply_ms=100)
    assert line.pauses == [LEAST_GAP_S]


def test_what_passed_since_the_last_byte_counts(line: Line) -> None:
    once = reader(line)
    once.converse(Question(), reply_ms=100)
    heard_s = line.now_s
    line.now_s += 0.001
    once.converse(Question(), reply_ms=100)
    assert line.sent_s[1] - heard_s == pytest.approx(LEAST_GAP_S)
    assert line.pauses[1] == pytest.approx(LEAST_GAP_S - 0.001)


def test_a_line_silent_for_long_is_not_waited_for(line: Line) -> None:
    once = reader(line)
    once.converse(Question(), reply_ms=100)
    line.now_s += 1
    once.converse(Question(), reply_ms=100)
    assert len(line.pauses) == 1


def test_a_slow_line_is_given_three_and_a_half_characters(line: Line) -> None:
    reader(line, character_us=1_146).converse(Question(), reply_ms=100)
    assert line.pauses == [pytest.approx(3.5 * 0.001_146)]


def test_behind_tcp_there_is_no_gap(line: Line) -> None:
    reader(line, character_us=0).converse(Question(), reply_ms=100)
    assert line.pauses == []
