"""A card in QEMU from its first start to its end: many minutes of a processor, so `make test-boards` runs it."""

import json
import os
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
_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("machine", ["virt", "cubieboard", "raspi2b"])
def test_a_board_reads_its_meter_keeps_its_keys_and_survives(
    machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    words = [
        "board",
        "--machine",
        machine,
        "--image",
        str(_ROOT / "out/image"),
        "--patience",
        "1200",
        "--json",
    ]
    code = main(words)
    found = json.loads(capsys.readouterr().out)
    assert code == 0, found
    assert found["kept"], "identity and enrolment are the same after a reset and a power cut"
    assert found["sound"], "so is the store"
    assert found["readings"] > 0
    assert 0 < found["resident_bytes"] <= 64_000_000
    assert found["cannot"], "and what the machine cannot do is said"
