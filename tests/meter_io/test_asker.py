"""Meters that are asked for their telegram, on a bus in virtual time: what they cost, and that they are learned."""

import heapq
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meter_io.asker import TelegramAsker
from meter_io.bus.dialogue import Send, Speed, Talk
from meter_io.bus.events import (
    Broken,
    Close,
    Effect,
    Event,
    Failed,
    Lost,
    Open,
    Opened,
    Received,
    Round,
    Time,
)
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll
from meter_io.bus.timing import BusTiming
from meter_io.errors import GarbledReply, NoReply, PortError, ProfileError, WrongSpeed
from meter_io.iec62056.handshake import Answer
from meter_io.listener import TelegramListener
from meter_io.obis import IMPORT_TOTAL
from meter_io.ports.address import PortAddress
from meter_io.ports.serial_port import SerialPort
from meter_io.profiles import load
from meter_io.reading import MeterId
from meter_io.wiring import Wiring
from tests.meter_io.bus.simulated import Question
from tests.meter_io.encoders import with_even_parity
from tests.meter_io.iec62056.simulated_meter import DATA, Meter, garbled

PROFILE = load.find("iec62056-21")
OWN_BAUD = 300


@dataclass
class Line:
    """A bus, one meter, and what both did: its bytes take their time at the speed of the port."""

    bus: Bus
    meter: Meter
    baud: int = OWN_BAUD
    now_ms: int = 0
    speeds: list[int | None] = field(default_factory=list)
    reports: list[Round | Failed | Broken] = field(default_factory=list)
    asked_ms: list[int] = field(default_factory=list)
    coming: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    there: bool = True

    def run(self, end_ms: int) -> None:
        """Let time pass."""
        while True:
            wake_ms = max(self.bus.wake_ms, self.now_ms)
            next_ms = min([wake_ms, *(item[0] for item in self.coming[:1])])
            if next_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = next_ms
            if self.coming and self.coming[0][0] == next_ms:
                _, _, baud, data = heapq.heappop(self.coming)
                self.tell(Received(garbled(data, baud, self.baud)))
            else:
                self.tell(Time())

    def tell(self, event: Event) -> None:
        """Hand an event over."""
        for effect in self.bus.handle(event, self.now_ms):
            self._carry_out(effect)

    def unplug(self) -> None:
        """Pull the adapter out."""
        self.there = False
        self.coming.clear()
        self.tell(Lost(PortError("the port is gone")))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Open():
                self.baud = OWN_BAUD
                self.tell(Opened() if self.there else Lost(PortError("there is no port")))
            case Close():
                self.coming.clear()
            case Speed(baud):
                self.speeds.append(baud)
                self.baud = baud or OWN_BAUD
            case Send(b"ask other"):
                assert self.baud == OWN_BAUD, "the speed of one slave must not reach another"
                heapq.heappush(self.coming, (self.now_ms + 20, 0, OWN_BAUD, b"other"))
            case Send(data):
                self.asked_ms.append(self.now_ms)
                gone_ms = self.now_ms + len(data) * 10_000 // self.baud
                plain = bytes(byte & 0x7F for byte in data)
                for later_ms, baud, said in self.meter.hear(garbled(plain, self.baud, self.meter.listens_at)):
                    self._post(gone_ms + later_ms, baud, said)
            case Round() | Failed() | Broken():
                self.reports.append(effect)

    def _post(self, at_ms: int, baud: int, said: bytes) -> None:
        for first in range(0, len(said), 8):
            part = said[first : first + 8]
            arrives_ms = at_ms + (first + len(part)) * 10_000 // baud
            heapq.heappush(self.coming, (arrives_ms, first, baud, with_even_parity(part)))


def line_of(meter: Meter, *others: Poll, interval_ms: int = 60_000) -> tuple[Line, TelegramAsker]:
    """A meter on a bus."""
    asker = TelegramAsker(PROFILE, even_parity=True)
    poll = Poll(
        meter=MeterId("optical"),
        begin=asker.begin,
        interval_ms=interval_ms,
        reply_ms=asker.reply_ms,
        rest_ms=asker.rest_ms,
    )
    return Line(Bus([poll, *others], timing=BusTiming(), now_ms=0), meter), asker


@pytest.mark.parametrize(
    ("character", "speeds"), [("5", [300, 9600, None]), ("C", [300, 2400, None]), ("x", [300, None])]
)
def test_a_round_changes_the_speed_and_gives_it_back(character: str, speeds: list[int | None]) -> None:
    line, _ = line_of(Meter(character=character))
    line.run(30_000)
    (read,) = line.reports
    assert isinstance(read, Round)
    assert read.said.values[IMPORT_TOTAL].number == 123_456
    assert line.speeds == speeds
    assert line.baud == OWN_BAUD


def test_a_silent_meter_costs_one_time_limit_and_backs_off() -> None:
    line, asker = line_of(Meter(dumb=True))
    line.run(60_000)
    failures = [report for report in line.reports if isinstance(report, Failed)]
    assert isinstance(failures[0].error, NoReply)
    assert failures[0].retry_ms == line.asked_ms[0] + asker.reply_ms + 2_000
    waits = [later - earlier for earlier, later in zip(line.asked_ms, line.asked_ms[1:], strict=False)]
    assert waits == [asker.reply_ms + wait for wait in (2_000, 4_000, 8_000, 16_000)][: len(waits)]
    assert line.speeds[1::2] == [None] * len(failures)
    assert asker.answer is Answer.CHANGE, "silence says nothing about the answer"


def test_a_meter_that_ignores_its_offer_is_learned_and_kept() -> None:
    line, asker = line_of(Meter(obeys=False))
    line.run(200_000)
    assert [type(report) for report in line.reports[:3]] == [Failed, Round, Round]
    first = line.reports[0]
    assert isinstance(first, Failed)
    assert isinstance(first.error, WrongSpeed)
    assert asker.answer is Answer.STAY
    assert line.baud == OWN_BAUD


def test_one_bad_readout_does_not_unlearn_what_worked_but_three_do() -> None:
    asker = TelegramAsker(PROFILE, even_parity=True)
    asker.succeeded()
    for _ in range(2):
        asker.failed(WrongSpeed("nothing"))
    asker.failed(GarbledReply("damaged"))
    asker.failed(NoReply("silent"))
    assert asker.answer is Answer.CHANGE
    asker.failed(WrongSpeed("nothing"))
    seen = []
    for _ in range(3):
        seen.append(asker.answer)
        asker.failed(WrongSpeed("nothing"))
    assert seen == [Answer.STAY, Answer.DECLINE, Answer.CHANGE], "all in turn, from the beginning again"


def test_a_damaged_readout_is_asked_for_once_more_in_the_same_round() -> None:
    line, _ = line_of(Meter(damages=1))
    line.run(50_000)
    assert [type(report) for report in line.reports] == [Round]


def test_a_line_full_of_garbage_ends_the_round() -> None:
    line, asker = line_of(Meter(dumb=True))
    line.run(100)
    for _ in range(400):
        line.tell(Received(b"\x8f\x3e\x11"))
    line.run(6_000)
    (failed,) = line.reports
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, GarbledReply)
    assert "no identification among them" in failed.error.sentence
    assert asker.answer is Answer.CHANGE


def test_unplugged_in_the_middle_it_begins_anew_at_the_first_speed() -> None:
    line, _ = line_of(Meter())
    while 9600 not in line.speeds:
        line.run(line.now_ms + 10)
    line.unplug()
    assert [type(report) for report in line.reports] == [Broken]
    line.run(line.now_ms + 5_000)
    line.there = True
    line.run(line.now_ms + 60_000)
    assert isinstance(line.reports[-1], Round)
    assert line.speeds[2:5] == [300, 9600, None]


def test_a_slave_of_another_protocol_waits_for_one_time_limit_at_most() -> None:
    other = Poll(meter=MeterId("other"), begin=lambda: Question("other"), interval_ms=1_000)
    line, asker = line_of(Meter(dumb=True), other)
    line.run(120_000)
    times = [report.ended_ms for report in line.reports if isinstance(report, Round)]
    longest_ms = max(later - earlier for earlier, later in itertools.pairwise(times))
    assert longest_ms <= asker.reply_ms + 1_000 + 100
    assert len(times) > 60


def test_a_meter_is_left_alone_between_two_readouts() -> None:
    line, asker = line_of(Meter(), interval_ms=100)
    line.run(30_000)
    rounds = [report for report in line.reports if isinstance(report, Round)]
    assert len(rounds) > 3
    assert all(
        later.began_ms - earlier.ended_ms >= asker.rest_ms for earlier, later in itertools.pairwise(rounds)
    )


def test_another_meter_than_the_profile_says_is_refused(tmp_path: Path) -> None:
    text = load.path_of("iec62056-21").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("'.*'", "'/LGZ'"), encoding="utf-8")
    talk = TelegramAsker(load.read(mine), even_parity=False).begin()
    talk.start(0)
    talk.receive(b"/ABC5TEST\r\n", 100)
    for _ in range(2):
        talk.elapse(talk.wake_ms)
    error, speed = talk.receive(DATA, talk.wake_ms)
    assert isinstance(error, ProfileError)
    assert "calls itself 'ABC5TEST'" in error.sentence or "calls itself 'ABC TEST'" in error.sentence
    assert speed == Speed(None)


def test_a_profile_that_is_not_asked_is_refused() -> None:
    with pytest.raises(ProfileError, match="p1-dsmr5 is not asked for telegrams"):
        TelegramAsker(load.find("p1-dsmr5"), even_parity=False)


@pytest.mark.parametrize("port", ["tcp://127.0.0.1", "rtu+tcp://127.0.0.1:4001"])
def test_behind_tcp_it_is_refused_before_anything_is_opened(port: str) -> None:
    wiring = Wiring(profile=PROFILE, address=PortAddress.parse(port), line=PROFILE.line, unit=0)
    with pytest.raises(ProfileError, match="needs a serial port"):
        wiring.bus(MeterId("it"), interval_ms=1_000, now_ms=0)


def test_7e1_passes_the_port_as_8n1() -> None:
    wiring = Wiring(profile=PROFILE, address=PortAddress.parse("/dev/none"), line=PROFILE.line, unit=0)
    port = wiring.port()
    assert isinstance(port, SerialPort)
    assert str(port.line) == "300 8N1"
    assert wiring.where == "/dev/none 300 7E1"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The shipped profile with one line changed."""
    text = load.path_of("iec62056-21").read_text(encoding="utf-8")
    assert old in text
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace(old, new), encoding="utf-8")
    return mine


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"change", "stay", "decline"', '"shout"', "are some of change, stay, decline"),
        ('"change", "stay", "decline"', "", "are some of change, stay, decline"),
        ('mode = "C"', 'mode = "E"', "mode"),
        ('mode = "C"', 'mode = "C"\naddress = "1!"', "has up to 32 characters"),
        ("reply_ms = 2500", "reply_ms = 0", "reply_ms"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(ProfileError, match=complaint):
        load.read(changed(tmp_path, old, new))


def test_an_address_calls_one_meter(tmp_path: Path) -> None:
    profile = load.read(changed(tmp_path, 'mode = "C"', 'mode = "C"\naddress = "00420815"'))
    steps = TelegramAsker(profile, even_parity=False).begin().start(0)
    assert Send(b"/?00420815!\r\n") in steps


def test_mode_d_is_listened_to_with_its_parity(tmp_path: Path) -> None:
    profile = load.read(changed(tmp_path, 'mode = "C"', 'mode = "D"'))
    wiring = Wiring(profile=profile, address=PortAddress.parse("/dev/none"), line=profile.line, unit=0)
    bus = wiring.bus(MeterId("it"), interval_ms=1_000, now_ms=0)
    assert bus.handle(Time(), 0) == [Open()]
    bus.handle(Opened(), 1)
    pushed = b"/ABC5TEST\r\n\r\n1.8.0(000123.456*kWh)\r\n!\r\n"
    (read,) = bus.handle(Received(with_even_parity(pushed)), 1_000)
    assert isinstance(read, Round)
    assert read.said.values[IMPORT_TOTAL].number == 123_456
    damaged = bytearray(with_even_parity(pushed))
    damaged[25] ^= 0x80
    (failed,) = bus.handle(Received(bytes(damaged)), 2_000)
    assert isinstance(failed, Failed)
    assert "parity" in failed.error.sentence
    with pytest.raises(ProfileError, match="is not asked"):
        TelegramAsker(profile, even_parity=True)
    with pytest.raises(ProfileError, match="which is asked"):
        TelegramListener(PROFILE)


def test_a_talk_that_leaves_its_speed_behind_is_caught() -> None:
    """The check of `Line` that another slave hears its own speed can fail."""

    class Careless(TelegramAsker):
        def begin(self) -> Talk:
            talk = super().begin()
            inner = talk.elapse
            talk.elapse = lambda now_ms: [step for step in inner(now_ms) if step != Speed(None)]  # type: ignore[method-assign]
            return talk

    careless = Careless(PROFILE, even_parity=True)
    optical = Poll(
        meter=MeterId("optical"), begin=careless.begin, interval_ms=60_000, reply_ms=careless.reply_ms
    )
    other = Poll(meter=MeterId("other"), begin=lambda: Question("other"), interval_ms=1_000)
    line = Line(Bus([optical, other], timing=BusTiming(), now_ms=0), Meter(obeys=False))
    with pytest.raises(AssertionError, match="must not reach another"):
        line.run(60_000)
