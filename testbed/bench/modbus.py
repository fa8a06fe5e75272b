"""Reading a Modbus meter, beside pymodbus and minimalmodbus used bare, from the same slave over the same pty.

Every reader keeps the silence between frames that the standard asks for, so rounds per second say little more than how
exactly it waits; CPU per round is what a board pays. Readers take turns, each in a process of its own.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from statistics import median
from typing import Any, Final

from testbed.bench.modbus_reader import ADDRESSES, READERS
from testbed.bench.section import Options, Section, Step, at_least, at_most
from testbed.fleet.foreign_slaves import LIBMODBUS, PYMODBUS, NoSlaveError, PtyLink, libmodbus, slave
from testbed.solver.errors import NotSolvedError

SUMMARY: Final = "Reading a Modbus meter: rounds a second, CPU and memory, beside pymodbus and minimalmodbus."
_ROUNDS: Final = (100, 1_000)
_TURNS: Final = (1, 5)
_LIMIT_S: Final = 120


def steps(options: Options) -> int:
    """How many times a reader runs."""
    return _TURNS[not options.quick] * len(READERS)


def measure(options: Options, step: Step) -> Section:
    """Let the readers take turns; medians count.

    Raises:
        NotSolvedError: a reader failed, or read something else than the others.
    """
    rounds, turns = _ROUNDS[not options.quick], _TURNS[not options.quick]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
    program = _slave_program()
    link = PtyLink()
    try:
        with slave(program, "serial", link.theirs, {1: _registers()}):
            for turn in range(turns):
                for name in READERS:
                    step(f"{name}, turn {turn + 1}")
                    runs[name].append(_run(name, link.ours, rounds))
    except NoSlaveError as error:
        raise NotSolvedError(str(error)) from None
    finally:
        link.close()
    return _section(runs, rounds, "libmodbus" if program == LIBMODBUS else "pymodbus")


def _slave_program() -> str:
    """The faster slave where it is installed."""
    try:
        libmodbus()
    except NoSlaveError:
        return PYMODBUS
    return LIBMODBUS


def _registers() -> dict[int, int]:
    cells = dict.fromkeys(range(80), 0)
    for place, address in enumerate(ADDRESSES[:-2]):  # the energies stay 0: ours become Wh, the others' kWh
        high, low = struct.unpack(">HH", struct.pack(">f", 230.5 + place))
        cells |= {address: high, address + 1: low}
    return cells


def _run(name: str, port: str, rounds: int) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "testbed.bench.modbus_reader", name, port, str(rounds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if done.returncode:
        raise NotSolvedError(f"{name} failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _section(runs: dict[str, list[dict[str, Any]]], rounds: int, slave_name: str) -> Section:
    if len({tuple(run["values"]) for found in runs.values() for run in found}) != 1:
        raise NotSolvedError("the readers did not read the same values")
    rows = [
        {
            "reader": name,
            "rounds_per_s": round(rounds / median(run["wall_s"] for run in found), 1),
            "cpu_us_per_round": round(median(run["cpu_s"] for run in found) / rounds * 1e6, 1),
            "resident_kb": round(median(run["resident_kb"] for run in found)),
        }
        for name, found in runs.items()
    ]
    ours, *others = rows
    aims = [
        at_least(
            "Modbus RTU rounds of 13 values",
            "a second, beside the fastest of the others",
            asked=max(float(row["rounds_per_s"]) for row in others),
            measured=float(ours["rounds_per_s"]),
        ),
        at_most(
            "CPU of a Modbus RTU round",
            "us, beside the least of the others",
            asked=min(float(row["cpu_us_per_round"]) for row in others),
            measured=float(ours["cpu_us_per_round"]),
        ),
        at_most(
            "resident memory of a Modbus reader",
            "kB, beside pymodbus",
            asked=float(others[0]["resident_kb"]),
            measured=float(ours["resident_kb"]),
        ),
    ]
    lines = [f"slave: {slave_name} over a pty, 76 registers a round; medians, each reader in its own process"]
    lines += [
        f"{row['reader']:<14} {row['rounds_per_s']:>8,.1f} rounds/s {row['cpu_us_per_round']:>8,.1f} us CPU"
        f" {row['resident_kb']:>8,} kB"
        for row in rows
    ]
    return Section(document={"slave": slave_name, "rounds": rounds, "readers": rows}, lines=lines, aims=aims)
