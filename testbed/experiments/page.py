"""A page of results in Markdown, pictures beside it: published, corrected and own figures, and how to repeat them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from testbed.experiments.findings import Experiment, Findings, Picture
from testbed.report.drawing import WIDE, new_figure, style

_HEADER = "| figure | unit | paper | corrected | ours | tolerance | verdict | |"


def write_page(folder: Path, name: str, experiment: Experiment, findings: Findings) -> Path:
    """Write the page of one experiment and its pictures; the same findings give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in findings.pictures:
        (folder / _file_of(name, picture)).write_text(svg_of(picture), encoding="utf-8")
    path = folder / f"{name}.md"
    path.write_text(page_of(name, experiment, findings), encoding="utf-8")
    return path


def write_index(folder: Path, done: Mapping[str, tuple[Experiment, Findings]]) -> Path:
    """Write the list of all experiments that were done."""
    lines = [
        "# Results",
        "",
        "The experiments of the papers that this project comes from, repeated on this system. Made with",
        "`gridlight-testbed experiment all --report DIR`.",
        "",
        "| experiment | published in | what came out |",
        "|---|---|---|",
    ]
    for name, (experiment, findings) in done.items():
        word = "" if findings.holds else " **Some figures are out of their bounds.**"
        lines.append(
            f"| [{experiment.TITLE}]({name}.md) | {experiment.PAPER} | {findings.conclusions[0]}{word} |"
        )
    path = folder / "README.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def page_of(name: str, experiment: Experiment, findings: Findings) -> str:
    """The page as text."""
    lines = [f"# {experiment.TITLE}", "", f"Published in: {experiment.PAPER}.", ""]
    lines += [f"- {sentence}" for sentence in findings.conclusions]
    for picture in findings.pictures:
        lines += ["", f"## {picture.finding}", "", f"![{picture.caption}]({_file_of(name, picture)})", ""]
        lines += [picture.caption]
    for table in findings.tables:
        lines += ["", f"## {table.finding}", "", *grid_of(table.document())]
    lines += ["", "## Figures", "", *table_of(comparison.document() for comparison in findings.comparisons)]
    lines += ["", "## Repeat it", "", "```console", f"$ gridlight-testbed experiment {name}", "```", ""]
    lines += [f"- {setting}" for setting in findings.settings]
    return "\n".join(lines) + "\n"


def svg_of(picture: Picture) -> str:
    """The picture as a file of its own, on white, byte for byte the same each time."""
    buffer = io.StringIO()
    with mpl.rc_context({**style(WIDE), "savefig.facecolor": "white"}):
        figure = new_figure(WIDE)
        picture.draw(figure, WIDE)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _file_of(name: str, picture: Picture) -> str:
    return f"{name}-{picture.name}.svg"


def grid_of(table: Mapping[str, Any]) -> list[str]:
    """A table as lines; it is the document of a `Table`."""
    return [_cells(table["columns"]), _cells(["---"] * len(table["columns"])), *map(_cells, table["rows"])]


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table_of(figures: Iterable[Mapping[str, Any]]) -> list[str]:
    """Figures as a table, a line each; they are documents of `Comparison`."""
    return [_HEADER, "|---|---|---|---|---|---|---|---|", *map(_row, figures)]


def _row(figure: Mapping[str, Any]) -> str:
    paper, corrected = (
        "-" if figure[name] is None else shown_number(figure[name]) for name in ("paper", "corrected")
    )
    bounds = f"{shown_number(figure['low'])} to {shown_number(figure['high'])}"
    return (
        f"| {figure['what']} | {figure['unit']} | {paper} | {corrected} | {shown_number(figure['ours'])} | {bounds} "
        f"| {'met' if figure['met'] else '**out**'} | {figure['note']} |"
    )


def shown_number(value: float) -> str:
    """With the digits that a reader compares: whole above a hundred thousand, six otherwise."""
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.6g}"
