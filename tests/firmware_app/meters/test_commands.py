"""`gridlight read`, `scan`, `doctor` and `profiles` against foreign slaves, and every bad input in one sentence."""

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from meter_io.ports.address import Line, PortAddress
from meter_io.profiles import load
from meter_io.survey import Plan
from testbed.fleet.foreign_slaves import LIBMODBUS, PYMODBUS, PtyLink, free_port, slave
from tests.meter_io.modbus.test_peers import floats

REPOSITORY = Path(__file__).resolve().parents[3]
SDM630 = {
    **dict.fromkeys(range(90), 0),
    **floats({0: 230.5, 2: 231.0, 4: 229.5, 6: 3.3, 0x0C: -770.0, 0x34: -2312.5, 0x46: 49.98}),
    **floats({0x48: 14_382.417, 0x4A: 3_905.22}),
}
SDM120 = {**SDM630, 0xFC02: 0x20}


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """A gateway with an SDM630 at 1 and an SDM120 at 2."""
    number = free_port()
    with slave(PYMODBUS, "tcp", str(number), {1: {**SDM630, 0xFC02: 0x70}, 2: SDM120}):
        yield f"tcp://127.0.0.1:{number}"


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    code = cli.main(words)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


def test_a_reading_for_people(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "read", "--profile", "eastron-sdm630", "--port", network, "--once")
    assert code == Exit.OK
    assert re.search(r"Active power +16\.7\.0 +-2\.312 kW", out)
    assert re.search(r"Import A\+ +1\.8\.0 +14 382\.417 kWh", out)
    assert re.search(r"Frequency +14\.7\.0 +49\.98 Hz", out)
    assert "fed into the grid" in out
    assert "quality first" in out


def test_a_reading_for_programs(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(
        capsys, "read", "--profile", "eastron-sdm630", "--port", network, "--once", "--json"
    )
    document = json.loads(out)
    assert code == Exit.OK
    assert next(iter(document)) == "schema"
    assert document["import_j"] == 14_382_417 * 3_600
    assert document["export_j"] == 3_905_220 * 3_600
    assert document["power_w"] == -2_312
    values = {value["obis"]: (value["value"], value["unit"]) for value in document["values"]}
    assert values["1-0:32.7.0"] == (230.5, "V")
    assert values["1-0:1.8.0"] == (14_382_417, "Wh")


def test_a_stream_is_one_object_a_line_and_the_second_is_judged(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = answer(
        capsys,
        "read",
        "--profile",
        "eastron-sdm630",
        "--port",
        network,
        "--count",
        "3",
        "--interval",
        "0.1",
        "--json",
    )
    assert code == Exit.OK
    documents = [json.loads(line) for line in out.splitlines()]
    assert [document["quality"] for document in documents] == ["first", "good", "good"]


@pytest.mark.usefixtures("libmodbus")
def test_a_meter_that_falls_silent_is_said_in_the_stream(capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    replies = iter(range(1_000))
    link.change = lambda data: data if next(replies) < 3 else b""
    with slave(LIBMODBUS, "serial", link.theirs, {1: SDM630}):
        code, out, _ = answer(
            capsys,
            *("read", "--profile", "eastron-sdm630", "--port", link.ours),
            *("--count", "2", "--interval", "0.1", "--json"),
        )
    link.close()
    first, second = [json.loads(line) for line in out.splitlines()]
    assert code == Exit.FAILED
    assert (first["ok"], second["ok"]) == (True, False)
    assert "did not answer" in second["error"]["message"]
    assert second["error"]["next"]


def test_the_live_table_draws_over_itself_and_ends_with_ctrl_c(network: str) -> None:
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware_app", "read", "--profile", "eastron-sdm630", "--port", network,
         "--interval", "0.2"],
        cwd=REPOSITORY,
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    deadline = time.monotonic() + 20
    while b"good" not in seen and time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            seen += os.read(master, 65_536)
    process.send_signal(2)
    assert process.wait(10) == Exit.INTERRUPTED
    os.close(master)
    assert b"Ctrl-C stops" in seen
    assert re.search(rb"\x1b\[\d+A\x1b\[J", seen), "the second table replaces the first"


def test_a_profile_of_another_meter_is_refused_with_the_reason(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, "read", "--profile", "carlo-gavazzi-em24", "--port", network, "--once")
    assert (code, out) == (Exit.FAILED, "")
    assert "slave 1 is no Carlo Gavazzi EM24-DIN (RS-485): register 0x000B holds" in err
    assert "next: gridlight scan" in err


def test_values_that_are_not_plausible_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    number = free_port()
    with slave(PYMODBUS, "tcp", str(number), {1: {**SDM630, **floats({0: 4.5e-5})}}):
        code, out, err = answer(
            capsys, "read", "--profile", "eastron-sdm630", "--port", f"tcp://127.0.0.1:{number}", "--once"
        )
    assert (code, out) == (Exit.FAILED, "")
    assert "not 207 to 253" in err


BAD = [
    (["read", "--profile", "eastron-sdm63", "--port", "/dev/x"], 1, "Did you mean 'eastron-sdm630'?"),
    (["read", "--profile", "./none.toml", "--port", "/dev/x"], 1, "cannot read none.toml"),
    (["read", "--profile", "eastron-sdm630", "--port", "ttyUSB0"], 1, "there is no port 'ttyUSB0'"),
    (["read", "--profile", "eastron-sdm630", "--port", "/dev/none"], 1, "there is no port /dev/none"),
    (["read", "--profile", "eastron-sdm630", "--port", "/dev/null"], 1, "no serial port"),
    (["read", "--profile", "eastron-sdm630", "--port", "tcp://127.0.0.1:1"], 1, "cannot connect"),
    (["read", "--profile", "sml", "--port", "/dev/none", "--once"], 1, "there is no port /dev/none"),
    (["read", "--profile", "iec62056-21", "--port", "/dev/none", "--once"], 1, "there is no port /dev/none"),
    (
        ["read", "--profile", "sml", "--port", "/dev/none", "--key-file", "k"],
        2,
        "--key-file is for P1 ports, not for sml",
    ),
    (
        ["read", "--profile", "sml", "--port", "/dev/none", "--state", "s"],
        2,
        "--state is for P1 ports and pulses",
    ),
    (["doctor", "--profile", "s0-1000", "--port", "/dev/none"], 1, "is a wire and no bus"),
    (["scan", "--profile", "s0-1000"], 1, "is not found by its address"),
    (["read", "--profile", "s0-1000", "--port", "/dev/none", "--once"], 1, "cannot read /dev/none"),
    (
        ["read", "--profile", "eastron-sdm630", "--port", "/dev/x", "--address", "900"],
        2,
        "an address on this port is 1 to 247, got 900",
    ),
    (["read", "--profile", "eastron-sdm630", "--port", "/dev/x", "--interval", "0"], 2, "--interval"),
    (["read", "--profile", "eastron-sdm630", "--port", "/dev/x", "--count", "0"], 2, "--count"),
    (["read", "--profile", "eastron-sdm630", "--port", "/dev/x", "--baud", "1"], 2, "a baud rate is"),
    (["scan", "--port", "/dev/none"], 1, "there is no port /dev/none"),
    (["scan", "--port", "/dev/x", "--addresses", "1-x"], 2, "addresses look like"),
    (["scan", "--port", "/dev/x", "--addresses", "9-1"], 2, "addresses look like"),
    (["scan", "--port", "/dev/x", "--reply-ms", "0"], 2, "--reply-ms"),
    (["scan", "--port", "/dev/x", "--profile", "sml"], 1, "is not found by its address"),
    (["profiles", "eastrom-sdm120"], 1, "Did you mean 'eastron-sdm120'?"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_bad_input_is_one_sentence(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = answer(capsys, *words)
    assert (ended, out) == (code, "")
    assert sentence in err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1
    if code == Exit.FAILED:
        assert "next: " in err, "it names the next step"


def test_nonsense_is_an_error_with_a_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            client, _ = server.accept()
            client.recv(100)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 2)
            client.recv(100)
            client.close()

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        code, out, err = answer(capsys, "read", "--profile", "abb-b23", "--port", where, "--once")
    assert (code, out) == (Exit.FAILED, "")
    assert "no Modbus TCP" in err
    assert "rtu+tcp://" in err


def test_scan_finds_address_and_model_and_gives_the_command(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, "scan", "--port", network, "--addresses", "1-2", "--json")
    document = json.loads(out)
    assert code == Exit.OK
    first, second = document["meters"]
    assert (first["address"], first["profile"], first["sure"]) == (1, "eastron-sdm630", False)
    assert "eastron-sdm230" in first["also_possible"]
    assert (second["address"], second["profile"], second["sure"]) == (2, "eastron-sdm120", True)
    refused = {row["profile"]: row["why"] for row in second["refused"]}
    assert "register 0x000B holds" in refused["carlo-gavazzi-em24"]
    assert "at most" in err, "the time is stated"
    assert second["command"].startswith("gridlight read --profile eastron-sdm120 --port tcp://")


def test_scan_tells_addresses_that_nobody_has_in_one_breath(capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway refuses every question to a slave that it does not have, as some do."""
    number = free_port()
    with slave(PYMODBUS, "tcp", str(number), {1: {**SDM630, 0xFC02: 0x70}}):
        code, out, _ = answer(capsys, "scan", "--port", f"tcp://127.0.0.1:{number}", "--addresses", "1-3")
    assert code == Exit.OK
    assert out.count("no profile fits") == 1
    assert "2 addresses answer, and no profile fits: 2, 3" in out
    assert "address 1: SDM630" in out


def test_scan_for_one_model_says_why_it_is_another(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "scan", "--port", network, "--addresses", "2", "--profile", "abb-b23")
    assert code == Exit.FAILED
    assert "not abb-b23: " in out


@pytest.mark.usefixtures("libmodbus")
def test_scan_of_a_serial_line_finds_speed_and_address(capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    with slave(LIBMODBUS, "serial", link.theirs, {3: SDM120}):
        code, out, _ = answer(
            capsys, "scan", "--port", link.ours, "--baud", "19200", "--addresses", "3", "--parity", "N"
        )
    link.close()
    assert code == Exit.OK
    assert f"found  {link.ours} 19200 8N1 address 3: SDM120-Modbus" in out
    assert f"--port {link.ours} --address 3 --baud 19200 --parity N" in out


def test_a_scan_keeps_to_the_time_it_states(capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    began = time.monotonic()
    code, out, err = answer(
        capsys,
        "scan",
        "--port",
        link.ours,
        "--baud",
        "9600",
        "--parity",
        "N",
        "--addresses",
        "1-8",
        "--reply-ms",
        "50",
    )
    taken = time.monotonic() - began
    link.close()
    assert code == Exit.FAILED
    assert "no meter answered" in out
    stated = re.search(r"(\d+) s at most", err)
    assert stated is not None
    assert taken <= int(stated[1]) + 1


def test_the_stated_time_covers_the_worst_case() -> None:
    plan = Plan(
        address=PortAddress.parse("/dev/x"), lines=(Line(baud=300),), units=tuple(range(1, 11)), reply_ms=100
    )
    assert plan.at_most_s >= 10 * (0.1 + 0.3 + 15 * 0.0333)


def test_an_sml_meter_is_heard_on_a_line(shared_vectors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = min((shared_vectors / "sml").glob("*.bin")).read_bytes()
    link = PtyLink()
    fd = os.open(link.theirs, os.O_WRONLY | os.O_NOCTTY)
    stop = threading.Event()

    def push() -> None:
        while not stop.wait(0.5):
            os.write(fd, capture[:3_000])

    talker = threading.Thread(target=push)
    talker.start()
    try:
        code, out, _ = answer(capsys, "read", "--profile", "sml", "--port", link.ours, "--once")
        scanned, found, _ = answer(capsys, "scan", "--port", link.ours)
    finally:
        stop.set()
        talker.join()
        os.close(fd)
        link.close()
    assert code == Exit.OK
    assert re.search(r"Import A\+ +1\.8\.0 +[\d ]+\.\d{3} kWh", out)
    assert scanned == Exit.OK
    assert f"--profile sml --port {link.ours}" in found


def test_profiles_lists_shows_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "profiles", "--json")
    assert code == Exit.OK
    assert [row["name"] for row in json.loads(out)["profiles"]] == load.shipped()
    _, out, _ = answer(capsys, "profiles", "sunspec")
    assert all(line.startswith("sunspec-") for line in out.splitlines())
    _, out, _ = answer(capsys, "profiles", "carlo-gavazzi-em24")
    assert "Version 4 Revision 0" in out
    assert "0x003E" in out
    _, out, _ = answer(capsys, "profiles", "eastron-sdm120", "--source")
    mine = tmp_path / "mine.toml"
    mine.write_text(out.replace("207", "100"), encoding="utf-8")
    code, out, _ = answer(capsys, "profiles", str(mine))
    assert code == Exit.OK
    assert "valid: syntax and meaning; no meter was asked" in out
    mine.write_text(mine.read_text(encoding="utf-8").replace("baud =", "boud ="), encoding="utf-8")
    code, _, err = answer(capsys, "profiles", str(mine))
    assert code == Exit.FAILED
    assert re.search(
        r"mine\.toml, line \d+: \[line\] boud: there is no such key\. Did you mean 'baud'\?", err
    )


@pytest.mark.parametrize("command", ["read", "scan", "doctor", "profiles"])
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.index("Examples:") < out.index("usage:")
    assert f"gridlight {command}" in out


def test_the_parsers_load_nothing_of_the_meters() -> None:
    script = (
        "import sys; from firmware_app.cli import build_parser; build_parser();"
        "print(*sorted(name for name in sys.modules if name.startswith('meter_io') or name == 'serial'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
