"""Every mistake of an integrator is answered with one sentence and the next step; none is called our bug."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from meter_io.profiles import load

REPOSITORY = Path(__file__).resolve().parents[3]

HERE = "{here}"
READ = ("read", "--profile", "eastron-sdm630", "--once", "--port")
PULSES = ("read", "--profile", "s0-1000", "--once", "--port")
MISTAKES = [
    ((*READ, "/dev/nonexistent"), Exit.FAILED, "there is no port"),
    ((*READ, HERE), Exit.FAILED, "is no serial port"),
    ((*READ, f"{HERE}/empty"), Exit.FAILED, "is no serial port"),
    ((*READ, "/dev/null"), Exit.FAILED, "is no serial port"),
    ((*READ, "ttyUSB0"), Exit.FAILED, "there is no port"),
    ((*READ, "tcp://"), Exit.FAILED, "names no host"),
    ((*READ, "tcp://:502"), Exit.FAILED, "names no host"),
    ((*READ, "tcp://127.0.0.1:99999"), Exit.FAILED, "names no TCP port"),
    ((*READ, "tcp://127.0.0.1:" + "1" * 5_000), Exit.FAILED, "names no TCP port"),
    ((*READ, "tcp://127.0.0.1:1"), Exit.FAILED, "Connection refused"),
    ((*READ, "tcp://nosuchhost.invalid"), Exit.FAILED, "cannot connect"),
    ((*READ, os.fsdecode(b"/dev/t\xff")), Exit.FAILED, "there is no port"),
    ((*READ, "/dev/null", "--address", "0"), Exit.USAGE, "1 to 247, got 0"),
    ((*READ, "/dev/null", "--address", "248"), Exit.USAGE, "1 to 247, got 248"),
    ((*READ, "tcp://127.0.0.1:1", "--address", "256"), Exit.USAGE, "0 to 255, got 256"),
    ((*READ, "/dev/null", "--baud", "3"), Exit.USAGE, "a baud rate is"),
    ((*READ, "/dev/null", "--interval", "nan"), Exit.USAGE, "--interval is"),
    ((*READ, "/dev/null", "--count", "0"), Exit.USAGE, "--count is"),
    ((*PULSES, f"{HERE}/empty", "--state", f"{HERE}/no/x"), Exit.USAGE, "there is no folder"),
    ((*PULSES, f"{HERE}/empty", "--state", HERE), Exit.USAGE, "is a folder"),
    ((*PULSES, f"{HERE}/garbage"), Exit.FAILED, "line 1 is"),
    (("read", "--profile", "eastron-sdm63", "--port", "/dev/null"), Exit.FAILED, "Did you mean"),
    (("read", "--profile", HERE, "--port", "/dev/null"), Exit.FAILED, "cannot read"),
    (("read", "--profile", f"{HERE}/empty", "--port", "/dev/null"), Exit.FAILED, "schema: is missing"),
    (("read", "--profile", f"{HERE}/huge", "--port", "/dev/null"), Exit.FAILED, "larger than a profile"),
    (("profiles", "/dev/zero"), Exit.FAILED, "larger than a profile"),
    (("profiles", "nosuch"), Exit.FAILED, "there is no profile"),
    (("scan", "--addresses", "5-3"), Exit.USAGE, "got '5-3'"),
    (("scan", "--port", "tcp://127.0.0.1:1", "--addresses", "1,9-3"), Exit.USAGE, "got '9-3'"),
    (("scan", "--port", "tcp://127.0.0.1:1", "--addresses", "1" * 5_000), Exit.USAGE, "addresses look like"),
    (("decode", "--protocol", "sml", f"{HERE}/missing"), Exit.USAGE, "cannot read"),
    (("decode", "--protocol", "sml", HERE), Exit.USAGE, "Is a directory"),
    (
        ("decode", "--protocol", "p1", f"{HERE}/empty", "--key-file", f"{HERE}/garbage"),
        Exit.USAGE,
        "the key in",
    ),
    (
        ("decode", "--protocol", "p1", f"{HERE}/empty", "--key-file", f"{HERE}/missing"),
        Exit.USAGE,
        "cannot read",
    ),
]


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES)
def test_a_mistake_is_answered_with_a_sentence_and_the_next_step(
    words: tuple[str, ...], code: Exit, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "garbage").write_bytes(b"garbage!\n")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 30)
    given = [word.replace(HERE, str(tmp_path)) for word in words]
    assert cli.main(given) == code
    shown = capsys.readouterr().err
    error = shown[shown.index("error: ") :].splitlines()
    assert said in error[0]
    assert error[1].startswith("  next: ")
    assert len(error) == 2


def gridlight(*words: str) -> "subprocess.Popen[bytes]":
    """Start the command as a shell would."""
    command = [sys.executable, "-m", "firmware_app", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_name_that_is_no_utf8_is_shown_escaped(more: list[str], tmp_path: Path) -> None:
    mine = Path(os.fsdecode(os.fsencode(tmp_path) + b"/mine\xff.toml"))
    shutil.copy(load.path_of("sml"), mine)
    process = gridlight("profiles", str(mine), *more)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (Exit.OK, b"")
    assert b"mine\\udcff" in out
    if more:
        assert json.loads(out)["profiles"][0]["name"] == "mine\udcff"


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 4_000)
    with gridlight("decode", "--protocol", "p1", str(tmp_path / "noise")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (Exit.OK, b"")


def test_ctrl_c_ends_with_one_word(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = gridlight("read", "--profile", "s0-1000", "--port", str(fifo))
    with fifo.open("wb"):
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == Exit.INTERRUPTED
    assert said.strip().splitlines()[-1] == b"error: interrupted"
