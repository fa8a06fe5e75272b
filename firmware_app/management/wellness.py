"""How the device is, out of a snapshot: what the health gate asks, what the operator is told, what is an alarm.

Sentences come from the table here, with the name of a meter or a part at most: a snapshot knows of trades, and nothing
of them may leave the board beside its identity.

The gate asks for no *new* complaint: a device whose meter was dead before a rollout is not worse for it, and one whose
configuration cures it must be able to get it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from firmware_app.fleet.telemetry import MAX_NAME, MAX_PARTS, MAX_SENTENCE, Alarm, AlarmNote, HealthReport
from firmware_app.runtime.supervision import PartState, PartStatus
from firmware_app.status.conditions import CONDITIONS
from firmware_app.status.snapshot import Absent, Snapshot

_SAID: Final[Mapping[str, tuple[str, tuple[Alarm, ...]]]] = {
    "ledger-halted": ("trading is halted", (Alarm.EVIDENCE, Alarm.HALTED)),
    "store-unwritable": ("the storage cannot be written", (Alarm.STORAGE,)),
    "store-full": ("the storage is full", (Alarm.STORAGE,)),
    "clock-untrusted": ("the time is not known", (Alarm.CLOCK,)),
    "meter-lost": ("the meter is not read", (Alarm.METER,)),
    "counter-suspect": ("the meter's counter is not believed", (Alarm.METER,)),
    "meter-damaged": ("the meter's answers are damaged", (Alarm.METER,)),
    "network-down": ("no server answers", ()),
    "ledger-expired": ("what is trusted of the chain is too old", (Alarm.HALTED,)),
    "part-stale": ("the part shows no sign of life", (Alarm.PART,)),
    "config-rejected": ("a configuration was rolled back", (Alarm.CONFIGURATION,)),
}
"""Code of a condition -> what is said of it, and the alarms that it is."""
_NOT_BY_HEALTH: Final = frozenset({"config-rejected", "store-full"})
"""What is worth an alarm, and says nothing of whether the device is well."""
_IN_BETWEEN: Final = frozenset({"unprovisioned", "syncing"})
"""States of the lifecycle in which nobody knows yet whether the device will trade."""
LINK: Final = "link"
"""Name of the complaint that the operator is not reached."""
_COARSE_BYTES: Final = 1_000_000
"""Own offers and trades make own writes: to the byte the figure would follow the market, minute by minute."""
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_.:-]")
RAISE_EACH_MS: Final = 300_000
CLEAR_AFTER_MS: Final = 60_000


def complaints(snapshot: Snapshot, supervised: Iterable[PartStatus] = (), link: str = "") -> dict[str, str]:
    """Everything that is wrong now: a stable name -> a sentence; the worst first.

    Args:
        snapshot: the device.
        supervised: parts of the program.
        link: why the operator cannot be reached; empty if it can, or if there is none.
    """
    found = {}
    for condition in CONDITIONS:
        if condition.code in _SAID and condition.code not in _NOT_BY_HEALTH:
            for finding in condition.find(snapshot):
                found[f"{condition.code}:{finding.subject}"] = _sentence(
                    finding.subject, _SAID[condition.code][0]
                )
    for part in supervised:
        if part.state is PartState.RESTING and part.failures:
            found[f"part:{part.name}"] = _sentence(part.name, "the part fails again and again")
    if snapshot.life.state in _IN_BETWEEN:
        found[f"state:{snapshot.life.state}"] = f"the device is {snapshot.life.state}"
    if link:
        found[LINK] = "the operator's broker is not reached"
    return found


def verdict(now: Mapping[str, str], before: Iterable[str]) -> str:
    """The first complaint that did not hold before; empty if there is none."""
    known = frozenset(before)
    return next((sentence for name, sentence in now.items() if name not in known), "")


def alarms_of(snapshot: Snapshot) -> frozenset[Alarm]:
    """The alarms that hold: conditions that are old enough to be shown."""
    return frozenset(alarm for notice in snapshot.notices for alarm in _SAID.get(notice.code, ("", ()))[1])


def health_report(snapshot: Snapshot, problem: str, alarms: frozenset[Alarm], letters: int) -> HealthReport:
    """What the operator is told.

    Args:
        problem: the first complaint.
        letters: that wait in the outbox.
    """
    parts = () if isinstance(snapshot.parts, Absent) else snapshot.parts[:MAX_PARTS]
    return HealthReport(
        at_ms=None if isinstance(snapshot.made_utc_ms, Absent) else snapshot.made_utc_ms,
        problem=problem[:MAX_SENTENCE],
        parts={_short(part.name): part.state for part in parts},
        alarms=tuple(sorted(alarms)),
        figures={"letters": letters, **_figures(snapshot)},
    )


def _short(part: str) -> str:
    """``meter:/dev/serial/by-id/usb-X`` as ``meter:usb-X``: paths of ports are long."""
    kind, colon, place = part.partition(":")
    return _STRANGE.sub("-", f"{kind}{colon}{place.rpartition('/')[2]}")[:MAX_NAME]


def _figures(snapshot: Snapshot) -> dict[str, int]:
    figures = {"up_s": snapshot.device.up_ms // 1_000}
    board, store = snapshot.board, snapshot.store
    if not isinstance(board, Absent):
        known = {
            "resident_bytes": board.resident_bytes,
            "disk_free_bytes": board.disk_free_bytes,
            "temperature_mc": board.temperature_mc,
        }
        figures |= {name: value for name, value in known.items() if not isinstance(value, Absent)}
    if not isinstance(store, Absent):
        figures["written_today_bytes"] = store.written_today_bytes // _COARSE_BYTES * _COARSE_BYTES
    return figures


def _sentence(subject: str, said: str) -> str:
    return f"{subject}: {said}" if subject else said


@dataclass(slots=True)
class _Told:
    raised: bool
    at_ms: int
    gone_ms: int | None = None
    """Since when it does not hold any more."""


class AlarmBook:
    """Which alarms the operator was told of; what flaps is told of now and then."""

    def __init__(self) -> None:
        """Begin with none."""
        self._told: dict[Alarm, _Told] = {}

    def look(self, holding: frozenset[Alarm], now_ms: int) -> list[AlarmNote]:
        """What there is to tell.

        Args:
            now_ms: monotonic ms.
        """
        return [
            AlarmNote(alarm=alarm, raised=alarm in holding)
            for alarm in sorted(holding | self._told.keys())
            if self._is_news(alarm, now_ms, holds=alarm in holding)
        ]

    def _is_news(self, alarm: Alarm, now_ms: int, *, holds: bool) -> bool:
        told = self._told.get(alarm)
        if told is None:
            self._told[alarm] = _Told(raised=True, at_ms=now_ms)
            return True
        told.gone_ms = None if holds else now_ms if told.gone_ms is None else told.gone_ms
        settled = told.gone_ms is None or now_ms - told.gone_ms >= CLEAR_AFTER_MS
        if holds is told.raised or not settled or (holds and now_ms - told.at_ms < RAISE_EACH_MS):
            return False
        told.raised, told.at_ms = holds, now_ms
        return True
