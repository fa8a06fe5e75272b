"""The suite of the board: its guest program does what it says, and its emulator counts and complains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.bench import guest
from testbed.bench.armhf import WORKS, steps
from testbed.bench.emulator import Emulator, EmulatorError, missing
from testbed.bench.section import Options

ROOT_VARIABLE = "GRIDLIGHT_ARMHF_ROOT"


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    root = os.environ.get(ROOT_VARIABLE)
    lacking = missing(Path(root) if root else None)
    if lacking or root is None:
        pytest.skip(f"{ROOT_VARIABLE} names no usable armhf root: {lacking}")
    return Emulator.prepare(Path(root), tmp_path)


@pytest.mark.parametrize("work", [work for work in WORKS if work.what != "start"], ids=lambda work: work.what)
def test_the_guest_program_does_every_work_without_the_testbed(work: object) -> None:
    what = getattr(work, "what", "")
    code = "import sys; sys.modules['testbed'] = None; import runpy; runpy.run_path(sys.argv[1], run_name='__main__')"
    script = code.replace("sys.argv[1]", repr(guest.__file__)).replace(
        "import runpy", f"sys.argv = ['guest', {what!r}, '1']; import runpy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_refused_signature_ends_the_guest_program(monkeypatch: pytest.MonkeyPatch) -> None:
    work = guest.signature("ecdsa")
    work()
    monkeypatch.setattr(guest, "HASH", bytes(32))
    with pytest.raises(SystemExit):
        work()


def test_nothing_is_counted_where_something_is_missing(tmp_path: Path) -> None:
    assert steps(Options()) == 0
    assert "--armhf-root" in missing(None)
    assert str(tmp_path) in missing(tmp_path)


@pytest.mark.system
def test_twice_the_work_is_twice_the_instructions(emulator: Emulator) -> None:
    code = "for number in range({}): pass"
    emulator.count("-S", "-c", "pass")  # the first run compiles what the interpreter begins with
    none, one, two = (emulator.count("-S", "-c", code.format(times)) for times in (0, 10**5, 2 * 10**5))
    assert (two - none) / (one - none) == pytest.approx(2, rel=0.02)


@pytest.mark.system
def test_a_program_that_fails_is_an_error_of_one_sentence(emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match="division by zero"):
        emulator.count("-S", "-c", "1 / 0")
