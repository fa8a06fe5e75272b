"""`gridlight-testbed meter` and `soak`: what they print and refuse."""

import json
import os
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed import cli
from testbed.cli import soak as soak_command
from testbed.fleet.virtual_meters.soak import Soak
from testbed.fleet.virtual_meters.watch import Breach


def test_a_meter_says_where_it_is_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "meter"
    words = ["meter", "--protocol", "sml", "--link", str(link), "--for", "0.2", "--fault", "reset@60"]
    assert cli.main(words) == Exit.OK
    out = capsys.readouterr().out
    assert f"gridlight read --profile sml --port {link}" in out
    assert "reset@60+1" in out
    assert not link.is_symlink()
    assert cli.main([*words, "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["port"]) == ("gridlight.virtual-meter/1", str(link))


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-tcp", "p1", "iec62056-21"])
def test_each_protocol_comes_up(tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["meter", "--protocol", protocol, "--link", str(tmp_path / "m"), "--for", "0.1", "--json"]
    assert cli.main(words) == Exit.OK
    assert json.loads(capsys.readouterr().out)["protocol"] == protocol


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fault", "fire@5"], "a fault looks like"),
        (["--speed", "0"], "--speed is 0, expected 1 to 10000"),
        (["--link", os.devnull], "cannot open"),
        (["--address", "300"], "--address is 300, expected 1 to 247"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["meter", "--protocol", "p1", *words]) == Exit.USAGE
    assert complaint in capsys.readouterr().err


def test_an_unknown_profile_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["meter", "--protocol", "modbus-rtu", "--profile", "sml"]) == Exit.USAGE
    assert "no Modbus profile sml" in capsys.readouterr().err


def small(**options: int) -> Soak:
    """A soak of four meters for a day."""
    return Soak(days=1, seed=options["seed"], every_ms=120_000, slaves=1)


def test_a_soak_reports_and_fails_where_a_promise_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.fleet.virtual_meters.soak.Soak", small)
    assert cli.main(["soak", "--days", "1", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["meters"], document["breaches"]) == ("gridlight.soak/1", 4, [])
    report = Soak(days=1, every_ms=120_000, slaves=1).run()
    assert "every promise kept" in soak_command._lines(report)[-1]
    breach = Breach(promise="truth", meter="bus0-1", at_ms=61_000, sentence="a wrong reading")
    object.__setattr__(report, "breaches", (breach,))
    assert soak_command._lines(report)[-2:] == [
        "1 broken promises",
        "  truth: bus0-1 at 61.0 s: a wrong reading",
    ]


def test_a_soak_refuses_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["soak", "--days", "0"]) == Exit.USAGE
    assert "--days is 0, expected 1 to 366" in capsys.readouterr().err
