"""Clearing side by side with other market engines: the same order books, one run, energy and processor time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from light_client.rules.market.mechanisms.kinds import MaximumEnergy, UniformPrice
from light_client.rules.market.mechanisms.table import auction_of
from light_client.rules.units import JOULES_PER_KWH, Side
from testbed.bench.published_book import CROSSING_WH, MOST_ENERGY_WH, book, problem_of_book
from testbed.experiments import peer_worker
from testbed.experiments.findings import Comparison, Findings, Options, Picture
from testbed.experiments.work import Work
from testbed.report.drawing import BLUE, MUTED, VERMILION, Size, plain_logarithms
from testbed.solver.solve import solve

TITLE: Final = "Peers: clearing the same order books"
SUMMARY: Final = (
    "Energy and processor time of this project's clearing and of other market engines on the same books."
)
PAPER: Final = "no paper: the volumes are facts about the book, the times are of this run"
LIMIT_S: Final = 20
"""Processor time that a peer is given for one book, s."""
_WALL_S: Final = 900
_PROVEN, _CALL, _SWEEP = (
    "gridlight, most energy, proven",
    "gridlight, uniform price",
    "uniform clearing in numpy",
)
_NEAR: Final = 0.05
"""How far from the crossing of supply and demand a peer with a uniform price may stay: some drop the last match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """One engine and one book.

    Attributes:
        energy_kwh: None where it did not finish.
        seconds: of processor time, without reading the book in; None as well.
        version: of the package, or why there is no answer.
    """

    engine: str
    offers: int
    energy_kwh: float | None
    seconds: float | None
    version: str


def _counts(options: Options) -> tuple[int, ...]:
    return (100, 1_000) if options.quick else (100, 1_000, 10_000)


def _own() -> dict[str, Callable[[int], float]]:
    return {_PROVEN: _most_energy, _CALL: _uniform, _SWEEP: _sweep}


def steps(options: Options) -> int:
    """Each engine and each book."""
    return (len(_own()) + len(peer_worker.ENGINES)) * len(_counts(options))


def perform(options: Options, work: Work) -> Findings:
    """Clear every book with every engine that is there."""
    pythons = (*options.peers, Path(sys.executable))
    found: list[Cleared] = []
    for count in _counts(options):
        found += [
            work.keep(f"{name}, {count}", Cleared, partial(_timed, name, count, clear))
            for name, clear in _own().items()
        ]
        found += [
            work.keep(f"{name}, {count}", Cleared, partial(ask, name, count, pythons))
            for name in peer_worker.ENGINES
        ]
    skipped = sorted(
        {f"skipped, not installed: {one.version}" for one in found if one.version.startswith("no ")}
    )
    shown = [one for one in found if not one.version.startswith("no ")]
    return Findings(
        conclusions=_conclusions(shown, max(_counts(options))),
        comparisons=tuple(_comparisons(shown)),
        document={"cases": [asdict(one) for one in found]},
        pictures=(
            Picture(
                name="engines",
                finding="What a market aims at decides how much is traded, and its program how long it takes",
                caption=f"Energy and processor time for {max(_counts(options)):,} offers on one feeder in one "
                f"interval; an engine without a bar did not finish in {LIMIT_S} s.",
                draw=partial(_draw, shown, max(_counts(options))),
            ),
        ),
        settings=(
            "books: half asks, half bids, by the recipe in testbed/bench/published_book.py, generator seed 1",
            f"processor seconds of one process each, up to {LIMIT_S} s; reading the book in is not counted",
            "gridlight proves its answer and judges it by the rules within its time; the others prove nothing",
            "lemlab is on no package registry: the numpy line is our own sweep of the same uniform clearing",
            "gsy-framework: the release on the registry, of 2021, asked again for what is left, as its exchange does",
            *sorted({one.version for one in shown if one.version}),
            *skipped,
        ),
    )


def _timed(name: str, count: int, clear: Callable[[int], float]) -> Cleared:
    clear(100)  # what is loaded and compiled once is not counted
    began = process_time()
    energy_kwh = clear(count)
    return Cleared(
        engine=name, offers=count, energy_kwh=energy_kwh, seconds=process_time() - began, version=""
    )


def _most_energy(count: int) -> float:
    solved = solve(problem_of_book(count, MaximumEnergy()))
    if solved.proven is None or any(solved.gaps):
        return 0.0
    return solved.proven.values[0] / JOULES_PER_KWH


def _uniform(count: int) -> float:
    outcome = auction_of(UniformPrice()).outcome(problem_of_book(count, UniformPrice()))
    return sum(trade.energy_j for trade in outcome.trades if trade.side == Side.SELL) / JOULES_PER_KWH


def _sweep(count: int) -> float:
    """Where supply, cheapest first, crosses demand, dearest first: the largest volume both still agree on."""
    rows = book(count)
    asks = np.array(sorted((price, energy) for side, energy, price in rows if side is Side.SELL))
    bids = np.array(sorted(((-price, energy) for side, energy, price in rows if side is Side.BUY)))
    supply, demand = asks[:, 1].cumsum(), bids[:, 1].cumsum()
    marks = np.union1d(supply, demand)
    marks = marks[marks <= min(supply[-1], demand[-1])]
    ask = asks[np.searchsorted(supply, marks), 0]
    bid = -bids[np.searchsorted(demand, marks), 0]
    agreed = marks[ask <= bid]
    return float(agreed[-1]) / 1_000 if len(agreed) else 0.0


def ask(engine: str, count: int, pythons: Sequence[Path], limit_s: int = LIMIT_S) -> Cleared:
    """Let a peer clear a book, in a process of its own, in the first interpreter that has it."""
    rows = [(side is Side.SELL, energy_wh, price) for side, energy_wh, price in book(count)]
    asked = json.dumps({"engine": engine, "limit_s": limit_s, "rows": rows})
    why = ""
    for python in pythons:
        answer = _run(python, asked)
        if "missing" not in answer:
            return Cleared(
                engine=engine,
                offers=count,
                energy_kwh=answer.get("energy_kwh"),
                seconds=answer.get("seconds"),
                version=str(answer.get("version", "")),
            )
        why = str(answer["missing"])
    return Cleared(engine=engine, offers=count, energy_kwh=None, seconds=None, version=f"no {why}")


def _run(python: Path, asked: str) -> dict[str, Any]:
    """What the worker says; nothing if it came to no end."""
    command = [str(python), "-P", peer_worker.__file__]
    with TemporaryDirectory(prefix="gridlight-peer-") as folder:
        try:
            done = subprocess.run(  # noqa: S603 - an interpreter that the user named, and our own program
                command, input=asked, capture_output=True, text=True, timeout=_WALL_S, check=False, cwd=folder
            )
            last = done.stdout.strip().splitlines()[-1:]
            answer: dict[str, Any] = json.loads(last[0]) if last else {}
        except subprocess.TimeoutExpired:
            return {}
        except (OSError, ValueError) as error:
            return {"missing": f"{python}: {error}"}
    return answer


def _conclusions(found: Sequence[Cleared], count: int) -> tuple[str, ...]:
    at = {one.engine: one for one in found if one.offers == count}
    ours, call = at[_PROVEN], at[_CALL]
    first = (
        f"Of {count:,} offers the most that may be traded is {MOST_ENERGY_WH[count] / 1e3:,.1f} kWh: found, proven and "
        f"judged here in {ours.seconds or 0:.2f} s. A uniform price trades {CROSSING_WH[count] / 1e3:,.1f} kWh, "
        f"computed in {call.seconds or 0:.2f} s by everybody who wants to check it."
    )
    peers = [one for one in at.values() if one.engine in peer_worker.ENGINES]
    if not peers:
        return (
            first,
            "No peer is installed here: gridlight-testbed experiment peers --peers PYTHON names where they are.",
        )
    ended = [one for one in peers if one.seconds is not None]
    times = ", ".join(
        f"{one.engine} {one.seconds:.3g} s" for one in sorted(ended, key=lambda one: one.seconds or 0)
    )
    late = ", ".join(one.engine for one in peers if one.seconds is None)
    second = f"Peers on the same book: {times}" + (f"; not within {LIMIT_S} s: {late}." if late else ".")
    best = max((one.energy_kwh or 0 for one in ended), default=0.0)
    third = (
        f"The peer that trades most reaches {best:,.1f} kWh. None proves its answer, and none of these algorithms "
        "knows a limit of a feeder; all of them are fast enough for a neighbourhood."
    )
    return first, second, third


def _comparisons(found: Sequence[Cleared]) -> list[Comparison]:
    rows = []
    for one in found:
        most, crossing = MOST_ENERGY_WH[one.offers] / 1e3, CROSSING_WH[one.offers] / 1e3
        if one.energy_kwh is None:
            continue
        low, high, corrected, note = {
            _PROVEN: (most, most, most, "an acceptance volume"),
            _CALL: (crossing, crossing, crossing, "where supply crosses demand"),
            _SWEEP: (crossing, crossing, crossing, "our own sweep, as lemlab clears"),
        }.get(one.engine, (0.0, most * (1 + 1e-9), None, "no engine may trade more than is possible"))
        if "clear" in one.engine and one.engine in peer_worker.ENGINES:
            low, high, corrected = crossing * (1 - _NEAR), crossing * (1 + 1e-9), crossing
            note = "some drop the last match in part"
        rows.append(
            Comparison(
                what=f"{one.engine}, {one.offers:,} offers",
                unit="kWh",
                ours=one.energy_kwh,
                corrected=corrected,
                low=low * (1 - 1e-12),
                high=high * (1 + 1e-12),
                note=note,
            )
        )
    rows += [_time(one) for one in found if one.engine not in peer_worker.ENGINES]
    return rows


def _time(one: Cleared) -> Comparison:
    what = f"{one.engine}, {one.offers:,} offers, processor time"
    note = "quick enough for an interval of minutes"
    return Comparison.within(what, "s", one.seconds or 0.0, 0.0, 5.0, note)


def _draw(found: Sequence[Cleared], count: int, figure: Figure, size: Size) -> None:
    del size
    shown = [one for one in found if one.offers == count][::-1]
    names = [one.engine for one in shown]
    colours = [VERMILION if one.engine in peer_worker.ENGINES else BLUE for one in shown]
    energy, times = figure.subplots(1, 2, sharey=True)
    energy.barh(names, [one.energy_kwh or 0.0 for one in shown], color=colours)
    energy.axvline(MOST_ENERGY_WH[count] / 1e3, color=MUTED, linestyle="--", linewidth=1)
    energy.set_xlabel("kWh traded; dashed: the most there is")
    times.barh(
        names,
        [max(one.seconds or 0.0, 1e-4) if one.seconds is not None else 0.0 for one in shown],
        color=colours,
    )
    times.set_xscale("log")
    times.set_xlim(1e-3, LIMIT_S)
    plain_logarithms(times.xaxis)
    times.set_xlabel("processor time, s")
    for axes in (energy, times):
        axes.grid(axis="y", visible=False)
