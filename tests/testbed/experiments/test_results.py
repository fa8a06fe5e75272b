"""What is published: no single home, and the same bytes for the same findings."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from testbed.experiments import results, score_dpos
from testbed.experiments.findings import Comparison, Findings, Picture
from testbed.report.drawing import Size


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
