"""Fixtures for the whole suite: above all the one door to data that the project may use but not ship."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("gridlight", deadline=None)  # a busy machine is slow, not wrong
settings.register_profile(
    "emulated", deadline=None, max_examples=10
)  # under an emulator everything takes ten times as long
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gridlight"))

_REPOSITORY = Path(__file__).resolve().parent.parent


def _shared_folder(name: str) -> Path:
    """Return a folder of public vectors or real data that cannot be redistributed, or skip the test and say why."""
    base = Path(os.environ.get("GRIDLIGHT_SHARED") or _REPOSITORY.parent / "shared")
    folder = base / name
    if not folder.is_dir():
        pytest.skip(f"no {name} here: not redistributable, looked for {folder} (set GRIDLIGHT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """Public test vectors: `merkle/`, `wycheproof/`, `tendermint-light/`, `sml/`."""
    return _shared_folder("vectors")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data of published experiments: `transax/`, `wuzhong/`, `manchester/`."""
    return _shared_folder("data")


@pytest.fixture
def libmodbus() -> None:
    """A test that reads from libmodbus' slave, or is skipped and says why."""
    from testbed.fleet import foreign_slaves

    try:
        foreign_slaves.libmodbus()
    except foreign_slaves.NoSlaveError as error:
        pytest.skip(str(error))
