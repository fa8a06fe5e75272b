"""The storage bench: all contenders keep what they are given, and ours writes least."""

import pytest

from testbed.bench import store
from testbed.bench.section import DisagreementError, Options
from testbed.bench.store_writer import CONTENDERS, OURS, main
from testbed.bench.suites import suite


def test_the_contenders_keep_the_same_and_ours_writes_least() -> None:
    steps: list[str] = []
    options = Options(quick=True)
    section = suite("store").measure(options, steps.append)
    assert steps == list(CONTENDERS)
    assert len(steps) == suite("store").steps(options)
    rows = {row["store"]: row for row in section.document["stores"]}
    assert set(rows) == set(CONTENDERS)
    if len(section.aims) == 1:
        pytest.skip("the kernel counts no written bytes here, so only memory can be compared")
    written = {name: row["written_bytes_per_day"] for name, row in rows.items()}
    assert written[OURS] * 5 < written["each row"] < written["tinydb"]
    assert [aim.met for aim in section.aims] == [True, True, True]


def test_a_contender_that_loses_rows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, rows: int) -> dict[str, object]:
        return {"rows": rows, "kept": rows - 1}

    monkeypatch.setattr(store, "_run", run)
    with pytest.raises(DisagreementError, match="kept"):
        store.measure(Options(quick=True), lambda _: None)
    monkeypatch.undo()
    with pytest.raises(DisagreementError, match="failed"):
        store._run("nobody", 1)


def test_what_a_contender_says_of_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    found = main("each row", 20)
    assert (found["rows"], found["kept"]) == (20, 20)
    assert found["resident_kb"] > 1_000
