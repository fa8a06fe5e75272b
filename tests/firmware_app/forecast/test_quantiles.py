"""Reading a forecast: between its levels, beyond them, and outside its intervals."""

import pytest

from firmware_app.forecast.quantiles import QuantileForecast
from light_client.rules.errors import LocalError

FORECAST = QuantileForecast(
    first_interval=7, levels_permille=(100, 500, 900), energy_j=((0, 400, 500), (-5, 0, 5))
)


@pytest.mark.parametrize(
    ("level", "energy_j"), [(50, 0), (100, 0), (200, 100), (500, 400), (700, 450), (900, 500), (999, 500)]
)
def test_reads_between_and_beyond_levels(level: int, energy_j: int) -> None:
    assert FORECAST.at(7, level) == energy_j


@pytest.mark.parametrize("interval", [6, 9])
def test_refuses_intervals_that_it_does_not_know(interval: int) -> None:
    with pytest.raises(LocalError):
        FORECAST.at(interval, 500)


@pytest.mark.parametrize(
    ("levels", "values"),
    [((), ()), ((500, 100), ()), ((0,), ()), ((500,), ((1, 2),)), ((100, 900), ((2, 1),))],
)
def test_refuses_disorder(levels: tuple[int, ...], values: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(LocalError):
        QuantileForecast(first_interval=0, levels_permille=levels, energy_j=values)
