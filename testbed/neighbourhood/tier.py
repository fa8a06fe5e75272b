"""The tier of the neighbourhood: `python -m testbed.neighbourhood.tier`, in the container that compose.yaml calls tier.

It opens the doors, waits until no further meter has come for a while, gives each a home, a configuration and a
certificate for the broker, plays their electricity meters and a part of a trading day, and says of each how it ended.
Exit code: 0 if every meter ended verified.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from testbed.boards.faults import FleetScript
from testbed.boards.fleet import Fleet
from testbed.boards.grid import scenario_text
from testbed.boards.housing import Housing, Mode
from testbed.boards.plugged_meters import PluggedMeters
from testbed.boards.sites import Site, sites_of, write_site
from testbed.boards.verdict import fleet_document, fleet_lines, verdicts
from testbed.live.deployment import Deployment, deploy
from testbed.live.staging import Staging
from testbed.live.up import Outcome, Patience, Running, run
from testbed.live.watching import View
from testbed.neighbourhood.management import Management
from testbed.neighbourhood.neighbours import Neighbours
from testbed.neighbourhood.places import GRID, Grounds, Place
from testbed.scenarios import catalogue

_FEWEST: Final = 2
"""A market of one has nobody to trade with."""
_LOOK_S: Final = 0.5
_PATIENCE: Final = Patience(ready_s=900.0, last_s=400.0)
_PROFILE: Final = "eastron-sdm630"
"""Of every electricity meter: behind a gateway in the network only Modbus is spoken."""


class _Spoken:
    """What whoever follows the container's log sees."""

    def __init__(self) -> None:
        self._said = ""

    def starting(self, ready: int, total: int) -> None:
        """Say how many processes of the tier are ready."""
        self._say(f"starting: {ready} of {total} processes of the tier")

    def begun(self, running: Running) -> None:
        """Say what is played."""
        cast = running.deployment.cast
        self._say(
            f"trading: {cast.scenario.intervals} intervals, {running.clock.speed} times faster than the clock"
        )

    def progress(self, running: Running, view: View) -> None:
        """Say each new interval once."""
        total = running.deployment.cast.scenario.intervals
        self._say(f"trading: {len(view.finals)} of {total} intervals final, {view.traded_j / 3.6e6:.1f} kWh")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            say(text)


def say(text: str) -> None:
    """One line of the log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def guests(grounds: Grounds, settle_s: float) -> list[Place]:
    """Wait until at least two meters have come, and none has for a while."""
    seen, since_s = 0, time.monotonic()
    while True:
        places = grounds.taken()
        if len(places) != seen:
            seen, since_s = len(places), time.monotonic()
            say(f"doors open: {seen} meters are here")
        if seen >= _FEWEST and time.monotonic() - since_s >= settle_s:
            return places
        time.sleep(_LOOK_S)


def _sites(deployment: Deployment, places: Sequence[Place], doors: Path) -> list[Site]:
    """A home for each meter, in the order of their names."""
    found = sites_of(deployment.cast, doors, doors)
    return [
        replace(site, profile=_PROFILE, board=replace(site.board, folder=place.folder))
        for site, place in zip(found, places, strict=True)
    ]


def _play(grounds: Grounds, places: Sequence[Place], args: argparse.Namespace) -> bool:
    """One run, from the first invitation to the last verdict."""
    host = socket.gethostbyname(socket.gethostname())
    path = grounds.run / "homes.toml"
    path.write_text(scenario_text(len(places), seed=args.seed), encoding="utf-8")
    file = catalogue.find(str(path))
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=args.seed,
        skip=args.skip,
        intervals=args.intervals,
        miners=file.tier.miners,
        solvers=file.tier.solvers,
        speed=args.speed,
    )
    folder = grounds.run / "tier"
    folder.mkdir()
    deployment = deploy(folder, file, staging, meters_per_process=1, host=host).without_meters()
    whole_day = catalogue.build(replace(file, path=folder / "scenario.toml"), seed=args.seed)
    management = Management(grounds.run, grounds.broker, args.broker, devices=len(places))
    housing: Housing = Neighbours(host)
    with tempfile.TemporaryDirectory(prefix="gl-") as doors:
        sites = _sites(deployment, places, Path(doors))
        for site in sites:
            write_site(site, deployment, housing, whole_day)
            management.take_in(site.board.folder / "gridlight.toml")
        meters = PluggedMeters(deployment.cast, whole_day, FleetScript(), housing)
        fleet = Fleet(sites, housing, meters, FleetScript(), deployment.cast)
        management.listen()
        outcome = asyncio.run(run(deployment, _Spoken(), fleet, _PATIENCE))
        management.rest()
        return _report(grounds, fleet, deployment, outcome, management.came())


def _report(grounds: Grounds, fleet: Fleet, deployment: Deployment, outcome: Outcome, came: int) -> bool:
    """Say how it ended; return whether everything is as it must be."""
    height = max((final.height for final in outcome.view.finals.values()), default=0)
    found = verdicts(fleet, deployment, height=height)
    failures = [*fleet.failures, *outcome.summary.failures]
    if came < len(found):
        failures.append(f"{came} of {len(found)} meters came to the broker")
    document = fleet_document(found, Mode.CONTAINER, (), failures) | {"broker": came}
    (grounds.run / "fleet.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for line in (*fleet_lines(found, failures), f"Broker      {came} of {len(found)} meters came to it"):
        say(line)
    good = not failures and not any(verdict.complaints for verdict in found)
    say("PASS" if good else "FAIL")
    return good


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.neighbourhood.tier", description=__doc__)
    parser.add_argument("--grid", type=Path, default=GRID, help="the shared folder; default: %(default)s")
    parser.add_argument(
        "--broker", default="broker", help="name of the broker's container; default: %(default)s"
    )
    parser.add_argument(
        "--speed", type=int, default=120, help="virtual seconds in a real one; default: %(default)s"
    )
    parser.add_argument(
        "--skip", type=int, default=44, help="intervals of the day left out before; default: 44, 11:00"
    )
    parser.add_argument("--intervals", type=int, default=12, help="that are traded; default: %(default)s")
    parser.add_argument("--settle", type=float, default=15.0, metavar="S", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Play one run."""
    args = _arguments(words)
    os.umask(0o027)
    grounds = Grounds(args.grid)
    if grounds.run.exists():
        sys.stderr.write(f"tier: {grounds.run} is there from an earlier run: docker compose down --volumes\n")
        return 2
    for folder in (grounds.places, grounds.run, grounds.broker):
        folder.mkdir()
    grounds.open.touch()
    try:
        return 0 if _play(grounds, guests(grounds, args.settle), args) else 1
    finally:
        grounds.open.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
