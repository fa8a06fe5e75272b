"""Updates and first starts on a card in QEMU: many minutes of a processor, so `make test-boards` runs them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deploy.image.build import why_not
from testbed.cli import main
from testbed.updates.play import ACTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.system,
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(
        not os.environ.get("GRIDLIGHT_BOARDS"), reason="whole emulated boards: make test-boards runs them"
    ),
]
_IMAGE = Path(__file__).resolve().parents[2] / "out/image"


def _played(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    if reason := why_not():
        pytest.skip(reason)
    code = main([*words, "--image", str(_IMAGE), "--patience", "3000", "--icount", "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def test_updates_are_taken_refused_or_taken_back_and_the_meter_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = _played(capsys, "updates")
    assert code == 0, found
    assert [act["name"] for act in found["acts"]] == list(ACTS)
    assert all(act["passed"] and not act["why"] for act in found["acts"])
    by_name = {act["name"]: act for act in found["acts"]}
    assert [by_name[name]["slots"] for name in ("foreign", "other-board", "cut-off")] == ["", "", ""]
    assert [by_name[name]["slots"] for name in ("power", "dead", "blind")] == ["A", "BBBA", "BBBA"]
    assert by_name["good"]["slot"] == "B"
    assert by_name["good"]["state"]["BOOT_ORDER"].startswith("B")
    assert found["afterwards"]["sound"]
    assert found["afterwards"]["readings"] > 0


def test_a_card_makes_its_keys_joins_and_forgets(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = _played(capsys, "commission")
    assert code == 0, found
    assert found["passed"]
    assert len(found["steps"]) == 6
