"""Which scenario is played, and how: what every process of a live run has to know in order to derive the same cast."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from testbed.cast import Cast
from testbed.live.pace import pace
from testbed.scenarios import catalogue
from testbed.scenarios.errors import ScenarioError
from testbed.scenarios.files import TransaxSection
from testbed.scenarios.metering import MeterSource
from testbed.scenarios.part import part_of, repeated
from testbed.simulation.day import cast_of


class StagingError(Exception):
    """No cast can be derived; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """The options of every actor in a node file."""

    scenario: str
    """The scenario file, relative to the folder of the node file."""
    data: str | None
    """Folder of the data that the scenario file names, absolute; None if it names none."""
    seed: int
    skip: int
    """Intervals of the day before the first that is traded."""
    intervals: int
    """Intervals that are traded."""
    miners: int
    solvers: int
    speed: int
    days: int = 1
    """How often the scenario's day is lived through before a part of it is taken."""
    meters: str | None = None
    """Whether homes are metered (``plan`` or ``readings``), instead of what the scenario file says."""

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            expected = {"scenario": (str,), "data": (str, type(None)), "meters": (str, type(None))}.get(
                part.name, (int,)
            )
            if type(value) not in expected:
                raise StagingError(
                    f"{part.name} is {value!r}, expected {' or '.join(t.__name__ for t in expected)}"
                )
        if self.meters is not None and self.meters not in list(MeterSource):
            raise StagingError(f"meters is {self.meters!r}, expected {' or '.join(MeterSource)}")


def cast_for(staging: Staging, folder: Path) -> Cast:
    """Derive the cast.

    Raises:
        StagingError: the scenario or its data cannot be read.
    """
    try:
        file = catalogue.find(str(folder / staging.scenario))
        if staging.data is not None:
            file = replace(file, particulars=TransaxSection(folder=staging.data))
        if staging.meters is not None:
            file = replace(file, meters=replace(file.meters, source=MeterSource(staging.meters)))
        day = repeated(catalogue.build(file, seed=staging.seed), days=staging.days)
        scenario = part_of(day, skip=staging.skip, intervals=staging.intervals)
        cast = replace(
            cast_of(file, scenario, staging.seed),
            miners=staging.miners,
            solvers=staging.solvers,
            **pace(staging.speed, scenario.interval_s),
        )
        return cast.metered()
    except ScenarioError as error:
        raise StagingError(str(error)) from error
