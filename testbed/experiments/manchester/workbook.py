"""The published workbooks of the integrated energy system: parameters, and the two recorded dispatches.

Headers are drawings, so rows are told by where they stand. Defects of the data, each corrected here, and listed in
``DEFECTS`` for whoever reads the results:
the heat conductance of pipes is printed a thousand times too large for its label; heat node 35 has a load of 1 kW where
the recorded dispatch was computed with 1000; gas node 2 is rounded; gas pipes' diameters are printed in two units, of
which the gas network, which binds nowhere, knows decimetres.

Source: the data published with the Proof-of-Solution paper; corrections by its public code.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final, TypeAlias
from zipfile import BadZipFile

from testbed.experiments.manchester.model import Branch, Dispatch, Hub, Store, System, Table
from testbed.scenarios.errors import ScenarioFileError

Sheet: TypeAlias = list[tuple[Any, ...]]

DEFECTS: Final = (
    "conductance of heat pipes: the sheet's number / 1000 is W/(m K)",
    "heat node 35: 1000 kW instead of the sheet's 1 kW, as in the recorded dispatch",
    "gas node 2: 36.225 instead of the sheet's rounded 36 (without influence)",
    "storage retention 0.999, as in this workbook; the one shipped with the published tests has 0.95",
)
_HEAT_DEFECT: Final = (35, 1.0, 1_000.0)
_GAS_DEFECT: Final = (2, 36.0, 36.225)
_NOMINAL_KV: Final = 6.6
_MOST_AMPS2: Final = 9_000.0
"""The published model's; the sheet's 95 A would be 9025 A²."""
_GAS_PRESSURE: Final = 7.0
_MM_PER_UNIT: Final = 1_000.0
_WEYMOUTH: Final = 11.7


def read_system(path: Path) -> System:
    """The system as its workbook states it, defects corrected.

    Raises:
        ScenarioFileError: a sheet is missing, or holds something else.
    """
    book = _Book(path)
    electric, lines = book.network("Electric network", 4, 5)
    heat, pipes = book.network("Heat network", 3, 5)
    gas, gas_pipes = book.network("Gas network", 3, 5)
    limits = book.column("Electric network", len(electric) + 2, 2)
    water = book.column("Heat network", len(heat) + len(pipes) + 6, 4)
    hubs = book.sheet("Energy hubs")
    boilers = [book.numbers("Energy hubs", row, 3) for row in range(2, 10)]
    costs = [book.numbers("Energy hubs", row, 6) for row in range(25, 33)]
    chp = book.numbers("Energy hubs", 13, 3)
    system = book.sheet("System")
    heat_loads = _corrected(path, [row[2] for row in heat], _HEAT_DEFECT)
    gas_loads = _corrected(path, [row[2] for row in gas], _GAS_DEFECT)
    return System(
        hubs=tuple(
            Hub(
                _node_of(electric, number + 1),
                _node_of(heat, number + 1),
                _node_of(gas, number + 1),
                boilers[number][1],
                (row[1], row[2], row[3], row[4], row[5]),
            )
            for number, row in enumerate(costs)
        ),
        chp=chp[0],
        chp_efficiency=chp[1],
        heat_per_power=chp[2],
        boiler_efficiency=boilers[0][2],
        boiler_cost=_number(path, hubs[35][1]),
        battery=Store(*book.numbers("Energy hubs", 17, 5)),
        tank=Store(*book.numbers("Energy hubs", 21, 5)),
        loads=tuple(row[2] for row in electric),
        reactive_loads=tuple(row[3] for row in electric),
        lines=tuple(Branch(int(row[1]) - 1, int(row[2]) - 1, row[3], row[4]) for row in lines),
        source=_node_of(electric, -1),
        nominal_kv=_NOMINAL_KV,
        volts=(limits[0] ** 2, limits[1] ** 2),
        amps=_MOST_AMPS2,
        heat_loads=heat_loads,
        pipes=tuple(Branch(int(row[1]) - 1, int(row[2]) - 1, row[3] * row[4] / 1_000) for row in pipes),
        draw=water[0],
        supply=water[1],
        ambient=water[2],
        heat_capacity=water[3],
        gas_loads=gas_loads,
        gas_pipes=tuple(
            Branch(int(row[1]) - 1, int(row[2]) - 1, _WEYMOUTH * row[3] / (_MM_PER_UNIT * row[4]) ** 5)
            for row in gas_pipes
        ),
        gas_source=_node_of(gas, -1),
        gas_pressure=_GAS_PRESSURE,
        prices=tuple(_number(path, value) for value in system[2][1:25]),
        factors=tuple(_number(path, value) for value in system[6][2:26]),
    )


def read_dispatch(path: Path, which: str) -> tuple[Dispatch, Table]:
    """A recorded dispatch, ``optimal`` or ``non-optimal``, and the battery levels recorded with it.

    Raises:
        ScenarioFileError: a sheet is missing, or holds something else.
    """
    book = _Book(path)

    def every(name: str, offset: int, rows: int, first: int, width: int) -> Table:
        sheet = book.sheet(f"{name} ({which})")[1:]
        return tuple(
            tuple(_number(path, value) for value in sheet[rows * hour + offset][first : first + width])
            for hour in range(24)
        )

    return Dispatch(
        chp=every("CHP", 0, 2, 2, 8),
        boiler=every("Gas boiler", 0, 1, 1, 8),
        charged=every("Battery", 1, 3, 2, 8),
        discharged=every("Battery", 2, 3, 2, 8),
        stored=every("Heat tank", 1, 3, 2, 8),
        released=every("Heat tank", 2, 3, 2, 8),
        grid=tuple(row[0] for row in every("CHP", 0, 2, 10, 1)),
    ), every("Battery", 0, 3, 2, 8)


class _Book:
    """A workbook's sheets by name."""

    def __init__(self, path: Path) -> None:
        import openpyxl  # noqa: PLC0415 - only where the data is

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Cannot parse header or footer")
                book = openpyxl.load_workbook(path, data_only=True)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ScenarioFileError(
                path, "workbook", "cannot be read", got=str(error), expected="an .xlsx file"
            ) from None
        self._path = path
        self._sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}

    def sheet(self, name: str) -> Sheet:
        if name not in self._sheets:
            raise ScenarioFileError(
                self._path, f"sheet {name}", "missing", got=sorted(self._sheets), expected=name
            )
        return self._sheets[name]

    def numbers(self, name: str, row: int, count: int) -> tuple[float, ...]:
        """The first cells of a row, which counts from 0."""
        cells = self.sheet(name)[row][:count]
        return tuple(_number(self._path, cell) for cell in cells)

    def column(self, name: str, row: int, count: int) -> tuple[float, ...]:
        """The second cells of rows."""
        return tuple(_number(self._path, self.sheet(name)[row + step][1]) for step in range(count))

    def network(
        self, name: str, node: int, branch: int
    ) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
        """Nodes and branches: rows that begin with 1, 2, 3 and so on, in two blocks."""
        blocks: list[list[tuple[float, ...]]] = []
        for row in self.sheet(name):
            if row[0] == 1:
                blocks.append([])
            if blocks and row[0] == len(blocks[-1]) + 1:
                width = (node, branch)[len(blocks) - 1]
                blocks[-1].append(tuple(_number(self._path, cell) for cell in row[:width]))
        if len(blocks) != 2:
            raise ScenarioFileError(
                self._path, f"sheet {name}", "blocks", got=len(blocks), expected="nodes and branches"
            )
        return blocks[0], blocks[1]


def _number(path: Path, cell: object) -> float:
    if not isinstance(cell, int | float):
        raise ScenarioFileError(path, "workbook", "no number", got=cell, expected="a number")
    return float(cell)


def _node_of(nodes: list[tuple[float, ...]], kind: int) -> int:
    return next(index for index, row in enumerate(nodes) if row[1] == kind)


def _corrected(path: Path, loads: list[float], defect: tuple[int, float, float]) -> tuple[float, ...]:
    node, wrong, right = defect
    if loads[node - 1] not in (wrong, right):
        raise ScenarioFileError(
            path, f"load of node {node}", "neither wrong nor right", got=loads[node - 1], expected=f"{wrong}"
        )
    return tuple(right if index == node - 1 else load for index, load in enumerate(loads))
