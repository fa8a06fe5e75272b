"""Arguments and endings: help, did-you-mean, exit codes, crashes, interruption, broken pipes."""

import argparse
import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_app import cli, command_line
from firmware_app.console import CommandError, Console, Exit
from firmware_app.version import VERSION

REPOSITORY = Path(__file__).resolve().parents[2]


def program(run: Callable[[argparse.Namespace], int], *words: str) -> int:
    """Run a program with one command, `work`, that does `run`."""
    parser, commands = command_line.program("tool", "Does things.", examples=("tool work",))
    work = command_line.add_command(commands, "work", "Do the work.", run, examples=("tool work --fast",))
    work.add_argument("--fast", action="store_true")
    work.add_argument("--how", choices=("well", "badly"), default="well")
    return command_line.main(parser, commands, words)


def does_nothing(_: argparse.Namespace) -> int:
    """Succeed."""
    return Exit.OK


def test_a_command_looks_for_cyclic_garbage_less_often_than_python_does() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        assert program(does_nothing, "work") == Exit.OK
        assert gc.get_threshold()[0] > 10_000
    finally:
        gc.set_threshold(*before)


def test_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "UNDECIDED": 3,
        "BUG": 70,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("code", [Exit.OK, Exit.FAILED, Exit.UNDECIDED])
def test_the_command_decides_the_exit_code(code: Exit) -> None:
    assert program(lambda _: code, "work") == code


def test_no_command_shows_the_help_and_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert program(does_nothing) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Do the work." in shown.err


def test_flags_without_a_command_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert program(does_nothing, "--fast") == Exit.USAGE
    assert "'--fast' is not understood" in capsys.readouterr().err


def test_help_has_examples_first_and_exit_codes_last_on_one_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["--help"], ["work", "--help"]):
        with pytest.raises(SystemExit) as ended:
            program(does_nothing, *words)
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert (
            text.index("Examples:")
            < text.index("usage:")
            < text.index("options:")
            < text.index("Exit codes:")
        )
        assert text.rstrip().splitlines()[-1].startswith("Exit codes: 0 success")
        assert len(text.splitlines()) <= 24


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["wrk"], "there is no command 'wrk'. Did you mean 'work'? Choose from work.", "tool --help"),
        (["work", "--fst"], "'--fst' is not understood. Did you mean '--fast'?", "tool work --help"),
        (["work", "--jsno=1"], "'--jsno=1' is not understood. Did you mean '--json'?", "tool work --help"),
        (["work", "--zzz"], "'--zzz' is not understood.", "tool work --help"),
        (["work", "--fas"], "'--fas' is not understood. Did you mean '--fast'?", "tool work --help"),
        (
            ["work", "--how", "bady"],
            "there is no --how 'bady'. Did you mean 'badly'? Choose from well, badly.",
            "tool work --help",
        ),
    ],
)
def test_a_mistyped_word_is_answered_with_the_likely_one(
    words: list[str], sentence: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(does_nothing, *words) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"error: {sentence}\n  next: {hint}\n"


def test_wrong_use_is_a_json_document_when_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert program(does_nothing, "work", "--json", "--fst") == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    assert document["schema"] == "gridlight.error/1"
    assert document["error"]["code"] == 2


def test_the_shared_flags_reach_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    def speak(args: argparse.Namespace) -> int:
        console: Console = args.console
        console.note("a note")
        console.result("gridlight.test/1", {"fast": args.fast}, [f"fast {args.fast}"])
        return Exit.OK

    assert program(speak, "work", "--quiet", "--fast") == Exit.OK
    assert capsys.readouterr() == ("fast True\n", "")
    assert program(speak, "work", "--json") == Exit.OK
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"schema": "gridlight.test/1", "fast": False}
    assert shown.err == "a note\n"


def test_a_command_error_is_one_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise CommandError("no scenario 'x'", hint="tool list", code=Exit.USAGE)

    assert program(fail, "work") == Exit.USAGE
    assert capsys.readouterr().err == "error: no scenario 'x'\n  next: tool list\n"


def test_ctrl_c_ends_with_130_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert program(interrupted, "work") == Exit.INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted\n"


def crash(_: argparse.Namespace) -> int:
    """Fail as a bug does."""
    raise ZeroDivisionError("a bug\nof ours")


def test_a_crash_is_one_line_and_a_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert program(crash, "work") == Exit.BUG
    shown = capsys.readouterr().err
    assert shown.splitlines()[0] == "error: this is a bug in gridlight: ZeroDivisionError: a bug of ours"
    assert "Traceback" not in shown
    (report,) = tmp_path.iterdir()
    assert str(report) in shown
    assert "in crash" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0, "a traceback is nobody else's to read"


def test_debug_shows_the_traceback_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert program(crash, "work", "--debug") == Exit.BUG
    assert "Traceback" in capsys.readouterr().err


def test_a_crash_on_a_read_only_board_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert program(crash, "work") == Exit.BUG
    shown = capsys.readouterr().err
    assert shown.count("Traceback") == 1
    assert "report it with the traceback above" in shown


def test_version_is_the_same_in_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == Exit.OK
    assert capsys.readouterr().out.splitlines()[0] == f"gridlight {VERSION}"
    assert cli.main(["version", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["schema", "version", "python", "platform", "crypto"]
    assert (document["schema"], document["version"]) == ("gridlight.version/1", VERSION)
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """As in `gridlight version | head -0`: the pipe is closed before anything is printed."""
    script = f"sleep 0.3; exec {sys.executable} -m firmware_app version"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; ({script}) | true"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_device_command_starts_without_the_heavy_modules() -> None:
    """Start-up time and memory count on the board: help needs none of these."""
    heavy = {
        "asyncio",
        "difflib",
        "json",
        "tempfile",
        "dataclasses",
        "ecdsa",
        "cryptography",
        "coincurve",
        "numpy",
    }
    script = (
        "import sys; from firmware_app.cli import build_parser; build_parser();"
        f"print(*{heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
