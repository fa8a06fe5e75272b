"""Runs a fleet in whichever mode, from a size and a script to one report."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from testbed.boards.containers import Containers
from testbed.boards.faults import FleetScript
from testbed.boards.fleet import Fleet
from testbed.boards.housing import Housing, Mode
from testbed.boards.membership import take_in
from testbed.boards.plugged_meters import PluggedMeters
from testbed.boards.processes import Processes
from testbed.boards.sites import sites_of, write_site
from testbed.boards.verdict import BoardVerdict, verdicts
from testbed.live.deployment import deploy
from testbed.live.staging import Staging
from testbed.live.summary import Summary
from testbed.live.up import Outcome, Patience, Show, run
from testbed.scenarios import catalogue
from testbed.scenarios.files import ScenarioFile

_PATIENCE: Final = Patience(ready_s=900.0, last_s=400.0)
"""An emulated board starts slowly, and eight of them at once all the more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What fleet is asked for.

    Attributes:
        mode: processes or containers.
        image: of a container.
        engine: that runs containers.
        memory_mb: limit of a container.
    """

    mode: Mode
    image: str = "gridlight:armhf"
    engine: str = "docker"
    memory_mb: int = 192
    tickets: tuple[Path, ...] = ()
    """Of boards that join an operator's fleet."""

    def housing(self) -> Housing:
        """Where the boards run.

        Raises:
            HousingError: it is not to be had here.
        """
        if self.mode is Mode.CONTAINER:
            return Containers(self.image, engine=self.engine, memory_mb=self.memory_mb)
        return Processes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a live fleet ended."""

    outcome: Outcome
    boards: tuple[BoardVerdict, ...]
    failures: tuple[str, ...]

    @property
    def summary(self) -> Summary:
        """Of the tier."""
        return self.outcome.summary


def run_live_fleet(
    folder: Path,
    file: ScenarioFile,
    staging: Staging,
    wanted: Wanted,
    script_of: Callable[[tuple[int, ...]], FleetScript],
    show: Show,
) -> Ended:
    """Run a fleet beside a tier.

    Args:
        folder: existing and empty; keeps everything.
        script_of: what goes wrong, of the homes that there are.
        show: where progress is shown.

    Raises:
        HousingError: boards cannot be run here.
        SupervisorError, StagingError, InterruptedRunError: as of any live run.
    """
    housing = wanted.housing()
    try:
        deployment = deploy(folder, file, staging, meters_per_process=1, host=housing.host).without_meters()
        cast = deployment.cast
        whole_day = catalogue.build(replace(file, path=folder / "scenario.toml"), seed=staging.seed)
        with tempfile.TemporaryDirectory(prefix="gl-") as doors:
            sites = sites_of(cast, folder / "boards", Path(doors))
            for site in sites:
                write_site(site, deployment, housing, whole_day)
            take_in(sites, wanted.tickets)
            script = script_of(tuple(home.home_id for home in whole_day.homes))
            meters = PluggedMeters(cast, whole_day, script, owner=housing.owner)
            fleet = Fleet(sites, housing, meters, script, cast)
            outcome = asyncio.run(run(deployment, show, fleet, _PATIENCE))
    finally:
        housing.close()
    height = max((final.height for final in outcome.view.finals.values()), default=0)
    found = verdicts(fleet, deployment, height=height)
    return Ended(outcome=outcome, boards=found, failures=tuple(fleet.failures))
