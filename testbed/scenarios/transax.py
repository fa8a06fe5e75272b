"""Reads the published 102-home microgrid: one CSV per home, one offer per row.

``prosumer_<F><HH>.csv`` is house HH on feeder F; rows are ``startTime,endTime,energy``: interval numbers
1..96 of the day and the *mean power in kW* (positive sells, negative buys), although the column says energy.
One interval is 900 s, so the energy is ``kW * 1000 * 900`` J, exact from the decimal string: 0.1 kW is 90,000
J. The data has no licence and is not part of the project.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from light_client.rules.units import LOT_J, Side
from testbed.scenarios.errors import DataUnavailableError, ScenarioFileError
from testbed.scenarios.model import (
    HomeDay,
    PlannedOffer,
    Scenario,
    equal_feeders,
    first_interval_of,
)
from testbed.scenarios.planning import Posting

INTERVAL_S = 900
INTERVALS = 96
HEADER = "startTime,endTime,energy"
_NAME = re.compile(r"prosumer_([1-9]\d*)(\d\d)\.csv")
_WHOLE = re.compile(r"\d{1,6}")
_DECIMAL = re.compile(r"-?\d{1,6}(\.\d{1,6})?")
_JOULES_PER_KW = 1_000 * INTERVAL_S


class Row(NamedTuple):
    """One offer of one home as its file states it."""

    home_id: int
    feeder: int
    first: int
    last: int
    energy_j: int
    """Signed: positive sells, negative buys."""


def _interval(path: Path, line: int, field: str, text: str) -> int:
    number = int(text) if _WHOLE.fullmatch(text) else 0
    if not 1 <= number <= INTERVALS:
        raise ScenarioFileError(
            path,
            f"line {line}, {field}",
            "no interval",
            got=text,
            expected=f"1..{INTERVALS}",
        )
    return number


def _energy(path: Path, line: int, text: str) -> int:
    """Signed joules of a mean power in kW; refuses zero, and a fraction of a Wh rather than rounding it."""
    energy_j = Decimal(text) * _JOULES_PER_KW if _DECIMAL.fullmatch(text) else Decimal(0)
    if not energy_j or energy_j % LOT_J:
        expected = "a mean power in kW, not zero, that makes whole Wh in 900 s"
        raise ScenarioFileError(path, f"line {line}, energy", "bad value", got=text, expected=expected)
    return int(energy_j)


def _read_home(path: Path) -> list[Row]:
    """All rows of one home's file."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ScenarioFileError(
            path,
            "file name",
            "cannot be read",
            got=path.name,
            expected="prosumer_<feeder><house, 2 digits>.csv",
        )
    feeder, house = int(match[1]), int(match[2])
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != HEADER:
        raise ScenarioFileError(path, "line 1", "bad header", got=lines[0] if lines else "", expected=HEADER)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        values = line.split(",")
        if len(values) != 3:
            raise ScenarioFileError(
                path,
                f"line {number}",
                "number of values",
                got=len(values),
                expected="3",
            )
        first = _interval(path, number, "startTime", values[0])
        last = _interval(path, number, "endTime", values[1])
        if last < first:
            raise ScenarioFileError(
                path,
                f"line {number}, endTime",
                "ends before it starts",
                got=last,
                expected=f"{first} or later",
            )
        rows.append(
            Row(
                feeder * 100 + house,
                feeder,
                first,
                last,
                _energy(path, number, values[2]),
            )
        )
    return rows


def read_rows(folder: Path) -> list[Row]:
    """Every row of every home: files in lexicographic order, as the scaling recipe wants, rows in file order.

    Raises:
        DataUnavailableError: the folder holds no such file.
        ScenarioFileError: a file is wrong; nothing of the others is returned either.
    """
    paths = sorted(folder.glob("prosumer_*.csv"), key=lambda path: path.name)
    if not paths:
        raise DataUnavailableError(
            f"no prosumer_*.csv in {folder}: the published microgrid data must be obtained separately"
        )
    return [row for path in paths for row in _read_home(path)]


def _home_day(home_id: int, feeder: int, rows: Sequence[Row]) -> HomeDay:
    """What a meter behind these rows sees, as far as net values tell.

    Bought energy is load, sold energy generation; an offer over several intervals is what a battery stored,
    in its first.
    """
    load, pv = [0] * INTERVALS, [0] * INTERVALS
    for row in rows:
        target = pv if row.energy_j > 0 else load
        target[row.first - 1] += abs(row.energy_j)
    return HomeDay(home_id=home_id, feeder=feeder, load_j=tuple(load), pv_j=tuple(pv))


def microgrid(
    folder: Path,
    *,
    day: date,
    c_ext_w: int,
    c_int_w: int | None = None,
    price_uc_per_kwh: int = 150_000,
    posting: Posting | None = None,
    name: str = "transax",
) -> Scenario:
    """The microgrid of ``folder`` on ``day``, at one price for all: the data states none.

    Args:
        c_ext_w: the most net power into or out of each feeder, W (20,000 in the paper as far as can be told).
        c_int_w: the most production, and consumption, inside each feeder, W; None for no limit.
    """
    rows, posting = read_rows(folder), posting or Posting()
    day_first = first_interval_of(day, INTERVAL_S)
    of_home: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        of_home[row.home_id].append(row)
    offers = tuple(
        PlannedOffer(
            home_id=row.home_id,
            feeder=row.feeder,
            side=Side.SELL if row.energy_j > 0 else Side.BUY,
            energy_j=abs(row.energy_j),
            first_interval=day_first + row.first - 1,
            last_interval=day_first + row.last - 1,
            price_uc_per_kwh=price_uc_per_kwh,
            post_interval=posting.interval_for(day_first + row.first - 1, day_first),
        )
        for row in rows
    )
    return Scenario(
        name=name,
        interval_s=INTERVAL_S,
        first_interval=day_first,
        intervals=INTERVALS,
        feeders=equal_feeders({row.feeder for row in rows}, c_ext_w=c_ext_w, c_int_w=c_int_w),
        homes=tuple(_home_day(home, of_home[home][0].feeder, of_home[home]) for home in sorted(of_home)),
        offers=offers,
    )
