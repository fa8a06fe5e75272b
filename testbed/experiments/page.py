"""A page of results in Markdown, pictures beside it: published, corrected and own figures, and how to repeat them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from testbed.experiments.findings import Comparison, Experiment, Findings, Picture
from testbed.report.drawing import WIDE, new_figure, style

_HEADER = "| figure | unit | paper | corrected | ours | expected | |"


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
        "The experiments of the papers that this project comes from, repeated on this system. Rebuild this folder",
        "with `gridlight-testbed experiment all --report docs/results`.",
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
    lines += ["", "## Figures", "", _HEADER, "|---|---|---|---|---|---|---|"]
    lines += [_row(comparison) for comparison in findings.comparisons]
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


def _row(comparison: Comparison) -> str:
    shown = ["-" if value is None else f"{value:,.4g}" for value in (comparison.paper, comparison.corrected)]
    bounds = f"{comparison.low:,.4g} to {comparison.high:,.4g}"
    word = "" if comparison.met else "**out** "
    return (
        f"| {comparison.what} | {comparison.unit} | {' | '.join(shown)} | {comparison.ours:,.4g} | {bounds} "
        f"| {word}{comparison.note} |"
    )
