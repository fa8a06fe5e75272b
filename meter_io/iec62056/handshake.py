"""Reading a meter of IEC 62056-21 modes A to C: request, identification, change of speed, data. No port, no clock.

The caller feeds what happens (`start`, `receive`, `elapse`) with the time, and carries out the effects that come back:
send, set the speed, come back at a time. Mode D needs none of this: the meter pushes, and its parser is enough.

Real meters strain the standard in one place: some do not change to the speed they offered, some need a longer pause
before the change. So every delay is a setting, and three ways to answer the offer are tried in turn; `answer` tells
which one worked, for the profile. Source: IEC 62056-21, clause 6 (protocol modes and their times).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from meter_io.checksum import with_even_parity, without_parity
from meter_io.errors import GarbledReply, MeterError, NoReply, WrongSpeed
from meter_io.iec62056.identification import FIRST_BAUD, MAX_LINE_BYTES, Identification, Mode
from meter_io.iec62056.parser import Iec62056Parser
from meter_io.obis import Obis
from meter_io.reading import Unit
from meter_io.telegram import Event, Reason, Refusal, Rejected, Telegram

_BITS_PER_CHARACTER: Final = 10
"""Start, seven bits, parity, stop."""
_ACK: Final = 0x06
_PARITY_HINT: Final = "is the line 7E1? a head that strips parity wants --parity N"
_MAX_ADDRESS: Final = 32
_MAX_BEFORE_IDENTIFICATION: Final = 512
"""Bytes that may come before the identification: an echo and line noise."""


class Answer(Enum):
    """How the offered speed is answered."""

    CHANGE = "change"
    """Accept it and change to it, as the standard says."""
    STAY = "stay"
    """Accept it and stay at 300 baud, as meters do that ignore their own offer."""
    DECLINE = "decline"
    """Ask for 300 baud."""


class State(Enum):
    """Where a reading stands."""

    IDLE = "idle"
    IDENTIFYING = "identifying"
    ANSWERING = "answering"
    """The pause before the acknowledgement."""
    CHANGING = "changing"
    """The pause between the last character at the old speed and the new speed."""
    READING = "reading"
    PAUSING = "pausing"
    """Between two attempts, until the meter has given up too."""
    ENDED = "ended"


class Cause(Enum):
    """What happened."""

    START = "start"
    BYTES = "bytes"
    TIME = "time"
    """The time asked for with `Wake` has come."""


_TABLE: Final[Mapping[tuple[State, Cause], str]] = {
    (State.IDLE, Cause.START): "_ask",
    (State.IDENTIFYING, Cause.BYTES): "_identify",
    (State.IDENTIFYING, Cause.TIME): "_unanswered",
    (State.ANSWERING, Cause.TIME): "_acknowledge",
    (State.CHANGING, Cause.TIME): "_change",
    (State.READING, Cause.BYTES): "_read",
    (State.READING, Cause.TIME): "_silent",
    (State.PAUSING, Cause.TIME): "_ask",
}
"""The method for everything that can happen; what is not here changes nothing, such as an echo while we answer."""


@dataclass(frozen=True, slots=True)
class Send:
    """Put bytes on the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SetBaud:
    """Change the speed of the port at once: everything sent has left it."""

    baud: int


@dataclass(frozen=True, slots=True)
class Wake:
    """Call `elapse` at this time, milliseconds, unless something else asks for another time before."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """A telegram, or bytes that are none."""

    event: Event


@dataclass(frozen=True, slots=True)
class End:
    """The reading is over: with a telegram, or with what went wrong last."""

    error: MeterError | None


Effect: TypeAlias = Send | SetBaud | Wake | Report | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Delays and limits, milliseconds.

    Attributes:
        before_answer_ms: between identification and acknowledgement; the standard says 200 to 1,500.
        before_change_ms: between the last character of the acknowledgement and the new speed. Some meters need 400.
        reply_ms: the longest silence: before the identification, before the data, and within them.
        readout_ms: the longest readout, whatever arrives.
        pause_ms: between two attempts, so that the meter has ended its own.
    """

    before_answer_ms: int = 250
    before_change_ms: int = 250
    reply_ms: int = 2_500
    readout_ms: int = 120_000
    pause_ms: int = 2_500

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 <= getattr(self, name) <= 600_000:
                raise ValueError(f"{name} is 0 to 600000, got {getattr(self, name)}")


def is_address(text: str) -> bool:
    """Whether a request can carry this as a meter's address; an empty one calls any meter."""
    return len(text) <= _MAX_ADDRESS and text.isascii() and text.isprintable() and not set(text) & set("!/?")


class Handshake:
    """One reading of one meter, in as many attempts as there are answers to try."""

    def __init__(
        self,
        *,
        address: str = "",
        timing: Timing | None = None,
        answers: tuple[Answer, ...] = (Answer.CHANGE, Answer.STAY, Answer.DECLINE),
        even_parity: bool = False,
        units: Mapping[Obis, tuple[Unit, int]] | None = None,
    ) -> None:
        """Prepare a reading.

        Args:
            address: of one meter where several share a line, otherwise empty.
            timing: delays; the standard's if not given.
            answers: ways to answer the offered speed, in the order they are tried. What worked goes into the profile.
            even_parity: the port is set to 8N1, so that parity is ours to make and to check.
            units: see `Iec62056Parser`.

        Raises:
            ValueError: the address has a character that ends a request, or there is no answer to try.
        """
        if not answers:
            raise ValueError("at least one answer to the offered speed is needed")
        if not is_address(address):
            raise ValueError(
                f"an address has up to {_MAX_ADDRESS} characters, none of ! / ?, got {address!r}"
            )
        self._request = f"/?{address}!\r\n".encode("ascii")
        self._timing = timing or Timing()
        self._answers = answers
        self._index = 0
        self._attempts_left = len(answers) + 1
        self._even_parity = even_parity
        self._units = units
        self._state = State.IDLE
        self._baud = FIRST_BAUD
        self._line = bytearray()
        self._strange = b""
        """The last line that was neither an identification nor an echo."""
        self._identification: Identification | None = None
        self._parser = self._fresh_parser()
        self._deadline_ms = 0
        self._readout_until_ms = 0

    @property
    def state(self) -> State:
        """Where the reading stands."""
        return self._state

    @property
    def answer(self) -> Answer:
        """The answer of the present or last attempt."""
        return self._answers[min(self._index, len(self._answers) - 1)]

    @property
    def identification(self) -> Identification | None:
        """Who answered, once it has."""
        return self._identification

    def start(self, now_ms: int) -> list[Effect]:
        """Begin.

        Raises:
            ValueError: it has begun before.
        """
        if self._state is not State.IDLE:
            raise ValueError(f"a handshake is started once, this one is {self._state.value}")
        return self._handle(Cause.START, b"", now_ms)

    def receive(self, data: bytes, now_ms: int) -> list[Effect]:
        """Take bytes from the line."""
        return self._handle(Cause.BYTES, without_parity(data) if self._even_parity else data, now_ms)

    def elapse(self, now_ms: int) -> list[Effect]:
        """Take notice of the time; nothing happens before the time asked for."""
        return self._handle(Cause.TIME, b"", now_ms) if now_ms >= self._deadline_ms else []

    def _handle(self, cause: Cause, data: bytes, now_ms: int) -> list[Effect]:
        method = _TABLE.get((self._state, cause))
        if method is None:
            return []
        effects: list[Effect] = getattr(self, method)(data, now_ms)
        return effects

    def _fresh_parser(self) -> Iec62056Parser:
        return Iec62056Parser(units=self._units)

    def _wake(self, at_ms: int) -> Wake:
        self._deadline_ms = at_ms
        return Wake(at_ms)

    def _send(self, data: bytes) -> Send:
        return Send(with_even_parity(data) if self._even_parity else data)

    def _on_the_wire_ms(self, characters: int) -> int:
        return -(-characters * _BITS_PER_CHARACTER * 1_000 // self._baud)

    def _ask(self, _: bytes, now_ms: int) -> list[Effect]:
        self._baud = FIRST_BAUD
        self._line.clear()
        self._strange = b""
        self._parser = self._fresh_parser()
        self._state = State.IDENTIFYING
        characters = len(self._request) + MAX_LINE_BYTES
        until_ms = now_ms + self._on_the_wire_ms(characters) + self._timing.reply_ms
        return [SetBaud(FIRST_BAUD), self._send(self._request), self._wake(until_ms)]

    def _identify(self, data: bytes, now_ms: int) -> list[Effect]:
        """Look for the identification line; an echo of the request may come first."""
        for place, byte in enumerate(data):
            self._line.append(byte)
            if byte != ord("\n"):
                continue
            begin = self._line.rfind(b"/")
            if begin >= 0 and self._line[begin + 1 : begin + 2] != b"?":
                return self._identified(bytes(self._line[begin:]), data[place + 1 :], now_ms)
            self._strange = self._strange if b"/?" in self._line else bytes(self._line)
            self._line.clear()
        if len(self._line) > _MAX_BEFORE_IDENTIFICATION:
            return self._again(
                GarbledReply(
                    f"{len(self._line)} bytes and no identification among them: {bytes(self._line[:20])!r}",
                    hint="check parity (7E1) and that the head sits on the meter's optical port",
                ),
                now_ms,
            )
        return []

    def _identified(self, line: bytes, rest: bytes, now_ms: int) -> list[Effect]:
        try:
            self._identification = Identification.parse(line)
        except Refusal as refusal:
            return self._again(
                GarbledReply(refusal.sentence, hint=_PARITY_HINT),
                now_ms,
            )
        effects: list[Effect] = [Report(event) for event in self._parser.feed(line)]
        mode = self._identification.mode
        if mode is Mode.A:
            return effects + self._listen(rest, now_ms)
        if mode is Mode.B:
            self._state = State.CHANGING
            return [*effects, self._wake(now_ms)]
        self._state = State.ANSWERING
        return [*effects, self._wake(now_ms + self._timing.before_answer_ms)]

    def _acknowledge(self, _: bytes, now_ms: int) -> list[Effect]:
        """Ask for a data readout (the last `0`), without entering the programming mode."""
        identification = self._identification
        offered = identification.baud_character if identification else "0"
        speed = "0" if self.answer is Answer.DECLINE else offered
        message = bytes([_ACK]) + f"0{speed}0\r\n".encode("ascii")
        gone_ms = now_ms + self._on_the_wire_ms(len(message))
        self._state = State.CHANGING
        wait_ms = self._timing.before_change_ms if self.answer is Answer.CHANGE else 0
        return [self._send(message), self._wake(gone_ms + wait_ms)]

    def _change(self, _: bytes, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        mode_b = self._identification is not None and self._identification.mode is Mode.B
        if self._identification is not None and (mode_b or self.answer is Answer.CHANGE):
            self._baud = self._identification.baud
            effects.append(SetBaud(self._baud))
        return effects + self._listen(b"", now_ms)

    def _listen(self, rest: bytes, now_ms: int) -> list[Effect]:
        self._state = State.READING
        self._readout_until_ms = now_ms + self._timing.readout_ms
        return self._read(rest, now_ms)

    def _read(self, data: bytes, now_ms: int) -> list[Effect]:
        events = self._parser.feed(data)
        effects: list[Effect] = [Report(event) for event in events]
        if any(isinstance(event, Telegram) for event in events):
            self._state = State.ENDED
            return [*effects, End(None)]
        damage = [event.sentence for event in events if isinstance(event, Rejected) and _is_damage(event)]
        if damage:
            return effects + self._again(GarbledReply(damage[0]), now_ms, damaged=True)
        until_ms = min(now_ms + self._timing.reply_ms, self._readout_until_ms)
        return [*effects, self._wake(until_ms)]

    def _unanswered(self, _: bytes, now_ms: int) -> list[Effect]:
        if self._strange:
            unreadable = f"no identification came, but {self._strange[:20]!r}"
            return self._again(GarbledReply(unreadable, hint=_PARITY_HINT), now_ms)
        waited = f"no identification within {self._timing.reply_ms} ms of the request"
        hint = "check that the head sits on the optical port, and that the port is 300 baud 7E1"
        return self._again(NoReply(waited, hint=hint), now_ms)

    def _silent(self, _: bytes, now_ms: int) -> list[Effect]:
        effects: list[Effect] = [Report(event) for event in self._parser.end()]
        sentence = f"identified, but no readable data at {self._baud} baud (answer: {self.answer.value})"
        hint = "a longer pause before the change of speed helps some meters"
        return effects + self._again(WrongSpeed(sentence, hint=hint), now_ms)

    def _again(self, error: MeterError, now_ms: int, *, damaged: bool = False) -> list[Effect]:
        """Try again after a pause: the next answer, or the same one if data came by it, though damaged."""
        self._attempts_left -= 1
        self._index += 0 if damaged else 1
        if self._attempts_left == 0 or self._index == len(self._answers):
            self._state = State.ENDED
            return [End(error)]
        self._state = State.PAUSING
        return [self._wake(now_ms + self._timing.pause_ms)]


def _is_damage(event: Rejected) -> bool:
    """Whether a data message came, but not whole."""
    return event.reason not in (Reason.NOISE, Reason.INCOMPLETE)
