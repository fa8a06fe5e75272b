"""The arrows between packages hold, and a breach of each contract is caught.

A contract that nothing can break would be a false comfort, so every one is broken here on purpose in a copy.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("deploy", "firmware_app", "light_client", "meter_io", "testbed")

BREACHES = [
    ("light_client/rules/units.py", "import firmware_app", "know nobody"),
    ("meter_io/__init__.py", "import light_client.rules.errors", "know nobody"),
    ("light_client/rules/units.py", "import meter_io", "know nobody"),
    ("light_client/rules/units.py", "import light_client.wallet", "Inside light_client"),
    ("light_client/wallet.py", "import light_client.store", "Inside light_client"),
    ("light_client/messages.py", "import light_client.session", "Inside light_client"),
    ("light_client/helpers.py", "", "Inside light_client"),
    ("firmware_app/cli.py", "import testbed", "Nothing on the device"),
    ("firmware_app/cli.py", "from scipy.optimize import linprog", "Nothing on the device"),
    ("meter_io/__init__.py", "import ortools", "Nothing on the device"),
    ("light_client/rules/units.py", "import numpy", "numpy only"),
    ("firmware_app/cli.py", "def load() -> None:\n    import numpy", "numpy only"),
    ("light_client/rules/merkle.py", "import time", "rules are pure"),
    ("light_client/rules/market/offer.py", "from datetime import datetime", "rules are pure"),
    ("light_client/rules/merkle.py", "import random", "rules are pure"),
    ("light_client/rules/merkle.py", "from ecdsa import SigningKey", "rules.crypto alone"),
    ("firmware_app/cli.py", "import deploy.operator", "Nothing on the device"),
    ("deploy/operator/keys.py", "import testbed", "The tier and the operator"),
    ("deploy/broker/access.py", "import deploy.operator", "The tier and the operator"),
    ("deploy/operator/keys.py", "from ecdsa import SigningKey", "rules.crypto alone"),
    ("testbed/cli/version.py", "from coincurve import PrivateKey", "rules.crypto alone"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import linter on the copy in `folder`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", ".importlinter"]
    environ = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages and the contracts, to be spoilt."""
    shutil.copy(REPOSITORY / ".importlinter", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.toml")
        )
    return tmp_path


def test_every_arrow_holds() -> None:
    done = lint(REPOSITORY)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(("file", "breach", "contract"), BREACHES)
def test_a_planted_breach_is_caught(copy: Path, file: str, breach: str, contract: str) -> None:
    for missing in ("light_client/wallet.py", "light_client/session.py", "light_client/store.py"):
        if not (copy / missing).with_suffix("").is_dir():
            (copy / missing).touch()
    with (copy / file).open("a", encoding="utf-8") as spoilt:
        spoilt.write(f"\n{breach}\n")
    done = lint(copy)
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert done.returncode == 1, done.stdout
    assert any(contract in line for line in broken), done.stdout


def test_every_package_of_ours_is_under_contract() -> None:
    found = {folder.parent.name for folder in REPOSITORY.glob("*/__init__.py")}
    assert found == set(PACKAGES)
    roots = (
        (REPOSITORY / ".importlinter").read_text().split("root_packages =")[1].split("include_external")[0]
    )
    assert set(roots.split()) == found
