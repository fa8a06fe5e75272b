"""What people see of a live run while it goes on."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from firmware_app.console import Console, Progress

if TYPE_CHECKING:
    from testbed.live.up import Running
    from testbed.live.watching import View


class Display:
    """What people see meanwhile."""

    def __init__(self, console: Console, intervals: int) -> None:
        self._console = console
        self._intervals = intervals
        self._progress: Progress | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        """Begin with nothing on the screen."""
        return self

    def __exit__(self, *failure: object) -> None:
        """End the bar."""
        self._end()

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None

    def starting(self, ready: int, total: int) -> None:
        """Show how many processes are ready."""
        if self._progress is None:
            self._progress = self._console.progress("starting", total=total, unit="processes").__enter__()
            self._shown = 0
        self._advance(ready, "")

    def begun(self, running: Running) -> None:
        """Print the banner and begin to count intervals."""
        self._end()
        for line in banner(running):
            self._console.note(line)
        name = running.deployment.cast.scenario.name
        self._progress = self._console.progress(name, total=self._intervals, unit="intervals").__enter__()
        self._shown = 0

    def progress(self, running: Running, view: View) -> None:
        """Show how far the grid is."""
        now = datetime.fromtimestamp(running.clock.now_ms() / 1_000, UTC)
        text = (
            f"{now:%H:%M}  height {view.height}  {view.traded_j / 3.6e6:.1f} kWh  "
            f"{view.checked('trades')} trades verified  {view.refusals.total()} refused"
        )
        if restarts := sum(running.supervisor.restarts.values()):
            text += f"  {restarts} restarts"
        self._advance(len(view.finals), text)

    def _advance(self, done: int, text: str) -> None:
        if self._progress is not None:
            self._progress.advance(done - self._shown, text)
            self._shown = done


def banner(running: Running) -> list[str]:
    """What is running and where."""
    deployment, clock = running.deployment, running.clock
    cast = deployment.cast
    scenario = cast.scenario
    fingerprint = cast.genesis.chain_id().hex()[:32]
    begin = datetime.fromtimestamp(clock.start_virtual_ms / 1_000, UTC)
    real_s = (cast.end_ms - clock.start_virtual_ms) // (1_000 * clock.speed)
    clients = [node for node in deployment.nodes if not set(node.actors) & set(deployment.servers)]
    return [
        "",
        f"{scenario.name}: {len(scenario.homes)} homes on {len(scenario.feeders)} feeders",
        "",
        f"Chain     {cast.genesis.name}",
        f"Genesis   {' '.join(fingerprint[at : at + 4] for at in range(0, 32, 4))}",
        "Keys      test keys, worthless elsewhere (test-keys.json)",
        f"Clock     from {begin:%Y-%m-%d %H:%M} UTC on, {clock.speed} times faster",
        f"Day       {scenario.intervals} intervals of {scenario.interval_s // 60} min, over in {real_s:,} s",
        *(
            f"{name:<9} {address.endpoint}   {address.server_key}"
            for name, address in deployment.servers.items()
        ),
        *(f"{node.name:<9} {len(node.actors)} by pseudonym" for node in clients),
        f"Folder    {deployment.folder}   (up.json says the same as this)",
        f"Stop      Ctrl-C, or kill {os.getpid()}",
        "",
    ]
