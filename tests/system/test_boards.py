"""A card in QEMU from its first start to its last trade: many minutes of a processor, so `make test-boards` runs it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from deploy.image.build import why_not
from testbed.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.system,
    pytest.mark.timeout(5_400),
    pytest.mark.skipif(
        not os.environ.get("GRIDLIGHT_BOARDS"), reason="whole emulated boards: make test-boards runs them"
    ),
]
_CARDS = Path(__file__).resolve().parents[2] / "out/image"
_NEW_S = "1200"


def _need_qemu_and_a_card() -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed: apt-get install qemu-system-arm")
    if not list(_CARDS.glob("gridlight-virt-*.img")) and (reason := why_not()):
        pytest.skip(reason)


@pytest.mark.parametrize("machine", ["virt", "cubieboard", "raspi2b"])
def test_a_board_reads_its_meter_keeps_its_keys_trades_and_survives(
    machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _need_qemu_and_a_card()
    words = ["board", "--machine", machine, "--cards", str(_CARDS), "--patience", _NEW_S]
    code = main([*words, "--out", str(tmp_path / "run"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0, found
    assert found["kept"], "identity and enrolment are the same after a reset and a power cut"
    assert found["sound"], "so is the store"
    assert found["cut_while_writing"], "and the power was cut in the middle of writing"
    assert found["readings"] > 0
    assert 0 < found["resident_bytes"] <= 64_000_000
    assert found["cannot"], "and what the machine cannot do is said"
    board = found["trading"]["board"]
    assert board["complaints"] == []
    assert board["lives"] == 3, "it was reset and cut off while it traded"
    assert board["trades"] > 0
    assert board["verified"] == board["trades"]
    assert board["written_bytes"] > 0


def test_whole_computers_are_a_mode_of_the_fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _need_qemu_and_a_card()
    words = ["up", "--fleet", "2", "--mode", "qemu", "--cards", str(_CARDS), "--faults", "drawn"]
    part = ["--from", "12:00", "--intervals", "8", "--speed", "60", "--out", str(tmp_path / "run")]
    code = main([*words, *part, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    assert [board["complaints"] for board in document["boards"]] == [[], []]
    assert sum(board["trades"] for board in document["boards"]) > 0
    assert all(0 < board["guest_bytes"] <= 64_000_000 for board in document["boards"])
