"""Rollouts as they are written down: the engine's marks, and what people asked for between two turns of the service."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.operator.desk.database import Database
from deploy.operator.desk.devices import Device
from deploy.operator.desk.papers import Paper
from deploy.operator.rollout.engine import (
    OFFERED,
    UNFINISHED,
    Effect,
    Mark,
    Place,
    Rollout,
    Stand,
    Standing,
    Step,
)
from deploy.operator.rollout.outcomes import FAILED, Outcome, Sight
from firmware_app.console import CommandError, Exit

_ASKS: Final = {step.name.lower(): step for step in (Step.PAUSE, Step.RESUME, Step.ABORT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A rollout in one line."""

    id: int
    hash: bytes
    key_set: int
    version: int
    standing: Standing
    wave: int
    reason: str
    started_ms: int
    changed_ms: int
    ended_ms: int | None
    counts: Mapping[Outcome, int]

    @property
    def devices(self) -> int:
        """How many it is for."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.counts.get(outcome, 0) for outcome in FAILED)


class Rollouts:
    """The tables. Whoever writes has begun a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, paper: Paper, devices: Iterable[Device], now_ms: int) -> int:
        """Put a rollout down: the connected first, each in an order that nobody chose; returns its number.

        Raises:
            CommandError: nobody is meant, or an unfinished rollout concerns some of them.
        """
        meant = sorted(devices, key=lambda device: (not device.online, _lot(paper.hash, device.name)))
        if not meant:
            raise CommandError("no device matches the target", hint="gridlight-fleet status")
        self._refuse_overlap({device.name for device in meant})
        self._database.run(
            "INSERT INTO rollouts (hash, standing, wave, reason, started_ms, changed_ms) VALUES (?, ?, 0, '', ?, ?)",
            (paper.hash, Standing.RUNNING, now_ms, now_ms),
        )
        row = self._database.row("SELECT max(id) AS id FROM rollouts")
        number = int(row["id"]) if row else 0
        self._database.run_many(
            "INSERT INTO outcomes (rollout, place, device, outcome, reason, changed_ms) VALUES (?, ?, ?, ?, '', ?)",
            ((number, place, device.name, Outcome.WAITING, now_ms) for place, device in enumerate(meant)),
        )
        return number

    def _refuse_overlap(self, names: set[str]) -> None:
        for row in self._with_standing(UNFINISHED):
            found = self._database.rows("SELECT device FROM outcomes WHERE rollout = ?", (row["id"],))
            if names & {other["device"] for other in found}:
                raise CommandError(
                    f"version {row['version']} is being rolled out to some of these devices",
                    hint=f"wait for it, or gridlight-fleet abort v{row['version']}",
                )

    def _with_standing(self, standings: Iterable[Standing]) -> list[sqlite3.Row]:
        chosen = sorted(standings)
        marks = ", ".join("?" * len(chosen))
        select = "SELECT rollouts.*, key_set, version FROM rollouts JOIN bundles USING (hash)"
        return self._database.rows(f"{select} WHERE standing IN ({marks}) ORDER BY id", chosen)

    def watched(self, since_ms: int) -> list[tuple[int, bytes]]:
        """Number and bundle of the rollouts whose bundles may lie in topics, or that ended later than that."""
        rows = self._with_standing(Standing)
        return [
            (row["id"], row["hash"])
            for row in rows
            if row["standing"] in OFFERED or (row["ended_ms"] or 0) > since_ms
        ]

    def load(self, number: int, paper: Paper, sights: Callable[[str], Sight]) -> Rollout:
        """The state machine of a rollout, as it was written."""
        row = self._row(number)
        found = self._database.rows("SELECT * FROM outcomes WHERE rollout = ? ORDER BY place", (number,))
        return Rollout(
            bundle=paper.hash.hex(),
            plan=paper.bundle.plan,
            expires_ms=paper.bundle.expires_ms,
            places=[_place(place) for place in found],
            sights=sights,
            standing=Standing(row["standing"]),
            wave=row["wave"],
            reason=row["reason"],
        )

    def _row(self, number: int) -> sqlite3.Row:
        row = self._database.row(
            "SELECT rollouts.*, key_set, version FROM rollouts JOIN bundles USING (hash) WHERE id = ?",
            (number,),
        )
        if row is None:
            raise CommandError(f"there is no rollout {number}")
        return row

    def write(self, number: int, effects: Iterable[Effect], now_ms: int) -> None:
        """Write what the engine says."""
        places: dict[int, Place] = {}
        for effect in effects:
            if isinstance(effect, Mark):
                places[effect.number] = effect.place
            else:
                self._write_standing(number, effect, now_ms)
        self._database.run_many(
            "UPDATE outcomes SET outcome = ?, reason = ?, sent_ms = ?, until_ms = ?, changed_ms = ?"
            " WHERE rollout = ? AND place = ?",
            (
                (place.outcome, place.reason, place.sent_ms, place.until_ms, now_ms, number, at)
                for at, place in places.items()
            ),
        )

    def write_before(self, number: int, device: str, document: bytes) -> None:
        """Remember what a device ran by before it kept the bundle, so that it can be taken back."""
        self._database.run(
            "UPDATE outcomes SET before = ? WHERE rollout = ? AND device = ?",
            (document or None, number, device),
        )

    def before(self, number: int) -> list[tuple[str, Outcome, bytes | None]]:
        """Device, what became of it, and hash of what it ran by before it kept the bundle."""
        found = self._database.rows(
            "SELECT device, outcome, before FROM outcomes WHERE rollout = ? ORDER BY device", (number,)
        )
        return [(row["device"], Outcome(row["outcome"]), row["before"]) for row in found]

    def _write_standing(self, number: int, stand: Stand, now_ms: int) -> None:
        ended_ms = None if stand.standing in UNFINISHED else now_ms
        self._database.run(
            "UPDATE rollouts SET standing = ?, wave = ?, reason = ?, changed_ms = ?,"
            " ended_ms = coalesce(ended_ms, ?) WHERE id = ?",
            (stand.standing, stand.wave, stand.reason, now_ms, ended_ms, number),
        )

    # -- what people ask for ---------------------------------------------------------------------------------------

    def ask(self, number: int, step: Step, who: str, why: str) -> None:
        """Leave a wish for the service."""
        self._database.run(
            "UPDATE rollouts SET asked = ?, asked_by = ?, asked_why = ? WHERE id = ?",
            (step.name.lower(), who, why, number),
        )

    def take_asked(self) -> list[tuple[int, Step, str, str]]:
        """Wishes that were left: number, step, who, why; each is told once."""
        found = self._database.rows("SELECT id, asked, asked_by, asked_why FROM rollouts WHERE asked != ''")
        if found:
            self._database.run("UPDATE rollouts SET asked = '' WHERE asked != ''")
        return [(row["id"], _ASKS[row["asked"]], row["asked_by"], row["asked_why"]) for row in found]

    # -- for people ------------------------------------------------------------------------------------------------

    def summaries(self, most: int = 20) -> list[Summary]:
        """The newest rollouts, newest first."""
        found = self._database.rows("SELECT id FROM rollouts ORDER BY id DESC LIMIT ?", (most,))
        return [self.summary(row["id"]) for row in found]

    def summary(self, number: int) -> Summary:
        """One rollout."""
        row = self._row(number)
        counts = self._database.rows(
            "SELECT outcome, count(*) AS devices FROM outcomes WHERE rollout = ? GROUP BY outcome", (number,)
        )
        return Summary(
            **{name: row[name] for name in ("id", "hash", "key_set", "version", "wave", "reason")},
            **{name: row[name] for name in ("started_ms", "changed_ms", "ended_ms")},
            standing=Standing(row["standing"]),
            counts={Outcome(each["outcome"]): each["devices"] for each in counts},
        )

    def of_version(self, version: int) -> Summary:
        """The newest rollout of a version.

        Raises:
            CommandError: there is none.
        """
        row = self._database.row(
            "SELECT id FROM rollouts JOIN bundles USING (hash) WHERE version = ? ORDER BY id DESC", (version,)
        )
        if row is None:
            raise CommandError(
                f"no version {version} was rolled out", hint="gridlight-fleet status", code=Exit.USAGE
            )
        return self.summary(row["id"])

    def places(self, number: int) -> list[Place]:
        """Every device of a rollout in its order."""
        found = self._database.rows("SELECT * FROM outcomes WHERE rollout = ? ORDER BY place", (number,))
        return [_place(row) for row in found]

    def of_device(self, device: str) -> list[tuple[int, Place]]:
        """(version, what became of it) of a device in all rollouts, newest first."""
        found = self._database.rows(
            "SELECT outcomes.*, version FROM outcomes JOIN rollouts ON rollouts.id = rollout"
            " JOIN bundles USING (hash) WHERE device = ? ORDER BY rollout DESC",
            (device,),
        )
        return [(row["version"], _place(row)) for row in found]


def _place(row: sqlite3.Row) -> Place:
    return Place(
        device=row["device"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        sent_ms=row["sent_ms"],
        until_ms=row["until_ms"],
    )


def _lot(bundle: bytes, name: str) -> bytes:
    """Where a device stands in the order of a rollout: evenly spread, and the same whoever asks."""
    return hashlib.sha256(bundle + name.encode()).digest()
