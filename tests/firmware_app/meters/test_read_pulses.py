"""`gridlight read` of pulse outputs: files, FIFOs and stdin, the total over restarts, and what is wrong with either."""

import json
import os
import threading
import time
from itertools import chain
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from meter_io.errors import PortError
from meter_io.profiles import load
from meter_io.pulse.edges import GpioEdges

MS = 1_000_000
PERIOD_MS = 3_600
"""1000 pulses per kWh at 1 kW."""


def edges(count: int, *, first_ms: int = 1_000, period_ms: int = PERIOD_MS, length_ms: int = 30) -> list[str]:
    """Lines of so many pulses of a wire with a pull-up: active is low."""
    begins = [first_ms + number * period_ms for number in range(count)]
    return list(chain(*([f"{at * MS} 0\n", f"{(at + length_ms) * MS} 1\n"] for at in begins)))


def read(capsys: pytest.CaptureFixture[str], port: Path | str, *words: str) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    code = cli.main(["read", "--profile", "s0-1000", "--port", str(port), *words])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


def test_a_recorded_file_is_counted_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "edges"
    record.write_text("".join(["# recorded\n", "\n", *edges(12)]))
    code, out, _ = read(capsys, record, "--json", "--once", "--interval", "60")
    document = json.loads(out)
    assert code == Exit.OK
    assert document["import_j"] == 12 * 3_600
    assert document["power_w"] == 1_000
    assert (document["port"], document["address"]) == (str(record), None)


def test_the_total_goes_on_after_a_restart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, total = tmp_path / "edges", tmp_path / "total"
    record.write_text("".join(edges(5)))
    for expected in (5, 10):
        code, out, _ = read(capsys, record, "--json", "--once", "--state", str(total))
        assert code == Exit.OK
        assert json.loads(out)["import_j"] == expected * 3_600
        assert total.read_text() == f"{expected}\n"


def test_a_fifo_is_read_as_it_comes_and_left_while_it_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fifo, total = tmp_path / "fifo", tmp_path / "total"
    os.mkfifo(fifo)
    enough = threading.Event()

    def write() -> None:
        with fifo.open("w") as there:
            for line in edges(4):
                there.write(line[:5])
                there.flush()
                there.write(line[5:])
                there.flush()
            enough.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    began_s = time.monotonic()
    code, out, _ = read(capsys, fifo, "--json", "--count", "2", "--interval", "0.5", "--state", str(total))
    took_s = time.monotonic() - began_s
    enough.set()
    thread.join(20)
    assert code == Exit.OK
    assert [json.loads(line)["import_j"] for line in out.splitlines()] == [4 * 3_600] * 2
    assert took_s < 10, "the silent writer does not hold us"
    assert total.read_text() == "4\n"


def test_stdin_is_a_source(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = os.pipe()
    os.write(ours, "".join(edges(3)).encode())
    os.close(ours)
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        code, out, _ = read(capsys, "-", "--once")
    assert code == Exit.OK
    assert "0.003 kWh" in out


def test_a_wire_that_picks_up_noise_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, total = tmp_path / "edges", tmp_path / "total"
    record.write_text("".join([*edges(10, length_ms=8), *edges(4, first_ms=60_000)]))
    code, _, err = read(capsys, record, "--once", "--state", str(total))
    assert code == Exit.FAILED
    assert "the wire is noisy" in err
    assert "10 too-short" in err
    assert total.read_text() == "4\n", "what was counted is kept"


def test_nonsense_keeps_what_was_counted_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, total = tmp_path / "edges", tmp_path / "total"
    record.write_text("".join([*edges(3), "1200 maybe\n"]))
    code, _, err = read(capsys, record, "--once", "--interval", "60", "--state", str(total))
    assert code == Exit.FAILED
    assert "expected nanoseconds and 0 or 1" in err
    assert total.read_text() == "2\n", "the third had not yet stood for the debounce time"


def test_a_damaged_total_is_never_taken_for_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, total = tmp_path / "edges", tmp_path / "total"
    record.write_text("".join(edges(3)))
    total.write_text("12x\n")
    code, out, err = read(capsys, record, "--once", "--state", str(total))
    assert (code, out) == (Exit.FAILED, "")
    assert "read the meter's own display" in err
    assert total.read_text() == "12x\n"


def test_a_gpio_line_is_named_by_chip_and_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(self: GpioEdges) -> None:
        asked.append(self)
        raise PortError("line 17 of /dev/gpiochip9 cannot be used", hint="gpioinfo lists the lines")

    monkeypatch.setattr(GpioEdges, "edges", refuse)
    code, _, err = read(capsys, "/dev/gpiochip9:17", "--once")
    assert code == Exit.FAILED
    assert "line 17 of /dev/gpiochip9 cannot be used" in err
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("pulses_per_kwh", "0", "pulses_per_kwh"),
        ("min_pulse_ms", "2", "0 <= debounce_ms <= min_pulse_ms < max_pulse_ms"),
        ("counts", '"both"', "counts"),
    ],
)
def test_a_wrong_profile_names_its_line(
    tmp_path: Path, key: str, value: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.toml"
    lines = load.path_of("s0-1000").read_text(encoding="utf-8").splitlines()
    mine.write_text("\n".join(f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines))
    code = cli.main(["read", "--profile", str(mine), "--port", "-", "--once"])
    err = capsys.readouterr().err
    assert code == Exit.FAILED
    assert complaint in err
    assert "mine.toml, line" in err
