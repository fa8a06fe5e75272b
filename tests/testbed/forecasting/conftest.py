"""Series to judge forecasts on: measured ones, from the user's cache or downloaded once, and invented ones."""

from __future__ import annotations

import pytest

from firmware_app.forecast.settings import Series
from testbed.forecasting import measured
from testbed.forecasting.measured import MeasuredSeries
from testbed.scenarios.errors import DataUnavailableError
from tests.firmware_app.forecast.homes import MONDAY, energies, load


@pytest.fixture(scope="session")
def measured_series() -> tuple[MeasuredSeries, ...]:
    """The first 66 days of the ten measured homes."""
    try:
        return measured.homes(days=66)
    except DataUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def measured_plant() -> MeasuredSeries:
    """The measured photovoltaic plant."""
    try:
        return measured.plant()
    except DataUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def invented() -> MeasuredSeries:
    """A home with habits, sixty days by the hour."""
    return MeasuredSeries(
        place="home 1",
        series=Series.LOAD,
        interval_s=3_600,
        first_interval=MONDAY * 24,
        energy_j=tuple(energy_j for _, energy_j in energies(load(3_600), 3_600, 60)),
    )
