"""The wheel for boards: the three device packages, their declared dependencies, and nothing else, really start."""

import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
IMPORT_ALL = """
import importlib, pkgutil, sys
EXTRA = {"cryptography", "paho"}
count = 0
for package in ("firmware_app", "light_client", "meter_io"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as missing:
                # what a board without a fleet never loads
                if not module.name.startswith("firmware_app.management.") or missing.name not in EXTRA:
                    raise
            count += 1
assert importlib.util.find_spec("testbed") is None
assert importlib.util.find_spec("deploy") is None
print(count, *{"scipy", "ortools", "highspy", "pandas", "matplotlib"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def needed(requirements: list[str]) -> set[str]:
    """Return the names of all distributions that a list of requirements draws in, without extras."""
    found: set[str] = set()
    waiting = [text for text in requirements if "extra ==" not in text]
    while waiting:
        name = waiting.pop().split(";")[0].split("[")[0]
        name = name[: next((at for at, letter in enumerate(name) if letter in " <>=!~("), len(name))]
        if name not in found:
            found.add(name)
            waiting += [text for text in distribution(name).requires or [] if ";" not in text]
    return found


def link_into(folder: Path, installed: Distribution) -> None:
    """Make an installed distribution importable from `folder`, alone."""
    tops = {file.parts[0] for file in installed.files or [] if file.parts[0] not in {"..", "__pycache__"}}
    for top in tops:
        (folder / top).symlink_to(Path(str(installed.locate_file(top))).resolve())


def test_it_holds_the_three_packages_and_one_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    tops = {name.split("/")[0] for name in names}
    assert tops == {"firmware_app", "light_client", "meter_io", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    assert entry_points.split() == ["[console_scripts]", "gridlight", "=", "firmware_app.cli:main"]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.slow
def test_it_starts_in_an_empty_environment_with_its_declared_dependencies_alone(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (text,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("METADATA")]
    names = needed(Parser().parsestr(text).get_all("Requires-Dist", []))
    assert "ecdsa" in names
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for name in names:
        link_into(dependencies, distribution(name))
    board = tmp_path / "board"
    venv.create(board, with_pip=False, symlinks=True)
    (site_packages,) = board.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    environ = {**os.environ, "PYTHONPATH": str(dependencies), "PYTHONSAFEPATH": "1"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [board / "bin" / "python", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    count, *heavy = run("-c", IMPORT_ALL).split()
    assert int(count) > 10
    assert heavy == []
    assert "signatures by" in run("-m", "firmware_app", "version")
