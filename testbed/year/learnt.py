"""What the device's own forecaster would have said at every hour of the year: learnt as the hours go by, never ahead.

both meters       load and generation learnt each by itself, as with a meter at the roof
grid meter alone  the net learnt as one series
"""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware_app.bidding.position import net_of, net_of_demand
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.forecast.settings import ForecastSettings, Series
from testbed.year.homes import Ints, Village, YearHome


class Learnt:
    """Forecasts of all homes; each is made once, however many trials ask for it."""

    def __init__(
        self, village: Village, settings: ForecastSettings | None = None, *, at_roof: bool = True
    ) -> None:
        """Begin with nothing learnt.

        Args:
            settings: of the forecasters; the device's own if not given.
            at_roof: whether generation is metered by itself.
        """
        self._village = village
        self._minds = [
            _Mind(home, village, settings or ForecastSettings(), at_roof=at_roof) for home in village.homes
        ]

    def net(self, home: int, place: int) -> QuantileForecast | None:
        """What was forecast at the beginning of the interval at ``place``, knowing those before it."""
        ahead = min(self._village.ahead, self._village.intervals - place)
        return self._minds[home].net(place, ahead)


class _Mind:
    """One home's forecasters, and what they said so far."""

    def __init__(
        self, home: YearHome, village: Village, settings: ForecastSettings, *, at_roof: bool
    ) -> None:
        load_j = home.sun_j - home.net_j
        series = (
            {Series.LOAD: load_j, Series.GENERATION: home.sun_j} if at_roof else {Series.NET: -home.net_j}
        )
        self._truth: Final = {one: energy_j.tolist() for one, energy_j in series.items()}
        self._forecasters: Final = {
            one: Forecaster(settings, interval_s=village.interval_s, series=one) for one in series
        }
        self._first = village.first_interval
        self._ahead = village.ahead
        self._told: list[tuple[tuple[int, ...], bool, Ints] | None] = []
        """Per place: levels, whether it is the fallback's, energies; None where nothing could be said."""

    def net(self, place: int, ahead: int) -> QuantileForecast | None:
        while len(self._told) <= place:
            self._say()
        told = self._told[place]
        if told is None:
            return None
        levels, is_fallback, energy_j = told
        return QuantileForecast(
            first_interval=self._first + place,
            levels_permille=levels,
            energy_j=tuple(map(tuple, energy_j[:ahead].tolist())),
            is_fallback=is_fallback,
        )

    def _say(self) -> None:
        """Learn what the hour before the next one held, and forecast from there."""
        place = len(self._told)
        if place:
            for series, forecaster in self._forecasters.items():
                forecaster.learn(self._first + place - 1, self._truth[series][place - 1])
        said = self._forecast(self._first + place)
        self._told.append(
            None
            if said is None
            else (said.levels_permille, said.is_fallback, np.array(said.energy_j, np.int64))
        )

    def _forecast(self, first_interval: int) -> QuantileForecast | None:
        told = {
            series: forecaster.predict(first_interval, self._ahead)
            for series, forecaster in self._forecasters.items()
        }
        if any(not forecast.energy_j for forecast in told.values()):
            return None
        if Series.NET in told:
            return net_of_demand(told[Series.NET])
        return net_of(told[Series.LOAD], told[Series.GENERATION])
