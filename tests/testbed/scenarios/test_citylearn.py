"""The measured homes: fetched once, pinned, read in the right units; and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from testbed.scenarios import citylearn
from testbed.scenarios import wheel as wheels
from testbed.scenarios.citylearn import SourceHome, day_number, fetch_wheel, read_homes
from testbed.scenarios.errors import DataUnavailableError, ScenarioFileError
from testbed.scenarios.wheel import PinnedWheel

Edit = Callable[[list[str]], None]


def _table() -> list[str]:
    """A year of one home: 0.5 kWh each hour, 100 W/kW at hour 12 and nothing else."""
    lines = ["Hour,Day Type,Equipment Electric Power [kWh],Solar Generation [W/kW]"]
    for row in range(8_760):
        hour = (row - 1) % 24 + 1
        kind = (row - 1) // 24 % 7 + 1
        lines.append(f"{hour},{kind}.0,0.5,{100.25 if hour == 12 else 0}")
    return lines


def _wheel(path: Path, edit: Edit | None = None) -> Path:
    with ZipFile(path, "w") as archive:
        for phase in citylearn.PHASES:
            lines = _table()
            if edit is not None:
                edit(lines)
            building = {"energy_simulation": "B.csv", "pv": {"attributes": {"nominal_power": 4.5}}}
            archive.writestr(
                f"citylearn/data/{phase}/schema.json", json.dumps({"buildings": {phase: building}})
            )
            archive.writestr(f"citylearn/data/{phase}/B.csv", "\n".join(lines))
    return path


def test_units_and_days(tmp_path: Path) -> None:
    first, second = read_homes(_wheel(tmp_path / "w.whl"))
    assert (first.name, second.name) == citylearn.PHASES
    assert first.nameplate_w == 4_500
    assert len(first.load_j) == len(first.sun_j_per_kw) == len(first.weekend) == 364
    assert first.load_j[0] == (1_800_000,) * 24
    assert first.sun_j_per_kw[363] == (*[0] * 11, 360_900, *[0] * 12)
    assert first.weekend[:8] == (False, False, False, False, False, True, True, False)


def _set(line: int, text: str) -> Edit:
    def edit(lines: list[str]) -> None:
        lines[line - 1] = text

    return edit


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        (_set(1, "Hour,Day Type,Load,Sun"), "line 1"),
        (_set(4, "7,1,0.5,0"), "line 4, Hour"),
        (_set(9, "7,1,-0.5,0"), "line 9, Equipment Electric Power"),
        (_set(9, "7,1,nan,0"), "line 9, Equipment Electric Power"),
        (_set(9, "7,1,0.5,sunny"), "line 9, Solar Generation"),
        (lambda lines: lines.pop() and None, "number of rows"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, edit: Edit, where: str) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        read_homes(_wheel(tmp_path / "w.whl", edit))
    assert where in str(caught.value)
    assert "B.csv" in str(caught.value)


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.whl"
    path.write_bytes(b"not a zip")
    with pytest.raises(ScenarioFileError, match="cannot be read"):
        read_homes(path)


def test_a_cached_wheel_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = _wheel(tmp_path / citylearn.WHEEL)
    monkeypatch.setattr(citylearn, "WHEEL_SHA256", sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(wheels, "download", lambda *_: pytest.fail("must not download"))
    assert fetch_wheel(tmp_path) == wheel


def test_a_damaged_copy_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = _wheel(tmp_path / "good").read_bytes()
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / citylearn.WHEEL).write_bytes(good[:-1])
    monkeypatch.setattr(citylearn, "WHEEL_SHA256", sha256(good).hexdigest())

    def download(_: PinnedWheel, folder: Path) -> Path:
        fresh = folder / citylearn.WHEEL
        fresh.write_bytes(good)
        return fresh

    monkeypatch.setattr(wheels, "download", download)
    assert fetch_wheel(cache).read_bytes() == good
    assert [path.name for path in cache.iterdir()] == [citylearn.WHEEL]


def test_another_wheel_than_the_pinned_one_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "download", lambda _, folder: _wheel(folder / citylearn.WHEEL))
    with pytest.raises(DataUnavailableError, match="not the pinned one"):
        fetch_wheel(tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(citylearn, "REQUIREMENT", "citylearn==0.0.0.dev99999")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DataUnavailableError, match="pip download --no-deps"):
        fetch_wheel(tmp_path)


def test_any_date_has_a_measured_day() -> None:
    assert day_number(date(2026, 8, 1)) == day_number(date(1999, 8, 1)) == 0
    assert day_number(date(2026, 6, 14)) == 317
    assert day_number(date(2028, 2, 29)) == day_number(date(2028, 2, 28))
    assert day_number(date(2026, 7, 31)) == day_number(date(2026, 7, 30)) == 363


def test_the_real_homes_are_plausible(measured_homes: tuple[SourceHome, ...]) -> None:
    assert [home.name for home in measured_homes] == [f"Building_{number}" for number in range(1, 11)]
    assert {home.nameplate_w for home in measured_homes} == {4_000, 5_000}
    for home in measured_homes:
        year_kwh = sum(map(sum, home.load_j)) / 3.6e6
        assert 7_000 < year_kwh < 13_200
        yield_kwh_per_kw = sum(map(sum, home.sun_j_per_kw)) / 3.6e6
        assert 1_200 < yield_kwh_per_kw < 1_810
        june = home.sun_j_per_kw[day_number(date(2026, 6, 14))]
        assert june[:4] == (0,) * 4, "no sun before four"
        assert 8 <= june.index(max(june)) <= 14, "most sun about noon"
        assert abs(sum(home.weekend) - 364 * 2 // 7) < 15
