"""What an experiment is and gives: its figures beside the published ones, its conclusions, its plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from matplotlib.figure import Figure

from testbed.experiments.work import Work
from testbed.report.drawing import Size


class ExperimentError(Exception):
    """An experiment could not be carried out; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chose.

    Attributes:
        quick: fewer runs and days; its figures are not meant for publication.
        seed: of whatever is drawn.
        data: folder of the data that is not redistributable; each experiment says what it needs of it.
        peers: interpreters in which the peers of a comparison are installed, besides the one that runs this.
    """

    quick: bool = False
    seed: int = 1
    data: Path | None = None
    peers: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure: as published, as it should have been published, and as this run found it.

    Attributes:
        what: the figure, in words.
        unit: of all its values.
        paper: as published; None where it is not.
        corrected: as it follows from the published model and data; None where that is what is published.
        ours: of this run.
        low, high: where it must lie.
        note: why it differs from what was published, or what to know about it.
    """

    what: str
    unit: str
    ours: float
    low: float
    high: float
    paper: float | None = None
    corrected: float | None = None
    note: str = ""

    @classmethod
    def near(
        cls,
        what: str,
        unit: str,
        expected: float,
        ours: float,
        slack: float,
        *,
        paper: float | None = None,
        note: str = "",
    ) -> Self:
        """A figure that must lie within a distance of the corrected one."""
        return cls(
            what=what,
            unit=unit,
            paper=paper,
            corrected=expected,
            ours=ours,
            low=expected - slack,
            high=expected + slack,
            note=note,
        )

    @classmethod
    def within(cls, what: str, unit: str, ours: float, low: float, high: float, note: str = "") -> Self:
        """A figure that nobody has published, between bounds."""
        return cls(what=what, unit=unit, ours=ours, low=low, high=high, note=note)

    @property
    def met(self) -> bool:
        """Whether it lies where it must."""
        return bool(self.low <= self.ours <= self.high)  # what numpy computed is no bool of Python's

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "what": self.what,
            "unit": self.unit,
            "paper": self.paper,
            "corrected": self.corrected,
            "ours": round(float(self.ours), 6),
            "low": float(self.low),
            "high": float(self.high),
            "met": self.met,
            "note": self.note,
        }

    def line(self) -> str:
        """For people."""
        known = [
            f"{name} {value:,.6g}"
            for name, value in (("paper", self.paper), ("corrected", self.corrected))
            if value is not None
        ]
        beside = f" ({', '.join(known)})" if known else ""
        met = "ok   " if self.met else "OUT  "
        return f"{met} {self.what}: {self.ours:,.6g} {self.unit}{beside}, expected {self.low:,.6g} to {self.high:,.6g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One plot; its title is its finding.

    Attributes:
        name: of its file.
        finding: one sentence.
        caption: what is drawn, out of which data.
        draw: draws it into an empty figure.
        private: it shows what a single home did, out of data that cannot be shipped: never published.
    """

    name: str
    finding: str
    caption: str
    draw: Callable[[Figure, Size], None]
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people; its title is its finding."""

    finding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "finding": self.finding,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one run found.

    Attributes:
        conclusions: sentences for people, the most important one first.
        comparisons: figures beside the published ones.
        document: everything else worth keeping, for JSON.
        pictures: plots.
        settings: seeds, data and choices that somebody needs to repeat it.
        tables: whatever is no figure beside a published one.
    """

    conclusions: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    document: dict[str, Any]
    pictures: tuple[Picture, ...]
    settings: tuple[str, ...]
    tables: tuple[Table, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every figure lies where it must."""
        return all(comparison.met for comparison in self.comparisons)


class Experiment(Protocol):
    """A module of this package; `catalogue.py` lists them."""

    TITLE: str
    """For the page."""
    SUMMARY: str
    """One sentence for the help."""
    PAPER: str
    """Where it was published."""

    def steps(self, options: Options) -> int:
        """Return how many steps there are."""

    def perform(self, options: Options, work: Work) -> Findings:
        """Do it.

        Raises:
            DataUnavailableError: the data is not there; the error says how to get it.
            ExperimentError: it cannot be carried out here.
        """
