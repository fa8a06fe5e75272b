"""The device bench: a board's day is played again to the byte, and stays within its budget."""

from pathlib import Path

import pytest

from testbed.bench import device, joined
from testbed.bench.section import DisagreementError, Options, Section
from testbed.bench.suites import suite


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[3])
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.chdir(tmp_path)


def test_a_board_trades_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "lacking", lambda: "that is for a test of its own")
    steps: list[str] = []
    section = suite("device").measure(Options(quick=True), steps.append)
    assert len(steps) == suite("device").steps(Options(quick=True))
    row = section.document
    assert row["trades"] > 5, "it does what it is there for"
    assert row["offers"] > 5
    assert row["market_commits_per_interval"] <= 3
    assert all(aim.met for aim in section.aims), [aim.line() for aim in section.aims]
    if not row["written_bytes_per_day"]:
        pytest.skip("the kernel counts no written bytes here")
    assert row["history_commits_per_interval"] <= 2


def test_the_whole_program_in_a_fleet_stays_within_its_memory() -> None:
    """A real `gridlight run` joined over TLS: born, a pushed configuration kept, sealed reports delivered."""
    if why := joined.lacking():
        pytest.skip(why)
    found = joined.measure()
    assert found["joined_reports"] == 3
    assert 20_000 < found["joined_peak_kb"] <= 50_000


def test_without_a_broker_the_bench_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "lacking", lambda: "mosquitto is not installed")
    section = device._with_joined(Section(document={}, lines=["a line"]), {})
    assert section.lines == ["a line", "no joined device: mosquitto is not installed"]
    assert not section.aims


def test_a_replay_that_trades_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "record", lambda *_: 7)
    monkeypatch.setattr(device, "_played", lambda *_: {"trades": 6})
    with pytest.raises(DisagreementError, match="7 trades, and 6"):
        device.measure(Options(quick=True), lambda _: None)
    monkeypatch.undo()


def test_a_tape_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DisagreementError, match="replay failed"):
        device._played(tmp_path / "no-tape", 0, 1)
