"""What judges an answer shares nothing with what finds it: no solver library, no module of ours that solves."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FINDERS = (
    "numpy",
    "scipy",
    "ortools",
    "testbed.solver",
    "testbed.experiments.wuzhong.clearing",
    "testbed.experiments.wuzhong.decomposition",
    "testbed.experiments.manchester.relaxation",
    "testbed.experiments.manchester.planning",
    "testbed.experiments.rolling_lp",
)


def loaded_with(module: str) -> set[str]:
    """Everything that is loaded by loading a module."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "verifier",
    [
        "light_client.rules.market.clearing",
        "testbed.experiments.wuzhong.certificate",
        "testbed.experiments.manchester.certificate",
    ],
)
def test_a_verifier_loads_nothing_that_solves(verifier: str) -> None:
    loaded = loaded_with(verifier)
    assert verifier in loaded
    assert not loaded & set(FINDERS)


def test_a_finder_would_be_noticed() -> None:
    assert {"numpy", "testbed.experiments.wuzhong.clearing"} <= loaded_with(
        "testbed.experiments.wuzhong.clearing"
    )
