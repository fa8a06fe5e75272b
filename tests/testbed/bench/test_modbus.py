"""The Modbus bench: every reader reads the same, and the aims compare ours with the best of the others."""

import pytest

from testbed.bench import modbus
from testbed.bench.section import Options
from testbed.bench.suites import SUITES, suite
from testbed.solver.errors import NotSolvedError


def test_the_readers_take_turns_and_read_the_same() -> None:
    steps: list[str] = []
    options = Options(quick=True)
    section = suite("modbus").measure(options, steps.append)
    assert len(steps) == suite("modbus").steps(options) == 3
    rows = {row["reader"]: row for row in section.document["readers"]}
    assert set(rows) == {"gridlight", "pymodbus", "minimalmodbus"}
    assert all(row["rounds_per_s"] > 1 and row["cpu_us_per_round"] > 1 for row in rows.values())
    assert rows["gridlight"]["resident_kb"] < rows["pymodbus"]["resident_kb"]
    assert [aim.unit.split(",")[0] for aim in section.aims] == ["a second", "us", "kB"]
    assert section.aims[0].measured == rows["gridlight"]["rounds_per_s"]
    assert list(SUITES).index("modbus") >= 0


def test_readers_that_disagree_are_an_error() -> None:
    run = {"wall_s": 1.0, "cpu_s": 1.0, "resident_kb": 1, "values": [1.0]}
    with pytest.raises(NotSolvedError, match="the same values"):
        modbus._section({"gridlight": [run], "pymodbus": [{**run, "values": [2.0]}]}, 1, "x")
    with pytest.raises(NotSolvedError, match="failed"):
        modbus._run("minimalmodbus", "/dev/none", 1)
