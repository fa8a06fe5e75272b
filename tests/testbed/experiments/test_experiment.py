"""The command and its page: figures in and out of their bounds, names that do not exist, the same bytes each time."""

import json
from pathlib import Path

import pytest
from numpy import float64

from testbed.cli import main
from testbed.experiments import page, score_dpos
from testbed.experiments.catalogue import EXPERIMENTS, experiment
from testbed.experiments.findings import Comparison, Findings, Options


def a_figure(ours: float) -> Comparison:
    return Comparison(what="figure", unit="kWh", ours=ours, low=1, high=2, paper=3.0, note="why")


def found(ours: float) -> Findings:
    return Findings(
        conclusions=("It is so.",),
        comparisons=(a_figure(ours),),
        document={},
        pictures=(),
        settings=("seed 1",),
    )


@pytest.mark.parametrize(("ours", "met"), [(0.9, False), (1.0, True), (2.0, True), (2.1, False)])
def test_a_figure_is_met_within_its_bounds_only(ours: float, met: bool) -> None:
    assert a_figure(ours).met is met
    assert found(ours).holds is met
    assert a_figure(ours).line().startswith("ok" if met else "OUT")


def test_what_numpy_computed_can_be_printed_as_json() -> None:
    document = a_figure(float64(1.5)).document()
    assert json.loads(json.dumps(document))["met"] is True


def test_a_page_says_what_is_out_of_bounds(tmp_path: Path) -> None:
    text = page.write_page(tmp_path, "score-dpos", score_dpos, found(5.0)).read_text()
    assert "| **out** | why |" in text
    assert "gridlight-testbed experiment score-dpos" in text
    index = page.write_index(tmp_path, {"score-dpos": (score_dpos, found(5.0))}).read_text()
    assert "out of their bounds" in index
    assert (
        "out of their bounds" not in page.write_index(tmp_path, {"x": (score_dpos, found(1.5))}).read_text()
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_what_it_is(name: str) -> None:
    module = experiment(name)
    assert module.TITLE
    assert module.SUMMARY.endswith(".")
    assert module.PAPER
    assert module.steps(Options()) > 0


def test_an_unknown_name_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "score-dops"]) == 2
    assert "score-dpos" in capsys.readouterr().err


def test_performs_writes_and_repeats_to_the_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_dpos, "QUICK_RUNS", 4)
    pages = []
    for folder in ("one", "two"):
        work, report = str(tmp_path / "work"), str(tmp_path / folder)
        code = main(["experiment", "score-dpos", "--quick", "--json", "--work", work, "--report", report])
        document = json.loads(capsys.readouterr().out)
        assert document["schema"] == "gridlight.experiment/1"
        assert code == (0 if document["experiments"][0]["holds"] else 1)
        pages.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert pages[0] == pages[1]
    assert {"score-dpos.md", "score-dpos-shares.svg"} <= pages[0].keys()


def test_missing_data_ends_with_2_after_everything_else_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_dpos, "QUICK_RUNS", 2)
    command = ["experiment", "score-dpos", "ies-dispatch", "--quick", "--data", str(tmp_path)]
    assert main([*command, "--work", str(tmp_path / "work")]) == 2
    told = capsys.readouterr()
    assert "score-dpos: " in told.out
    assert "--data" in told.err
    assert "ies-dispatch: left out" in told.err
    assert "get it from its authors" in told.err
    assert "next: gridlight-testbed experiment score-dpos ies-dispatch --data DIR" in told.err


def test_an_interpreter_that_is_not_there_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", "peers", "--peers", str(tmp_path / "python"), "--work", str(tmp_path)]) == 2
    assert "there is no interpreter" in capsys.readouterr().err


def test_all_of_them_say_how_many_were_met_and_how_long_it_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_dpos, "QUICK_RUNS", 2)
    monkeypatch.setattr(
        "testbed.experiments.catalogue.EXPERIMENTS", {"score-dpos": "testbed.experiments.score_dpos"}
    )
    main(["experiment", "all", "--quick", "--json", "--work", str(tmp_path)])
    told = capsys.readouterr()
    document = json.loads(told.out)
    met = sum(figure["met"] for figure in document["experiments"][0]["figures"])
    assert f"{met} of {len(document['experiments'][0]['figures'])} figures met; this start took" in told.err
    assert "took" not in told.out, "the same findings are the same bytes"


def test_only_everything_in_full_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names in (["score-dpos"], ["all", "--quick"]):
        assert main(["experiment", *names, "--publish", str(tmp_path)]) == 2
        assert "--publish" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
