"""`gridlight-testbed experiment`: a published experiment, from its data to its plots."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Progress

if TYPE_CHECKING:
    from testbed.experiments.findings import Experiment, Findings

_SCHEMA: Final = "gridlight.experiment/1"


def add_parser(commands: Commands) -> None:
    """Add the command."""
    from testbed.experiments.catalogue import EXPERIMENTS

    parser = add_command(
        commands,
        "experiment",
        "Repeat a published experiment on this system: its figures beside the published ones, with plots.",
        run,
        examples=(
            "gridlight-testbed experiment score-dpos",
            "gridlight-testbed experiment two-stage-auction --report out/results --json",
            "gridlight-testbed experiment all --report docs/results",
        ),
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or some of {', '.join(EXPERIMENTS)}")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page with plots for each into DIR"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data that cannot be shipped")
    parser.add_argument("--seed", type=int, default=1, help="of whatever is drawn; default: 1")
    parser.add_argument("--quick", action="store_true", help="fewer runs and days, to try it out")


def run(args: argparse.Namespace) -> int:
    """Perform, print, and say whether every figure lies where it must."""
    from testbed.experiments.catalogue import EXPERIMENTS, experiment
    from testbed.experiments.findings import Options
    from testbed.experiments.page import write_index, write_page
    from testbed.scenarios.errors import ScenarioError

    console: Console = args.console
    names = _chosen(args.names, tuple(EXPERIMENTS))
    options = Options(quick=args.quick, seed=args.seed, data=args.data)
    done: dict[str, tuple[Experiment, Findings]] = {}
    for name in names:
        module = experiment(name)
        try:
            with console.progress(name, total=module.steps(options), unit="steps") as progress:
                done[name] = (
                    module,
                    module.perform(options, partial(_advance, progress)),
                )
        except ScenarioError as error:
            raise CommandError(f"{name}: {error}", code=Exit.USAGE) from None
        if args.report is not None:
            write_page(args.report, name, *done[name])
    if args.report is not None and names == list(EXPERIMENTS):
        write_index(args.report, done)
    console.result(_SCHEMA, {"experiments": _document(done)}, _lines(done, args.report))
    return Exit.OK if all(findings.holds for _, findings in done.values()) else Exit.FAILED


def _advance(progress: Progress, text: str) -> None:
    progress.advance(text=text)


def _chosen(asked: list[str], known: tuple[str, ...]) -> list[str]:
    from firmware_app.command_line import likely

    for name in asked:
        if name not in (*known, "all"):
            message = (
                f"there is no experiment {name!r}.{likely(name, known)} Choose from all, {', '.join(known)}."
            )
            raise CommandError(message, hint="gridlight-testbed experiment --help", code=Exit.USAGE)
    return [name for name in known if name in asked or "all" in asked]


def _document(done: dict[str, tuple[Experiment, Findings]]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "holds": findings.holds,
            "conclusions": list(findings.conclusions),
            "figures": [comparison.document() for comparison in findings.comparisons],
            "settings": list(findings.settings),
            **findings.document,
        }
        for name, (_, findings) in done.items()
    ]


def _lines(done: dict[str, tuple[Experiment, Findings]], report: Path | None) -> list[str]:
    lines: list[str] = []
    for name, (module, findings) in done.items():
        lines += [f"{name}: {module.TITLE}", *(f"  {sentence}" for sentence in findings.conclusions)]
        lines += [f"  {comparison.line()}" for comparison in findings.comparisons]
        if report is not None:
            lines.append(f"  {report / name}.md")
        lines.append("")
    return lines
