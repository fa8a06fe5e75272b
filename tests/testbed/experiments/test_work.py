"""What a killed run has found is taken up by the next: exact values, torn files, other code or data, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.experiments.dpos import History
from testbed.experiments.manchester.bound import Cone
from testbed.experiments.plain import NotPlainError, of_plain, to_plain
from testbed.experiments.work import BusyError, Journal, Work, dependence


class Colour(Enum):
    """One of one."""

    RED = "red"


class Pair(NamedTuple):
    """A record by place."""

    one: float
    other: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One of everything that can be kept."""

    pairs: tuple[Pair, ...]
    named: dict[str, float]
    numbered: dict[int, list[bool]]
    raw: bytes | None
    colour: Colour


def quiet(name: str) -> None:
    del name


NUMBERS = st.floats(allow_nan=False)


@given(
    pairs=st.lists(st.builds(Pair, NUMBERS, st.tuples(st.integers())), max_size=3).map(tuple),
    named=st.dictionaries(st.text(), NUMBERS, max_size=3),
    raw=st.none() | st.binary(),
)
def test_what_is_written_comes_back_the_same(
    pairs: tuple[Pair, ...], named: dict[str, float], raw: bytes | None
) -> None:
    found = Found(pairs=pairs, named=named, numbered={7: [True]}, raw=raw, colour=Colour.RED)
    again = of_plain(Found, json.loads(json.dumps(to_plain(found))))
    assert again == found
    assert type(again.pairs) is tuple
    assert all(type(pair) is Pair for pair in again.pairs)


def test_arrays_come_back_the_same() -> None:
    table = np.array([[0.1, 1 / 3], [1e-300, -0.0]])
    again = of_plain(npt.NDArray[np.float64], json.loads(json.dumps(to_plain(table))))
    assert again.shape == table.shape
    assert again.tobytes() == table.tobytes()


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (int, "1"),
        (int, True),
        (tuple[int, int], [1]),
        (Cone, [1.0]),
        (History, {"shares": []}),
        (Colour, "blue"),
    ],
)
def test_what_is_of_another_type_is_not_taken(kind: Any, plain: Any) -> None:
    with pytest.raises(NotPlainError):
        of_plain(kind, plain)


def test_what_cannot_be_kept_is_said_at_once() -> None:
    with pytest.raises(NotPlainError, match="object"):
        to_plain([object()])


def test_a_piece_is_done_once(tmp_path: Path) -> None:
    path, calls = tmp_path / "journal", []

    def compute() -> int:
        calls.append(1)
        return 42

    for _ in range(2):
        journal = Journal(path, "same")
        assert Work(quiet, journal).keep("answer", int, compute) == 42
        journal.close()
    assert len(calls) == 1
    other = Journal(path, "other code")
    assert other.resumed == 0
    assert Work(quiet, other).keep("answer", int, compute) == 42
    assert len(calls) == 2
    other.remove()
    assert not path.exists()


def test_a_line_that_was_cut_off_is_done_again_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, "same")
    for name in ("a", "b"):
        journal.add(name, 1.5)
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        torn = Journal(path, "same")
        known = [name for name in ("a", "b") if torn.find(name, float) is not None]
        assert known == ["a", "b"][: max(0, whole[:cut].count(b"\n") - 1)]
        torn.add("c", 2.5)
        torn.close()
        again = Journal(path, "same")
        assert again.find("c", float) == 2.5
        assert again.resumed == len(known) + 1
        again.close()


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "same")
    with pytest.raises(BusyError, match="another process"):
        Journal(tmp_path / "journal", "same")
    journal.close()


def test_a_run_depends_on_data_and_options(tmp_path: Path) -> None:
    first = dependence(1, data=tmp_path)
    assert first == dependence(1, data=tmp_path)
    assert first != dependence(2, data=tmp_path)
    (tmp_path / "new").write_text("x")
    assert first != dependence(1, data=tmp_path)


def command(*arguments: str) -> list[str]:
    program = "import sys; from testbed.experiments import score_dpos; score_dpos.QUICK_RUNS = 3; "
    program += "from testbed.cli import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", program, "experiment", "score-dpos", "--quick", "--json", *arguments]


def test_killed_and_started_again_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}

    def run(work: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command("--work", work),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    journal = tmp_path / "killed" / "score-dpos.jsonl"
    process = subprocess.Popen(
        command("--work", "killed"),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None, "it had ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = journal.read_bytes().count(b"\n") - 1
    again, whole = run("killed"), run("fresh")
    assert f"goes on after {kept} pieces" in again.stderr
    assert "goes on" not in whole.stderr
    assert json.loads(again.stdout) == json.loads(whole.stdout)
    assert not journal.exists(), "a finished run leaves nothing behind"
