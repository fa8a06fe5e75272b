"""The results that are published with the project: one page, its pictures, and the figures behind it.

    results.md             tables and plots of all experiments, made from the next file
    results/figures.json   what the experiments found, schema gridlight.results/1
    results/*.png          the plots

Some of the data must not be shipped. So plots are pixels and not numbers that could be read back, and none that shows
what a single home did is among them; ``--report`` writes those too, for whoever has the data anyway.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from testbed.experiments.findings import Experiment, Findings, Picture
from testbed.experiments.page import grid_of, table_of
from testbed.report.drawing import WIDE, new_figure, style

SCHEMA: Final = "gridlight.results/1"
COMMAND: Final = "gridlight-testbed experiment all --publish docs"
_DPI: Final = 110
_FIGURES: Final = "figures.json"


def publish(folder: Path, done: Mapping[str, tuple[Experiment, Findings]]) -> Path:
    """Write all of it; what an earlier call has written is removed first."""
    beside = folder / "results"
    beside.mkdir(parents=True, exist_ok=True)
    for old in (*beside.glob("*.png"), beside / _FIGURES):
        old.unlink(missing_ok=True)
    document = {
        "schema": SCHEMA,
        "experiments": [_facts(name, experiment, findings) for name, (experiment, findings) in done.items()],
    }
    for name, (_, findings) in done.items():
        for picture in public(findings):
            (beside / _file_of(name, picture)).write_bytes(png_of(picture))
    (beside / _FIGURES).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page = folder / "results.md"
    page.write_text(page_of(document), encoding="utf-8")
    return page


def public(findings: Findings) -> list[Picture]:
    """The pictures that may be shipped."""
    return [picture for picture in findings.pictures if not picture.private]


def read(folder: Path) -> dict[str, Any]:
    """The figures of an earlier `publish` into that folder."""
    document: dict[str, Any] = json.loads((folder / "results" / _FIGURES).read_text(encoding="utf-8"))
    return document


def page_of(document: Mapping[str, Any]) -> str:
    """The page that belongs to these figures."""
    experiments = document["experiments"]
    figures = [figure for one in experiments for figure in one["figures"]]
    met = sum(figure["met"] for figure in figures)
    lines = [
        "# Results",
        "",
        "The experiments of the papers that this project comes from, repeated on this system. Made by one command,",
        "from the data to the plots; with it anybody who has the data can rebuild this page:",
        "",
        f"    {COMMAND}",
        "",
        f"{met} of {len(figures)} figures lie within their tolerance. *Paper* is what was published; *corrected* is",
        "what follows from the published model and data, found independently of this project's solvers; *ours* is",
        "this run. Where the three differ, the last column says why. Plots of single homes are left out: that data",
        "is not ours to ship (`--report DIR` draws them for whoever has it).",
        "",
        "| experiment | published in | figures met |",
        "|---|---|---|",
    ]
    for one in experiments:
        within = sum(figure["met"] for figure in one["figures"])
        lines.append(
            f"| [{one['name']}](#{one['name']}) | {one['paper']} | {within} of {len(one['figures'])} |"
        )
    for one in experiments:
        lines += ["", *_section(one)]
    return "\n".join(lines) + "\n"


def _section(one: Mapping[str, Any]) -> list[str]:
    lines = [f"## {one['name']}", "", f"**{one['title']}** Published in: {one['paper']}.", ""]
    lines += [f"- {sentence}" for sentence in one["conclusions"]]
    for picture in one["pictures"]:
        lines += [
            "",
            f"### {picture['finding']}",
            "",
            f"![{picture['caption']}](results/{picture['file']})",
            "",
        ]
        lines += [picture["caption"]]
    for table in one["tables"]:
        lines += ["", f"### {table['finding']}", "", *grid_of(table)]
    lines += ["", f"### Figures of {one['name']}", "", *table_of(one["figures"]), ""]
    lines += [f"Repeat it: `gridlight-testbed experiment {one['name']}`.", ""]
    return lines + [f"- {setting}" for setting in one["settings"]]


def _facts(name: str, experiment: Experiment, findings: Findings) -> dict[str, Any]:
    return {
        "name": name,
        "title": experiment.TITLE,
        "paper": experiment.PAPER,
        "conclusions": list(findings.conclusions),
        "pictures": [
            {"file": _file_of(name, picture), "finding": picture.finding, "caption": picture.caption}
            for picture in public(findings)
        ],
        "tables": [table.document() for table in findings.tables],
        "figures": [comparison.document() for comparison in findings.comparisons],
        "settings": list(findings.settings),
    }


def png_of(picture: Picture) -> bytes:
    """The picture in pixels, on white."""
    buffer = io.BytesIO()
    with mpl.rc_context({**style(WIDE), "savefig.facecolor": "white"}):
        figure = new_figure(WIDE)
        picture.draw(figure, WIDE)
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _file_of(name: str, picture: Picture) -> str:
    return f"{name}-{picture.name}.png"
