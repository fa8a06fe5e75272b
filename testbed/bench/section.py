"""What a suite of the bench is and gives: its rows for JSON, its lines for people, and how far its aims are met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Step: TypeAlias = Callable[[str], None]
"""Called before each case with its name."""


class DisagreementError(Exception):
    """Two contenders found different answers, so that their times cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user of the bench chose.

    Attributes:
        quick: fewer and smaller cases.
        transax: folder of the published microgrid with batteries; None to look in the usual place.
        scenario: day to use where the published data is absent.
        pairwise_limit_s: longest that each published program may take.
        armhf_root: a Debian armhf root to count instructions in; None to leave that out.
    """

    quick: bool = False
    transax: Path | None = None
    scenario: str = "village"
    pairwise_limit_s: int = 120
    armhf_root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A stated aim and what this run measured.

    Attributes:
        what: the case, in words.
        unit: of both figures, in words.
        asked: the aim.
        measured: by this run.
        met: whether it is met.
    """

    what: str
    unit: str
    asked: float
    measured: float
    met: bool

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "measured": round(self.measured, 6)}

    def line(self) -> str:
        """For people."""
        met = "met" if self.met else "MISSED"
        return f"{met}: {self.what}, {self.measured:,.6g} {self.unit}, asked {self.asked:,}"


def at_most(what: str, unit: str, *, asked: float, measured: float) -> Aim:
    """An aim that is met by any smaller figure."""
    return Aim(what=what, unit=unit, asked=asked, measured=measured, met=measured <= asked)


def at_least(what: str, unit: str, *, asked: float, measured: float) -> Aim:
    """An aim that is met by any larger figure."""
    return Aim(what=what, unit=unit, asked=asked, measured=measured, met=measured >= asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one suite found.

    Attributes:
        document: for JSON.
        lines: for people.
        aims: those that this run could measure.
    """

    document: dict[str, Any]
    lines: list[str]
    aims: list[Aim] = field(default_factory=list)


class Suite(Protocol):
    """A module of this package that measures one subject; `suites.py` lists them."""

    SUMMARY: str
    """What it measures, for the help."""

    def steps(self, options: Options) -> int:
        """Return how many cases there are."""

    def measure(self, options: Options, step: Step) -> Section:
        """Measure all cases."""
