"""What devices send besides their configuration: letters, alarms, health; and a history of each device.

| kept            | how long                        | how much of one device                |
|-----------------|---------------------------------|---------------------------------------|
| letters         | `Retention.letters_days`        | `Retention.letters_each`, oldest go    |
| alarms, history | `Retention.history_days`        | `Retention.history_each`, oldest go    |
| health          | the last of each device         |                                       |
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from deploy.operator.desk.database import Database
from firmware_app.fleet.letters import Letter
from firmware_app.fleet.telemetry import SENTENCES, Alarm

_DAY_MS: Final = 86_400_000
SEVERE: Final = frozenset({Alarm.EVIDENCE, Alarm.HALTED, Alarm.STORAGE})
"""Somebody has to go there, or to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept."""

    letters_days: int = 400
    letters_each: int = 10_000
    history_days: int = 90
    history_each: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """One alarm of one device."""

    device: str
    code: str
    severity: str
    sentence: str
    since_ms: int
    ended_ms: int | None


class Inbox:
    """The tables. Whoever writes has begun a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_letter(self, device: str, kind: str, letter: Letter, now_ms: int) -> bool:
        """Put a letter down; returns whether it is new. A repetition changes nothing."""
        return bool(
            self._database.run(
                "INSERT OR IGNORE INTO letters VALUES (?, ?, ?, ?, ?, ?)",
                (device, letter.key, kind, letter.at_ms, now_ms, letter.body),
            )
        )

    def letters(self, device: str, kind: str) -> list[tuple[str, int | None, bytes]]:
        """Key, time and body of a device's letters of one kind, oldest first."""
        found = self._database.rows(
            "SELECT key, at_ms, body FROM letters WHERE device = ? AND kind = ? ORDER BY heard_ms, key",
            (device, kind),
        )
        return [(row["key"], row["at_ms"], row["body"]) for row in found]

    def letters_by_kind(self, device: str) -> dict[str, int]:
        """Kind -> how many letters of a device are kept."""
        found = self._database.rows(
            "SELECT kind, count(*) AS letters FROM letters WHERE device = ? GROUP BY kind ORDER BY kind",
            (device,),
        )
        return {row["kind"]: row["letters"] for row in found}

    def letters_count(self) -> int:
        """How many letters are kept."""
        row = self._database.row("SELECT count(*) AS letters FROM letters")
        return int(row["letters"]) if row else 0

    # -- alarms ----------------------------------------------------------------------------------------------------

    def raise_alarm(self, device: str, alarm: Alarm, at_ms: int) -> bool:
        """An alarm holds; returns whether that is new."""
        if self._open(device, alarm):
            return False
        severity = "failure" if alarm in SEVERE else "warning"
        self._database.run(
            "INSERT OR REPLACE INTO alarms VALUES (?, ?, ?, ?, ?, NULL)",
            (device, alarm.value, severity, SENTENCES[alarm], at_ms),
        )
        return True

    def end_alarm(self, device: str, alarm: Alarm, at_ms: int) -> bool:
        """An alarm does not hold any more; returns whether that is new."""
        return bool(
            self._database.run(
                "UPDATE alarms SET ended_ms = max(since_ms, ?) WHERE device = ? AND code = ? AND ended_ms IS NULL",
                (at_ms, device, alarm.value),
            )
        )

    def set_alarms(self, device: str, alarms: Iterable[Alarm], at_ms: int) -> list[tuple[Alarm, bool]]:
        """These hold now and no others; returns what is new: alarm, and whether it began."""
        holding = set(alarms)
        changes = [(alarm, True) for alarm in sorted(holding) if self.raise_alarm(device, alarm, at_ms)]
        changes += [
            (alarm, False) for alarm in sorted(set(Alarm) - holding) if self.end_alarm(device, alarm, at_ms)
        ]
        return changes

    def _open(self, device: str, alarm: Alarm) -> bool:
        row = self._database.row(
            "SELECT 1 FROM alarms WHERE device = ? AND code = ? AND ended_ms IS NULL", (device, alarm.value)
        )
        return row is not None

    def alarms(self, device: str = "", most: int = 1_000) -> list[AlarmRow]:
        """Alarms that hold, the severe first; of one device also those that ended."""
        where, values = ("device = ?", (device,)) if device else ("ended_ms IS NULL", ())
        found = self._database.rows(
            f"SELECT * FROM alarms WHERE {where}"  # noqa: S608 - one of two texts above
            " ORDER BY ended_ms IS NOT NULL, severity, since_ms DESC LIMIT ?",
            (*values, most),
        )
        return [AlarmRow(**dict(row)) for row in found]

    def alarm_counts(self) -> dict[str, int]:
        """Alarm -> how many devices have it now."""
        found = self._database.rows(
            "SELECT code, count(*) AS devices FROM alarms WHERE ended_ms IS NULL GROUP BY code ORDER BY code"
        )
        return {row["code"]: row["devices"] for row in found}

    # -- history ---------------------------------------------------------------------------------------------------

    def note(self, device: str, at_ms: int, what: str, sentence: str) -> None:
        """Something worth telling happened to a device."""
        self._database.run(
            "INSERT INTO history (device, at_ms, what, sentence) VALUES (?, ?, ?, ?)",
            (device, at_ms, what, sentence),
        )

    def history(self, device: str, most: int = 100) -> list[sqlite3.Row]:
        """at_ms, what, sentence; newest first."""
        return self._database.rows(
            "SELECT at_ms, what, sentence FROM history WHERE device = ? ORDER BY id DESC LIMIT ?",
            (device, most),
        )

    # -- retention -------------------------------------------------------------------------------------------------

    def forget(self, retention: Retention, now_ms: int) -> int:
        """Delete what is older than it is kept, and the oldest of who sends too much; returns how many rows."""
        letters_ms = now_ms - retention.letters_days * _DAY_MS
        history_ms = now_ms - retention.history_days * _DAY_MS
        run = self._database.run
        return (
            run("DELETE FROM letters WHERE heard_ms < ?", (letters_ms,))
            + run("DELETE FROM history WHERE at_ms < ?", (history_ms,))
            + run("DELETE FROM alarms WHERE ended_ms < ?", (history_ms,))
            + self._forget_surplus(retention)
        )

    def _forget_surplus(self, retention: Retention) -> int:
        gone = 0
        for row in self._database.rows(
            "SELECT device, count(*) AS rows FROM letters GROUP BY device HAVING rows > ?",
            (retention.letters_each,),
        ):
            gone += self._database.run(
                "DELETE FROM letters WHERE (device, key) IN (SELECT device, key FROM letters WHERE device = ?"
                " ORDER BY heard_ms, key LIMIT ?)",
                (row["device"], row["rows"] - retention.letters_each),
            )
        for row in self._database.rows(
            "SELECT device, count(*) AS rows FROM history GROUP BY device HAVING rows > ?",
            (retention.history_each,),
        ):
            gone += self._database.run(
                "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE device = ? ORDER BY id LIMIT ?)",
                (row["device"], row["rows"] - retention.history_each),
            )
        return gone

    # -- figures ---------------------------------------------------------------------------------------------------

    def count(self, name: str, by: int) -> None:
        """Add to one of the service's own counters."""
        self._database.run(
            "INSERT INTO figures VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (name, by),
        )

    def figures(self) -> dict[str, int]:
        """The service's counters."""
        return {
            row["name"]: row["value"] for row in self._database.rows("SELECT * FROM figures ORDER BY name")
        }
