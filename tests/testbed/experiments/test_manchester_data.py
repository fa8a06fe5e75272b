"""The integrated energy system on its published data, which is read where it is and skipped visibly elsewhere."""

from pathlib import Path

import openpyxl
import pytest

from light_client.rules.verdict import Accepted
from testbed.experiments import ies_dispatch
from testbed.experiments.findings import Options
from testbed.experiments.manchester.certificate import Answer, judge, problem_of
from testbed.experiments.manchester.heat_loss import least_loss
from testbed.experiments.manchester.model import Tank, cost, levels, total_cost
from testbed.experiments.manchester.planning import recorded
from testbed.experiments.manchester.relaxation import Relaxation
from testbed.experiments.manchester.workbook import read_dispatch, read_system
from testbed.experiments.work import Work
from testbed.scenarios.errors import DataUnavailableError, ScenarioFileError


@pytest.fixture
def manchester(shared_data: Path) -> Path:
    """The published workbooks."""
    return shared_data / "manchester"


def test_the_workbook_is_read_with_its_defects_corrected(manchester: Path) -> None:
    system = read_system(manchester / "parameters.xlsx")
    assert sum(pipe.first for pipe in system.pipes) == pytest.approx(562.89)
    assert system.heat_loads[34] == 1_000
    assert system.gas_loads[1] == 36.225
    assert sum(system.loads) == 1_911
    assert (system.tank.retention, system.hours, len(system.hubs)) == (0.999, 24, 8)
    assert 45 < least_loss(system, 1.0) < 55


def test_recorded_costs_are_recomputed(manchester: Path) -> None:
    system = read_system(manchester / "parameters.xlsx")
    good, recorded_levels = read_dispatch(manchester / "results.xlsx", "optimal")
    assert cost(system, good) == pytest.approx((241.7307, 401.7434, 100.6187), abs=1e-4)
    assert total_cost(system, read_dispatch(manchester / "results.xlsx", "non-optimal")[0]) == pytest.approx(
        904.1742, abs=1e-4
    )
    into, out = ([row[2] for row in table] for table in (good.charged, good.discharged))
    found = levels(system.battery, into, out, None)
    assert found[:24] == pytest.approx([row[2] for row in recorded_levels])


def test_the_recorded_dispatch_is_feasible_and_close_to_the_bound(manchester: Path) -> None:
    system = read_system(manchester / "parameters.xlsx")
    problem = problem_of(system, Tank.VERBATIM)
    prices = Relaxation(system, Tank.VERBATIM, problem.heat).solve(4).prices
    done = recorded(system, Tank.VERBATIM, read_dispatch(manchester / "results.xlsx", "optimal")[0])
    assert done.moved_kw < 0.1
    judged = judge(problem, Answer(dispatch=done.dispatch, networks=done.networks, prices=prices))
    assert judged.verdict == Accepted()
    assert judged.cost == pytest.approx(744.093, abs=2e-3)
    assert judged.bound > 743.8


@pytest.mark.slow
def test_the_quick_experiment_holds(manchester: Path) -> None:
    asked: list[str] = []
    options = Options(quick=True, data=manchester.parent)
    findings = ies_dispatch.perform(options, Work(asked.append))
    assert findings.holds
    assert len(asked) == ies_dispatch.steps(options)


def test_without_data_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="--data"):
        ies_dispatch.perform(Options(data=tmp_path), Work(lambda _: None))


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parameters.xlsx"
    path.write_bytes(b"no workbook")
    with pytest.raises(ScenarioFileError, match="workbook"):
        read_system(path)


def test_a_workbook_without_its_sheets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parameters.xlsx"
    book = openpyxl.Workbook()
    book.save(path)
    with pytest.raises(ScenarioFileError, match="Electric network"):
        read_system(path)
