"""A sample of the power cuts that `gridlight-testbed powercut` plays in full; each broken program is caught."""

import json
import sqlite3
from pathlib import Path

import pytest

from firmware_app.console import Exit
from firmware_app.store.device_store import FILE_NAME
from testbed.cli import main
from testbed.powercut.campaign import History, NotRecordedError, Stage, Subject, Thoroughness, cut_everywhere
from testbed.powercut.file_subjects import StateSalvageSubject
from testbed.powercut.log import Log, Unlink, Write
from testbed.powercut.ring_subjects import OutboxSubject, RingSubject, SalvageSubject
from testbed.powercut.subjects import SUBJECTS
from testbed.powercut.vfs import watched
from tests.testbed.powercut.broken_twins import TWINS, InPlaceSettings

_SAMPLE = Thoroughness(samples=1, every=11, again=150)
_SALVAGE_SAMPLE = Thoroughness(samples=0, every=25, again=0)
_UNTIL_CAUGHT = Thoroughness(samples=2, again=0, failures=1)
_SPARSELY = Thoroughness(samples=2, every=4, again=0, failures=1)
_SEED = 3


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_promise_is_kept_after_every_cut(name: str) -> None:
    subject = SUBJECTS[name]()
    if isinstance(subject, RingSubject):
        subject._rounds = 8
    how = Thoroughness(samples=1, again=5) if name in {"settings", "replacement"} else _SAMPLE
    how = _SALVAGE_SAMPLE if isinstance(subject, SalvageSubject | StateSalvageSubject) else how
    result = cut_everywhere(subject, how, seed=_SEED)
    assert result.failures == []
    assert result.failed == 0
    assert result.cuts > 10
    assert result.points > 3


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)
def test_a_program_that_breaks_a_rule_of_durability_is_caught(twin: type[Subject]) -> None:
    subject = twin()
    how = _SPARSELY if isinstance(subject, RingSubject) else _UNTIL_CAUGHT
    if isinstance(subject, RingSubject):
        subject._rounds = 5
    result = cut_everywhere(subject, how, seed=_SEED)
    assert result.failed > 0, f"{twin.__name__} passed {result.cuts} cuts"


def test_the_ring_that_is_cut_has_to_let_rows_leave_and_folds_its_log_in_while_it_runs(
    tmp_path: Path,
) -> None:
    """Otherwise the proof would not reach these."""
    subject, log = RingSubject(), Log()
    with watched(tmp_path, log):
        subject.play(Stage(tmp_path, log))
    file = log.names[FILE_NAME]
    reopened = [number for number, entry in enumerate(log.entries) if isinstance(entry, Unlink)]
    folded = [
        number for number, entry in enumerate(log.entries) if isinstance(entry, Write) and entry.file == file
    ]
    assert len(folded) > 60
    assert [number for number in folded if all(abs(number - end) > 60 for end in reopened)], (
        "only when closed"
    )
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    ((oldest, newest),) = connection.execute("SELECT min(offer_id), max(offer_id) FROM trades").fetchall()
    ((first,),) = connection.execute("SELECT min(import_j) FROM readings").fetchall()
    connection.close()
    assert (oldest, newest) == (0, 23)
    assert first > 0, "nothing had to leave"


class _Secretive(OutboxSubject):
    """Writes a file past the recorder."""

    def play(self, stage: Stage) -> None:
        super().play(stage)
        (stage.folder / "secret").write_bytes(b"x")


def test_what_is_written_past_the_recorder_is_an_error_and_no_proof() -> None:
    with pytest.raises(NotRecordedError, match="secret"):
        cut_everywhere(_Secretive(2), _SAMPLE, seed=_SEED)


class _Raising(OutboxSubject):
    """Does not come up again after a cut."""

    def problems(self, stage: Stage, history: History) -> list[str]:
        raise ValueError("cannot start")


def test_a_program_that_does_not_start_again_has_failed() -> None:
    result = cut_everywhere(_Raising(1), Thoroughness(samples=0, every=20, again=0), seed=_SEED)
    assert result.failed == result.cuts > 0
    assert "does not start: ValueError" in result.failures[0]
    assert len(result.failures) <= 20


def test_the_command_reports_and_its_exit_code_tells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        main(["powercut", "settings", "--every", "9", "--samples", "0", "--again", "0", "--json"]) == Exit.OK
    )
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "gridlight.powercut/1"
    assert document["failed"] == 0
    assert document["cuts"] == document["subjects"][0]["cuts"] > 5
    monkeypatch.setitem(SUBJECTS, "settings", InPlaceSettings)
    assert main(["powercut", "settings", "--every", "2", "--samples", "0"]) == Exit.FAILED
    assert "BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["seddings"], ["wallet", "--every", "0"]])
def test_wrong_use_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["powercut", *words]) == Exit.USAGE
    assert "settings" in capsys.readouterr().err or "--every" in words


def test_two_runs_with_one_seed_are_the_same() -> None:
    how = Thoroughness(samples=3, every=5, again=0)
    first, second = (cut_everywhere(SUBJECTS["settings"](), how, seed=9) for _ in range(2))
    assert first == second
