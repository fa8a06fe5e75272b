"""The published page belongs to its figures, its figures to what the experiments find, and no single home is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from testbed.experiments import results, score_dpos
from testbed.experiments.catalogue import EXPERIMENTS, experiment
from testbed.experiments.findings import Comparison, Findings, Options, Picture
from testbed.experiments.work import Work
from testbed.report.drawing import Size

DOCS = Path(__file__).parents[3] / "docs"
CHEAP = ("multi-energy-trading", "score-dpos")
"""Those whose quick form takes seconds."""


def draw(figure: Figure, size: Size) -> None:
    del size
    figure.subplots().plot([1, 2], [3, 4])


def a_picture(name: str, *, private: bool) -> Picture:
    return Picture(name=name, finding="It is so", caption="A line.", draw=draw, private=private)


FINDINGS = Findings(
    conclusions=("It is so.",),
    comparisons=(Comparison(what="figure", unit="kWh", ours=1.5, low=1, high=2, paper=3.0, note="why"),),
    document={},
    pictures=(a_picture("all", private=False), a_picture("home", private=True)),
    settings=("seed 1",),
)


def test_a_single_home_is_never_published(tmp_path: Path) -> None:
    page = results.publish(tmp_path, {"score-dpos": (score_dpos, FINDINGS)})
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "figures.json",
        "score-dpos-all.png",
    ]
    assert "score-dpos-home" not in page.read_text()
    assert "| figure | kWh | 3 | - | 1.5 | 1 to 2 | met | why |" in page.read_text()


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        results.publish(tmp_path / name, {"score-dpos": (score_dpos, FINDINGS)})
        written.append(
            {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        )
    assert written[0] == written[1]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """What is in the documentation."""
    return results.read(DOCS)


def test_the_page_is_made_from_its_figures(published: dict[str, Any]) -> None:
    assert (DOCS / "results.md").read_text() == results.page_of(published)
    files = {picture["file"] for one in published["experiments"] for picture in one["pictures"]}
    assert files == {path.name for path in (DOCS / "results").glob("*.png")}


def test_every_experiment_is_on_the_page_and_within_its_tolerances(published: dict[str, Any]) -> None:
    assert [one["name"] for one in published["experiments"]] == list(EXPERIMENTS)
    for one in published["experiments"]:
        assert one["figures"], one["name"]
        for figure in one["figures"]:
            assert figure["low"] <= figure["ours"] <= figure["high"], (one["name"], figure["what"])


@pytest.mark.parametrize("name", CHEAP)
def test_the_published_figures_are_those_that_are_found(
    name: str, published: dict[str, Any], shared_data: Path
) -> None:
    page = {one["name"]: one["figures"] for one in published["experiments"]}[name]
    known = {figure["what"]: figure for figure in page}
    findings = experiment(name).perform(Options(quick=True, data=shared_data), Work(lambda step: None))
    assert findings.comparisons
    for comparison in findings.comparisons:
        now, then = comparison.document(), known[comparison.what]
        for key in ("unit", "paper", "corrected", "low", "high"):
            assert (
                now[key] == pytest.approx(then[key]) if isinstance(now[key], float) else now[key] == then[key]
            )
        assert now["low"] <= then["ours"] <= now["high"]
