"""Why a scenario could not be had: the file is wrong, or data from elsewhere is."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path


class ScenarioError(Exception):
    """Root of everything that keeps a scenario from being built."""


class ScenarioFileError(ScenarioError):
    """A file says something it must not: which file, where, got and expected."""

    def __init__(self, path: Path | str, where: str, problem: str, *, got: object, expected: str) -> None:
        super().__init__(f"{path}: {where}: {problem}: got {got!r}, expected {expected}")
        self.path = Path(path)
        self.where = where
        self.got = got
        self.expected = expected


class DataUnavailableError(ScenarioError):
    """Data that is not part of the project could not be had; says how to get it."""


class PlanError(ScenarioError):
    """The parts of a scenario contradict each other: a bug of whoever built them."""

    def __init__(self, problem: str, *, got: object, expected: object) -> None:
        super().__init__(f"{problem}: got {got!r}, expected {expected}")
        self.got = got
        self.expected = expected


def nearest(name: str, known: list[str]) -> str:
    """The known name closest to ``name`` as a hint, or the list of all."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "one of " + ", ".join(sorted(known))


def at_least(section: object, **lowest: int) -> None:
    """Refuse numbers of a section that are below the stated ones; None is no number."""
    for name, low in lowest.items():
        value = getattr(section, name)
        if value is not None and value < low:
            raise PlanError(name, got=value, expected=f"{low} or more")
