"""`gridlight-testbed value` and `privacy` on made-up homes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed import cli
from testbed.privacy import ladder
from testbed.scenarios import citylearn
from testbed.scenarios.errors import DataUnavailableError
from testbed.year import study
from tests.testbed.year.test_year import sources


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two homes that nobody has to download, and fewer cases."""
    monkeypatch.setattr(study, "CHANCES", (500,))
    monkeypatch.setattr(ladder, "RUNGS", ladder.RUNGS[:2])
    monkeypatch.setattr(citylearn, "fetch_wheel", lambda: Path("none"))
    monkeypatch.setattr(citylearn, "read_homes", lambda _: sources(homes=2, days=15))


@pytest.mark.parametrize(("command", "extra"), [("value", ["--battery-wh", "3000"]), ("privacy", [])])
@pytest.mark.usefixtures("made_up")
def test_prints_and_writes_what_it_found(
    command: str, extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "--days", "15", "--json", "--quiet", "--report", str(tmp_path), *extra]
    assert cli.main(words) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document.pop("schema") == f"gridlight.{command}/1"
    assert json.loads((tmp_path / f"{command}.json").read_text(encoding="utf-8")) == document
    assert (tmp_path / f"{command}.png").read_bytes()[:4] == b"\x89PNG"
    assert document["days"] == 15


@pytest.mark.usefixtures("made_up")
def test_value_says_how_much_of_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["value", "--days", "15", "--quiet"]) == Exit.OK
    said = capsys.readouterr().out
    assert "no batteries" in said
    assert "foresight" in said


@pytest.mark.parametrize(
    "words",
    [
        ["value", "--days", "14"],
        ["value", "--battery-wh", "-1"],
        ["value", "--battery-w", "0"],
        ["privacy", "--days", "365"],
    ],
)
def test_refuses_wrong_use(words: list[str]) -> None:
    assert cli.main(words) == Exit.USAGE


@pytest.mark.parametrize("command", ["value", "privacy"])
def test_says_where_to_get_the_homes(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent() -> Path:
        raise DataUnavailableError("no network")

    monkeypatch.setattr(citylearn, "fetch_wheel", absent)
    assert cli.main([command]) == Exit.FAILED
    assert "no network" in capsys.readouterr().err
