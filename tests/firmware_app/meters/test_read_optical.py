"""`gridlight read` of meters with an optical head, IEC 62056-21 modes A to C, on a real pty in real time."""

import json
import threading
import time
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from meter_io.errors import PortError
from meter_io.ports.address import Line
from meter_io.ports.serial_port import SerialPort
from meter_io.ports.tcp_port import TcpPort
from meter_io.profiles import load
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.ends import PtyEnd
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.iec62056 import Iec62056Meter
from testbed.fleet.virtual_meters.running import Clock, RunningMeter
from testbed.fleet.virtual_meters.script import Fault, Script
from tests.meter_io.iec62056.pty_meter import PtyMeter
from tests.meter_io.iec62056.simulated_meter import Meter

START_MS = 1_799_971_200_000


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """The shipped profile with short delays."""
    text = load.path_of("iec62056-21").read_text(encoding="utf-8")
    for long, short in (
        ("before_answer_ms = 250", "before_answer_ms = 20"),
        ("before_change_ms = 250", "before_change_ms = 50"),
        ("reply_ms = 2500", "reply_ms = 1200"),
        ("pause_ms = 2500", "pause_ms = 50"),
    ):
        assert long in text
        text = text.replace(long, short)
    mine = tmp_path / "quick.toml"
    mine.write_text(text, encoding="utf-8")
    return str(mine)


def read(capsys: pytest.CaptureFixture[str], profile: str, port: str, *words: str) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    code = cli.main(["read", "--profile", profile, "--port", port, *words])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


def meter(**behaviour: object) -> Meter:
    """A meter that is quick to react."""
    return Meter(reacts_ms=30, settles_ms=20, **behaviour)  # type: ignore[arg-type]


def test_mode_c_with_a_change_of_speed(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(), tmp_path / "head") as head:
        code, out, _ = read(capsys, quick, head.end.name, "--once", "--json")
        after = head.end.baud
    document = json.loads(out)
    assert code == Exit.OK
    assert document["import_j"] == 123_456 * 3_600
    assert (document["port"], document["address"]) == (head.end.name, None)
    assert [baud for baud in head.speeds if baud in {300, 9_600}][:2] == [300, 9_600]
    assert after == 300, "the line has its own speed again"


def test_several_readouts_begin_at_300_baud_each(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(), tmp_path / "head") as head:
        code, out, _ = read(capsys, quick, head.end.name, "--count", "2", "--interval", "0.1", "--json")
    assert code == Exit.OK
    assert [json.loads(line)["quality"] for line in out.splitlines()] == ["first", "good"]
    assert [baud for baud in head.speeds if baud in {300, 9_600}][:4] == [300, 9_600, 300, 9_600]


@pytest.mark.parametrize(("character", "fast"), [("C", 2_400), ("x", 300)])
def test_modes_b_and_a(
    tmp_path: Path, quick: str, character: str, fast: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(character=character), tmp_path / "head") as head:
        code, out, _ = read(capsys, quick, head.end.name, "--once")
    assert code == Exit.OK
    assert "123.456 kWh" in out
    assert "300 7E1" in out
    assert fast in head.speeds
    assert head.meter.acknowledged == []


def test_a_meter_that_ignores_its_own_offer_is_read_by_the_next_answer(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(obeys=False), tmp_path / "head") as head:
        code, out, _ = read(capsys, quick, head.end.name, "--once", "--json")
    assert code == Exit.OK
    assert json.loads(out)["import_j"] == 123_456 * 3_600
    assert head.meter.acknowledged == [b"\x06050\r\n"] * 2


def test_silence_is_one_sentence_after_one_time_limit(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    with PtyMeter(meter(dumb=True), tmp_path / "head") as head:
        code, out, err = read(capsys, quick, head.end.name, "--once")
    assert (code, out) == (Exit.FAILED, "")
    assert "no identification within 1200 ms" in err
    assert "check that the head sits on the optical port" in err
    assert time.monotonic() - began_s < 5
    assert 9_600 not in head.speeds


def test_garbage_is_one_sentence(tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]) -> None:
    end = PtyEnd(tmp_path / "head")
    stop = threading.Event()

    def babble() -> None:
        while not stop.wait(0.005):
            end.write(b"\x00\xff\x8a\x55" * 16)

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        code, out, err = read(capsys, quick, end.name, "--once")
    finally:
        stop.set()
        thread.join(10)
        end.unplug()
    assert (code, out) == (Exit.FAILED, "")
    assert "no identification" in err


def test_a_damaged_readout_is_asked_for_again(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(damages=1), tmp_path / "head") as head:
        code, _, _ = read(capsys, quick, head.end.name, "--once")
    assert code == Exit.OK
    assert len(head.meter.acknowledged) == 2


def test_unplugged_and_plugged_in_again(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script([Fault.parse("unplug@3+1")])
    household = Household.synthetic(4, start_ms=START_MS, days=2)
    virtual = Iec62056Meter(Display(household=household, script=script))
    end, stop = PtyEnd(tmp_path / "head"), threading.Event()
    running = RunningMeter(virtual, end, script, Clock(START_MS))
    thread = threading.Thread(target=running.run, args=(stop.is_set,))
    thread.start()
    try:
        code, out, _ = read(capsys, quick, end.name, "--count", "5", "--interval", "0.1", "--json")
    finally:
        stop.set()
        thread.join(10)
    documents = [json.loads(line) for line in out.splitlines()]
    assert code == Exit.FAILED, "something went wrong on the way, and the exit code says so"
    assert [document for document in documents if not document.get("ok", True)]
    assert documents[-1]["ok"] is True
    assert documents[-1]["import_j"] >= documents[0]["import_j"] > 0


def test_a_head_that_strips_parity_is_told_apart_and_read_without_it(
    tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyMeter(meter(), tmp_path / "head", parity=False) as head:
        code, _, err = read(capsys, quick, head.end.name, "--once")
        assert code == Exit.FAILED
        assert "wants --parity N" in err
        code, out, err = read(capsys, quick, head.end.name, "--once", "--parity", "N")
    assert code == Exit.OK
    assert "300 7N1" in out


def test_the_doctor_asks_it(tmp_path: Path, quick: str, capsys: pytest.CaptureFixture[str]) -> None:
    with PtyMeter(meter(), tmp_path / "head") as head:
        code = cli.main(["doctor", "--profile", quick, "--port", head.end.name])
    out = capsys.readouterr().out
    assert "sent 2 values" in out
    assert code == Exit.OK
    with PtyMeter(meter(dumb=True), tmp_path / "head") as head:
        code = cli.main(["doctor", "--profile", quick, "--port", head.end.name])
    assert "no identification within 1200 ms" in capsys.readouterr().out
    assert code == Exit.FAILED


def test_behind_tcp_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = read(capsys, "iec62056-21", "rtu+tcp://127.0.0.1:4001", "--once")
    assert code == Exit.FAILED
    assert "which needs a serial port, not rtu+tcp://127.0.0.1:4001" in err


def test_ports_change_their_speed_or_refuse(tmp_path: Path) -> None:
    end = PtyEnd(tmp_path / "head")
    port = SerialPort(end.name, Line(baud=300))
    with pytest.raises(PortError, match="not open"):
        port.set_speed(9_600)
    port.open()
    port.set_speed(19_200)
    assert end.baud == 19_200
    port.set_speed(None)
    assert end.baud == 300
    end.unplug()
    with pytest.raises(PortError, match="the port is gone"):
        port.set_speed(9_600)
    port.close()
    with pytest.raises(PortError, match=r"127\.0\.0\.1 port 502 has no speed that could be set to 9600"):
        TcpPort("127.0.0.1", 502).set_speed(9_600)
