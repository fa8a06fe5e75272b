"""The published workbooks of the 12- and 120-community markets: devices, loads, and the recorded results.

Sheets are told by their names without spaces, in singular or plural. Powers are MWh in the one hour, prices CNY/MWh.
Data defect, known and corrected by ``defect_corrected``: the CHP plants of some communities stand for several units.

Source: the data published with the Proof-of-Solution paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

from testbed.experiments.wuzhong.model import Community, Device, Kind, Market, Plant
from testbed.scenarios.errors import ScenarioFileError

_UNITS_OF_CHP: Final = {1: 0.5, 3: 0.5, 4: 0.5, 9: 0.4}
"""Place of a community within its group of twelve -> factor of its plants' quadratic terms (found by matching gas)."""
_GROUP: Final = 12
_NINTH_OF_FIRST_GROUP: Final = 0.6


def read_market(path: Path) -> Market:
    """A market as its workbook states it.

    Raises:
        ScenarioFileError: a sheet is missing, or holds something else.
    """
    sheets = _sheets(path)
    devices: dict[int, list[Device]] = {}
    zone_of: dict[int, int] = {}
    for kind, sheet in ((Kind.CHP, "CHP"), (Kind.HEAT_PUMP, "GSHP")):
        for row in _rows(path, sheets, sheet, 9):
            first2, first1, second2, second1, low, high, community, zone = row[1:9]
            device = Device(kind, (first1, second1), (first2, second2), low, high)
            devices.setdefault(int(community), []).append(device)
            zone_of[int(community)] = int(zone)
    for kind, sheet in ((Kind.CHILLER, "CERG"), (Kind.ABSORBER, "WARG"), (Kind.BOILER, "GB")):
        for row in _rows(path, sheets, sheet, 7):
            second, first, low, high, community, zone = row[1:7]
            devices.setdefault(int(community), []).append(Device(kind, (first,), (second,), low, high))
            zone_of[int(community)] = int(zone)
    plants = {
        int(row[6]): Plant(quadratic=row[1], linear=row[2], fixed=row[3], low=row[4], high=row[5])
        for row in _rows(path, sheets, "local power plant", 8)
    }
    heat_plants = [(row[2], row[3]) for row in _rows(path, sheets, "local heat plant", 4)]
    communities = []
    for row in _rows(path, sheets, "load", 5):
        number = int(row[0])
        communities.append(
            Community(
                number=number,
                zone=zone_of[number] - 1,
                electricity=row[1] - row[4],
                heat=row[2],
                cooling=row[3],
                devices=tuple(devices.get(number, ())),
                plant=plants.get(number),
            )
        )
    return Market(communities=tuple(communities), heat_limits=tuple(limit for limit, _ in heat_plants))


def defect_corrected(market: Market) -> Market:
    """The market with the plants that the published results were computed with (defect D1)."""
    return Market(
        communities=tuple(_corrected(community) for community in market.communities),
        heat_limits=market.heat_limits,
    )


def _corrected(community: Community) -> Community:
    group, place = divmod(community.number - 1, _GROUP)
    factor = _UNITS_OF_CHP.get(place + 1, 1.0)
    if place + 1 == 9 and group == 0:
        factor = _NINTH_OF_FIRST_GROUP
    devices = tuple(
        device._replace(quadratic=tuple(value * factor for value in device.quadratic))
        if device.kind is Kind.CHP
        else device
        for device in community.devices
    )
    return community.with_devices(devices)


def read_results(path: Path) -> list[list[tuple[float, float, float, float]]]:
    """Gas, electricity, heat and cost per community, for each recorded block: honest, cheated, blacklisted."""
    rows = _sheets(path)["energypurchasebycommunity"]
    numbered = [row for row in rows if isinstance(row[0], int | float)]
    blocks = (len([value for value in numbered[0] if value is not None]) - 1) // 4
    found: list[list[tuple[float, float, float, float]]] = []
    for first in range(1, 1 + 4 * blocks, 4):
        columns = [[float(row[first + at]) for row in numbered] for at in range(4)]
        found.append(list(zip(*columns, strict=True)))
    return found


def _sheets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    import openpyxl  # noqa: PLC0415 - only where the data is

    try:
        book = openpyxl.load_workbook(path, data_only=True, read_only=True)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ScenarioFileError(
            path, "workbook", "cannot be read", got=str(error), expected="an .xlsx file"
        ) from None
    found = {_key(sheet.title): list(sheet.iter_rows(values_only=True)) for sheet in book}
    book.close()
    return found


def _key(name: str) -> str:
    return name.replace(" ", "").lower().removesuffix("s")


def _rows(
    path: Path, sheets: dict[str, list[tuple[Any, ...]]], name: str, columns: int
) -> Sequence[tuple[float, ...]]:
    if _key(name) not in sheets:
        raise ScenarioFileError(path, f"sheet {name}", "missing", got=sorted(sheets), expected=name)
    rows = []
    for number, row in enumerate(sheets[_key(name)][1:], start=2):
        if all(value is None for value in row):
            continue
        values = row[:columns]
        if any(not isinstance(value, int | float) for value in values[: min(columns, 8)]):
            raise ScenarioFileError(
                path, f"sheet {name}, row {number}", "no numbers", got=row, expected="numbers"
            )
        rows.append(tuple(float(value) for value in values if isinstance(value, int | float)))
    return rows
