"""`gridlight-testbed experiment`: a published experiment, from its data to its plots."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from firmware_app.command_line import Commands, add_command
from firmware_app.console import CommandError, Console, Exit, Progress

if TYPE_CHECKING:
    from testbed.experiments.findings import Experiment, Findings, Options
    from testbed.experiments.work import Journal

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
            "gridlight-testbed experiment all --publish docs   # docs/results.md and docs/results/",
        ),
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or some of {', '.join(EXPERIMENTS)}")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page with all plots for each into DIR"
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="DIR",
        help="with all: write DIR/results.md and DIR/results, without any single home's data",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data that cannot be shipped")
    parser.add_argument(
        "--peers",
        type=Path,
        action="append",
        default=[],
        metavar="PYTHON",
        help="interpreter in which peer systems are installed, besides this one; may be given more than once",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("out/experiments"),
        metavar="DIR",
        help="where an interrupted run is kept, to go on from there; default: out/experiments",
    )
    parser.add_argument("--seed", type=int, default=1, help="of whatever is drawn; default: 1")
    parser.add_argument("--quick", action="store_true", help="fewer runs and days, to try it out")


def run(args: argparse.Namespace) -> int:
    """Perform, print, and say whether every figure lies where it must."""
    from testbed.experiments.catalogue import EXPERIMENTS
    from testbed.experiments.page import write_index, write_page
    from testbed.experiments.results import publish

    began = monotonic()
    console: Console = args.console
    names = _chosen(args.names, tuple(EXPERIMENTS))
    everything = names == list(EXPERIMENTS)
    options = _options(args, everything)
    with _journals(args.work, names, options, console) as journals:
        done, lacking = _perform(console, names, options, journals)
        for name, found in done.items() if args.report is not None else ():
            write_page(args.report, name, *found)
        if everything and not lacking and args.report is not None:
            write_index(args.report, done)
        if args.publish is not None and not lacking:
            publish(args.publish, done)
            console.note(f"written to {args.publish / 'results.md'}")
        for name in done if not lacking else ():
            journals[name].remove()
    if done:
        console.result(_SCHEMA, {"experiments": _document(done)}, _lines(done, args.report))
    if everything:
        console.note(f"{_met(done)} figures met; this start took {(monotonic() - began) / 60:.1f} min")
    if lacking:
        again = f"gridlight-testbed experiment {' '.join(args.names)} --data DIR"
        raise CommandError("\n".join(lacking), hint=again, code=Exit.USAGE)
    return Exit.OK if all(findings.holds for _, findings in done.values()) else Exit.FAILED


def _options(args: argparse.Namespace, everything: bool) -> Options:  # noqa: FBT001
    from testbed.experiments.findings import Options

    if args.publish is not None and (args.quick or not everything):
        raise CommandError(
            "--publish is for all experiments, not for a quick or a single one", code=Exit.USAGE
        )
    for python in args.peers:
        if not python.is_file():
            raise CommandError(f"--peers: there is no interpreter {python}", code=Exit.USAGE)
    return Options(quick=args.quick, seed=args.seed, data=args.data, peers=tuple(args.peers))


def _met(done: dict[str, tuple[Experiment, Findings]]) -> str:
    figures = [comparison.met for _, findings in done.values() for comparison in findings.comparisons]
    return f"{sum(figures)} of {len(figures)}"


def _perform(
    console: Console, names: Sequence[str], options: Options, journals: dict[str, Journal]
) -> tuple[dict[str, tuple[Experiment, Findings]], list[str]]:
    """What was found, and for whatever lacks its data, how to get that."""
    from testbed.experiments.catalogue import experiment
    from testbed.experiments.findings import ExperimentError
    from testbed.experiments.work import Work
    from testbed.scenarios.errors import ScenarioError

    done: dict[str, tuple[Experiment, Findings]] = {}
    lacking = []
    for name in names:
        module = experiment(name)
        try:
            with console.progress(name, total=module.steps(options), unit="steps") as progress:
                work = Work(partial(_advance, progress), journals[name])
                done[name] = (module, module.perform(options, work))
        except ScenarioError as error:
            lacking.append(f"{name}: {error}")
            console.note(f"{name}: left out; why is said at the end")
        except ExperimentError as error:
            raise CommandError(f"{name}: {error}") from None
    return done, lacking


@contextmanager
def _journals(
    folder: Path, names: Sequence[str], options: Options, console: Console
) -> Iterator[dict[str, Journal]]:
    """The journal of each experiment, closed in the end; one that is not removed stays for the next start."""
    from testbed.experiments.data import root
    from testbed.experiments.work import BusyError, Journal, dependence

    of = dependence(options.quick, options.seed, *map(str, options.peers), data=root(options))
    journals: dict[str, Journal] = {}
    try:
        for name in names:
            journals[name] = Journal(folder / f"{name}.jsonl", of)
            if count := journals[name].resumed:
                console.note(f"{name}: goes on after {count} pieces that an earlier start has done")
        yield journals
    except BusyError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    finally:
        for journal in journals.values():
            journal.close()


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
