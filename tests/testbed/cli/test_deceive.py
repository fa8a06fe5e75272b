"""`gridlight-testbed deceive`: every way is offered and explained, and a short run tells what the meters believe."""

from __future__ import annotations

import json

import pytest

from firmware_app.console import Exit
from testbed import cli
from testbed.cli import deceive as command
from testbed.simulation import deceit
from testbed.simulation.deceit import Outcome


def test_every_way_is_explained() -> None:
    assert tuple(command._WAYS) == deceit.WAYS


@pytest.mark.parametrize(("way", "standing"), [("lies", "following"), ("forks", "halted")])
def test_meters_are_not_fooled(way: str, standing: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["deceive", way, "--intervals", "8", "--from-interval", "1", "--json", "--no-progress"]
    assert cli.main(arguments) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["fooled"]) == ("gridlight.deceive/1", 0)
    assert standing in found["standings"]
    assert len(found["meters"]) == 6


def test_a_meter_that_believes_another_chain_and_trades_on_is_called_fooled() -> None:
    status = {"standing": "following", "refused": {}}
    fooled = Outcome(meter="m", status=status, on_the_chain=False, halted=False)
    assert fooled.fooled
    assert fooled.document()["fooled"] is True
    assert not Outcome(meter="m", status=status, on_the_chain=False, halted=True).fooled


def test_one_miner_stays_honest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deceive", "lies", "--servers", "4"]) == Exit.USAGE
    assert "stays honest" in capsys.readouterr().err
    assert cli.main(["deceive", "lies", "--scenario", "nowhere"]) == Exit.USAGE
