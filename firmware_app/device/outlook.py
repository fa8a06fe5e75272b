"""From metered intervals to the net position to come: one forecast of the net, or load and generation each by itself.

    only a grid meter       net load is learnt as one series
    a grid and PV meters    generation is what the PV meters fed in, load is import - export + generation
    a battery as well       where it is planned with, its flows are taken out: the forecast is of the home without it

An interval counts only when all meters have told of it; a later one of the grid meter closes what is still open.
"""

from __future__ import annotations

from typing import Final

from firmware_app.bidding.position import net_of
from firmware_app.config.schema import Role
from firmware_app.forecast.forecaster import MAX_DAYS_AHEAD, Forecaster
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.forecast.settings import DAY_S, ForecastSettings, Series
from firmware_app.store.device_store import DeviceStore
from meter_io.intervals import IntervalEnergy
from meter_io.span import Basis

_KEEP_EVERY: Final = 8
"""What was learnt is kept after so many intervals: a power cut costs two hours of learning, the flash is spared."""
_MAX_OPEN: Final = 96


class Outlook:
    """The forecast of one home, fed by its meters."""

    def __init__(
        self,
        settings: ForecastSettings,
        store: DeviceStore,
        *,
        interval_s: int,
        pv_meters: int,
        battery: str | None = None,
    ) -> None:
        """Go on with what was learnt in an earlier life.

        Args:
            battery: meter of a battery that is planned with.
        """
        self._store = store
        self._slots = DAY_S // interval_s
        self._pv_meters = pv_meters
        series = (Series.LOAD, Series.GENERATION) if pv_meters else (Series.NET,)
        self.forecasters = {one: _forecaster(one, settings, store, interval_s=interval_s) for one in series}
        self._grid: dict[int, IntervalEnergy] = {}
        self._pv: dict[int, list[IntervalEnergy]] = {}
        self._battery = battery
        self._stored: dict[int, IntervalEnergy] = {}
        self._learnt = 0

    def take(self, role: Role, energy: IntervalEnergy) -> None:
        """Take in an interval of a meter that is over."""
        if role is Role.GRID:
            self._grid[energy.interval] = energy
        elif role is Role.PV and self._pv_meters:
            self._pv.setdefault(energy.interval, []).append(energy)
        elif energy.meter == self._battery:
            self._stored[energy.interval] = energy
        for interval in sorted(self._grid):
            complete = len(self._pv.get(interval, ())) >= self._pv_meters
            complete = complete and (self._battery is None or interval in self._stored)
            if not complete and interval >= max(self._grid):
                break
            stored = self._stored.pop(interval, None)
            self._learn(self._grid.pop(interval), tuple(self._pv.pop(interval, ())), stored)
        for books in (self._pv, self._stored):
            for stale in sorted(books)[:-_MAX_OPEN]:
                del books[stale]

    def _learn(
        self, grid: IntervalEnergy, pv: tuple[IntervalEnergy, ...], stored: IntervalEnergy | None
    ) -> None:
        seen = self._battery is None or stored is not None
        net_j = -_fed_in(grid) + (0 if stored is None else _fed_in(stored))
        told = (grid, *pv, *(() if stored is None else (stored,)))
        basis = _worst(tuple(one.basis for one in told))
        if not self._pv_meters:
            self.forecasters[Series.NET].learn(grid.interval, net_j if seen else None, basis)
        else:
            known = len(pv) >= self._pv_meters
            generation_j = max(0, sum(map(_fed_in, pv)))
            load_j = net_j + generation_j
            load_known = seen and known and load_j >= 0
            self.forecasters[Series.GENERATION].learn(grid.interval, generation_j if known else None, basis)
            self.forecasters[Series.LOAD].learn(grid.interval, load_j if load_known else None, basis)
        self._learnt += 1
        if self._learnt % _KEEP_EVERY == 0:
            self.keep()

    def keep(self) -> None:
        """Have everything that was learnt written with the store's next batch."""
        for series, forecaster in self.forecasters.items():
            self._store.keep(_kept(series), forecaster.to_bytes())

    def net(self, first_interval: int, count: int) -> QuantileForecast | None:
        """Generation less load of coming intervals; None where nothing is known yet."""
        count = min(count, MAX_DAYS_AHEAD * self._slots)
        told = {
            series: forecaster.predict(first_interval, count)
            for series, forecaster in self.forecasters.items()
        }
        if any(not forecast.energy_j for forecast in told.values()):
            return None
        if Series.NET in told:
            load = told[Series.NET]
            return net_of(load, _nothing_like(load))
        return net_of(told[Series.LOAD], told[Series.GENERATION])


def _forecaster(
    series: Series, settings: ForecastSettings, store: DeviceStore, *, interval_s: int
) -> Forecaster:
    kept = store.kept(_kept(series))
    if kept is None:
        return Forecaster(settings, interval_s=interval_s, series=series)
    return Forecaster.from_bytes(kept, settings, interval_s=interval_s, series=series)


def _fed_in(energy: IntervalEnergy) -> int:
    """Export less import, J; a direction without a counter counts as nothing."""
    import_j, export_j = energy.energy_j
    return (export_j or 0) - (import_j or 0)


def _kept(series: Series) -> str:
    return f"forecast:{series.name.lower()}"


def _nothing_like(load: QuantileForecast) -> QuantileForecast:
    """No generation at all, over the intervals of a forecast: net load has it taken off already."""
    nothing = (0,) * len(load.levels_permille)
    return QuantileForecast(
        first_interval=load.first_interval,
        levels_permille=load.levels_permille,
        energy_j=(nothing,) * len(load.energy_j),
        is_fallback=load.is_fallback,
    )


_ORDER: Final = (Basis.MEASURED, Basis.ESTIMATED, Basis.UNKNOWN)


def _worst(bases: tuple[Basis, ...]) -> Basis:
    return max(bases, key=_ORDER.index)
