"""The kept total: never silently zero, never half written, seldom written."""

import os
from pathlib import Path

import pytest

from meter_io.errors import MeterError
from meter_io.pulse import Edge, FileTotal, PulseCounter, PulseInput, TotalKeeper

MS = 1_000_000


def test_a_total_comes_back(tmp_path: Path) -> None:
    store = FileTotal(tmp_path / "total")
    assert store.load() is None
    for pulses in (0, 7, 10**12):
        store.save(pulses)
        assert FileTotal(tmp_path / "total").load() == pulses
    assert [path.name for path in tmp_path.iterdir()] == ["total"]


@pytest.mark.parametrize(
    "content", [b"", b"12", b"x\n", b"-1\n", b"\xff\n", b"1" * 21 + b"\n", b"1\n2\n", "\u0661\n".encode()]
)
def test_a_damaged_total_is_never_taken_for_another(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "total").write_bytes(content)
    with pytest.raises(MeterError, match="total of pulses") as refusal:
        FileTotal(tmp_path / "total").load()
    assert "display" in refusal.value.hint


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="cannot be written"):
        FileTotal(tmp_path / "missing" / "total").save(1)
    with pytest.raises(MeterError, match="cannot be read"):
        FileTotal(tmp_path).load()


class PowerCut(BaseException):
    """The board is off."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_power_cut_at_any_step_leaves_the_old_total_or_the_new(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileTotal(tmp_path / "total")
    store.save(41)

    def cut(*_: object) -> None:
        raise PowerCut

    monkeypatch.setattr(*((os, "fsync", cut) if step == "fsync" else (Path, "replace", cut)))
    with pytest.raises(PowerCut):
        store.save(42)
    monkeypatch.undo()
    assert store.load() == 41
    store.save(42)
    assert store.load() == 42


class Recording:
    """A store that counts."""

    def __init__(self, first: int | None = None) -> None:
        self.first = first
        self.saved: list[int] = []

    def load(self) -> int | None:
        return self.first

    def save(self, pulses: int) -> None:
        self.saved.append(pulses)


def test_it_is_saved_seldom_and_in_time() -> None:
    store = Recording(first=5)
    keeper = TotalKeeper(store, every_pulses=10, every_ms=60_000)
    counter = PulseCounter(PulseInput(pulses_per_kwh=1_000, max_power_w=18_000), keeper.load())
    for second in range(1, 31):
        counter.edge(Edge(second * 1_000 * MS, False))
        counter.edge(Edge(second * 1_000 * MS + 40 * MS, True))
        keeper.keep(counter, second * 1_000 * MS + 900 * MS)
    assert store.saved == [15, 25], "every ten pulses; the last pulses are proven by what follows"
    assert not keeper.keep(counter, 40_000 * MS)
    assert keeper.keep(counter, 90_000 * MS), "and at the latest after the time"
    assert not keeper.keep(counter, 900_000 * MS), "but not without a pulse"
    assert TotalKeeper(Recording()).load() == 0
