"""The configuration as status and doctor show it, where an operator has a say in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from firmware_app.config.check import DEFAULT_FILE
from firmware_app.config.load import ConfigError
from firmware_app.config.view import look as look_at_file
from firmware_app.config.view import view_of
from firmware_app.fleet.memory import Phase
from firmware_app.management.in_force import check_document, memory_of
from firmware_app.management.steward import reported_from
from firmware_app.status.snapshot import Absent, ConfigView, LinkView, Maybe, Snapshot

_STATES: Final = {
    Phase.SETTLED.value: "healthy",
    Phase.STAGED.value: "on trial",
    Phase.TRIAL.value: "on trial",
    Phase.ROLLING_BACK.value: "rolled back",
    Phase.INSTALLING.value: "on trial",
    Phase.RESTARTING.value: "on trial",
}


def fleet_view(view: ConfigView, reported: Mapping[str, Any]) -> ConfigView:
    """The configuration with what the agent reports of it."""
    current, following, failed = reported["version"], reported["next"], reported["failed"]
    state, problem = _STATES[reported["state"]], reported["waiting_for"] or ""
    newer: Mapping[str, Any] | None = following
    if following is None and failed is not None and _order(failed) > _order(current):
        newer, state, problem = failed, "rolled back", failed["reason"]
    elif problem:
        problem = f"a newer one waits for {problem}"
    desired: Maybe[int] = Absent("nothing newer is known") if newer is None else newer["version"]
    return replace(view, version=current["version"], state=state, desired=desired, problem=problem)


def _order(version: Mapping[str, Any]) -> tuple[int, int]:
    return version["key_set"], version["version"]


def with_fleet(snapshot: Snapshot, standing: Mapping[str, Any], since_ago_ms: int) -> Snapshot:
    """A snapshot with the operator's side of the device.

    Args:
        standing: see ``FleetPart.standing``.
        since_ago_ms: since when the broker is reached, or not, ms.
    """
    if not isinstance(snapshot.config, Absent):
        snapshot = replace(snapshot, config=fleet_view(snapshot.config, standing))
    if standing["broker"] is None:
        return snapshot
    link = LinkView(
        name=standing["broker"],
        role="management",
        up=standing["connected"],
        since_ago_ms=since_ago_ms,
        error=standing["problem"] or "",
    )
    others = () if isinstance(snapshot.links, Absent) else snapshot.links
    return replace(snapshot, links=(*others, link))


def look(path: Path = DEFAULT_FILE) -> ConfigView:
    """The configuration as it lies on the disk, without the service."""
    try:
        memory = memory_of(path)
        if memory is None:
            return look_at_file(path)
        idle: Maybe[int] = Absent("the service is not running")
        view = view_of(check_document(memory.running.document, path).config, path, idle)
        return fleet_view(view, reported_from(memory))
    except ConfigError as error:
        return replace(look_at_file(path), state="rejected", problem=str(error))
