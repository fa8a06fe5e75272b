"""Runs a fleet in whichever mode, from a size and a script to one report."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from light_client.rules.crypto import public_key_of
from testbed.boards.computers import Computers
from testbed.boards.containers import Containers
from testbed.boards.faults import FleetScript
from testbed.boards.fleet import Fleet
from testbed.boards.housing import Housing, HousingError, Mode
from testbed.boards.membership import take_in
from testbed.boards.mixed import Mixed
from testbed.boards.plugged_meters import PluggedMeters
from testbed.boards.processes import Processes
from testbed.boards.sites import OwnKeys, sites_of, write_site
from testbed.boards.verdict import BoardVerdict, verdicts
from testbed.cast import meter_name
from testbed.live.deployment import deploy
from testbed.live.enrolled import enrol
from testbed.live.staging import Staging
from testbed.live.summary import Summary
from testbed.live.up import Outcome, Patience, Show, run
from testbed.qemu.machine import MACHINES
from testbed.scenarios import catalogue
from testbed.scenarios.files import ScenarioFile

_PATIENCE: Final = Patience(ready_s=900.0, last_s=400.0)
"""An emulated board starts slowly, and eight of them at once all the more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What fleet is asked for.

    Attributes:
        mode: what boards run in.
        emulated: so many of the first boards are whole computers all the same.
        image: of a container.
        engine: that runs containers.
        memory_mb: limit of a container.
        machine: of QEMU, which whole computers are.
        card: finds the image that they start from, or builds it.
        own_keys: home -> keys that its board has made itself, and the operator has registered.
        tickets: of boards that join an operator's fleet.
    """

    mode: Mode
    emulated: int = 0
    image: str = "gridlight:armhf"
    engine: str = "docker"
    memory_mb: int = 192
    machine: str = "virt"
    card: Callable[[], Path] | None = None
    own_keys: Mapping[int, OwnKeys] = field(default_factory=dict)
    tickets: tuple[Path, ...] = ()

    def housing(self, names: Sequence[str]) -> Housing:
        """Where the boards run.

        Args:
            names: of all boards, in order.

        Raises:
            HousingError: it is not to be had here.
        """
        if self.mode is Mode.QEMU:
            return self.computers()
        first = dict.fromkeys(names[: self.emulated], self.computers()) if self.emulated else {}
        others: Housing = Processes()
        if self.mode is Mode.CONTAINER:
            others = Containers(self.image, engine=self.engine, memory_mb=self.memory_mb)
        return Mixed(first, others) if first else others

    def computers(self) -> Computers:
        """Whole computers, as wanted.

        Raises:
            HousingError: there is no card for them.
        """
        if self.card is None:
            raise HousingError("whole computers need a card to start from")
        return Computers(MACHINES[self.machine], self.card)


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
    whole_day = catalogue.build(file, seed=staging.seed)
    housing = wanted.housing([meter_name(home.home_id) for home in whole_day.homes])
    try:
        deployment = deploy(folder, file, staging, meters_per_process=1, host=housing.host).without_meters()
        enrol(folder / "nodes", {home: public_key_of(own.identity) for home, own in wanted.own_keys.items()})
        cast = deployment.cast
        with tempfile.TemporaryDirectory(prefix="gl-") as doors:
            sites = sites_of(cast, folder / "boards", Path(doors), wanted.own_keys)
            for site in sites:
                write_site(site, deployment, housing, whole_day)
            take_in(sites, wanted.tickets)
            script = script_of(tuple(home.home_id for home in whole_day.homes))
            meters = PluggedMeters(cast, whole_day, script, housing)
            fleet = Fleet(sites, housing, meters, script, cast)
            outcome = asyncio.run(run(deployment, show, fleet, _PATIENCE))
    finally:
        housing.close()
    height = max((final.height for final in outcome.view.finals.values()), default=0)
    found = verdicts(fleet, deployment, height=height)
    return Ended(outcome=outcome, boards=found, failures=tuple(fleet.failures))
