"""The page in the documentation belongs to its figures, and its figures to what the experiments find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.experiments import results
from testbed.experiments.catalogue import EXPERIMENTS, experiment
from testbed.experiments.findings import Options
from testbed.experiments.work import Work

DOCS = Path(__file__).parents[3] / "docs"
CHEAP = ("multi-energy-trading", "score-dpos")
"""Those whose quick form takes seconds."""


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
