"""`gridlight-testbed forecast` on invented homes: numbers, plots, exit codes and wrong use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_app.console import Exit
from firmware_app.forecast.settings import Series
from testbed import cli
from testbed.forecasting import measured, models
from testbed.forecasting.measured import MeasuredSeries
from tests.firmware_app.forecast.homes import MONDAY, energies, load


def _home(days: int) -> MeasuredSeries:
    return MeasuredSeries(
        place="home 1",
        series=Series.NET,
        interval_s=3_600,
        first_interval=MONDAY * 24,
        energy_j=tuple(energy_j for _, energy_j in energies(load(3_600), 3_600, days)),
    )


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's homes are one invented one."""
    monkeypatch.setattr(
        measured, "homes", lambda *, days: (_home(days), replace(_home(days), place="home 2"))
    )


_QUICK = ["--models", "none", "--no-plant", "--step", "31"]


@pytest.mark.usefixtures("invented")
def test_numbers_and_plots_of_one_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["forecast", "--homes", "1", "--days", "60", *_QUICK, "--report", str(tmp_path), "--json"]
    assert cli.main(command) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "gridlight.forecast/1"
    assert [line["model"] for line in document["models"]] == ["gridlight", "naive"]
    assert document["models"][1]["loss_ratio_permille"] > 1_000
    (aim,) = document["aims"]
    assert (aim["better_than_naive"], aim["places"], aim["reached"]) == (1, 1, True)
    assert set(aim["skill_permille"]) == {"home 1"}
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"forecast-skill.png", "forecast-coverage.png", "forecast.json"}, (
        "a week and costs need more"
    )
    assert all(path.stat().st_size > 10_000 for path in tmp_path.glob("*.png"))


@pytest.mark.usefixtures("invented")
def test_where_naive_is_better_the_command_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that uses a tenth more every day: yesterday knows better than three weeks."""
    home = _home(60)
    growing = tuple(
        round(1_000 * (1 + slot % 24) * 1.1 ** (slot // 24)) for slot in range(len(home.energy_j))
    )
    monkeypatch.setattr(measured, "homes", lambda *, days: (replace(home, energy_j=growing[: days * 24]),))
    assert cli.main(["forecast", "--homes", "1", "--days", "60", *_QUICK]) == Exit.FAILED
    assert "better than naive at 0 of 1" in capsys.readouterr().out


@pytest.mark.usefixtures("invented")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--homes", "11"], "homes are 1 to 10"),
        (["--homes", "1", "--step", "6"], "shares no factor"),
        (["--homes", "1", "--days", "56"], "too few"),
    ],
)
def test_wrong_use_is_said(wrong: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["forecast", "--no-plant", "--models", "none", *wrong]) == Exit.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("invented")
def test_without_the_library_the_naive_forecast_stands_alone_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise models.NoLibraryError("statsforecast is not installed: pip install 'gridlight[experiments]'")

    monkeypatch.setattr(models, "library", absent)
    quick = ["--homes", "1", "--days", "58", "--no-plant", "--step", "31"]
    assert cli.main(["forecast", *quick]) == Exit.OK
    assert "gridlight[experiments]" in capsys.readouterr().err
    assert cli.main(["forecast", *quick, "--models", "MSTL"]) == Exit.FAILED
    assert "gridlight[experiments]" in capsys.readouterr().err
