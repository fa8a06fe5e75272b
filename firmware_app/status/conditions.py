"""What can be wrong with the device: each condition finds itself in a snapshot, says so in one sentence, and names the
next step. One table serves the warnings of status and page, the metrics, and the checks of doctor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from firmware_app.status import findings
from firmware_app.status.findings import Finding
from firmware_app.status.snapshot import Snapshot

Severity = Literal["failure", "warning"]
Find = Callable[[Snapshot], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that can be wrong.

    Attributes:
        code: stable; docs/status.md lists all.
        check: id of the doctor check that it belongs to.
        severity: how bad.
        after_ms: how long it must hold before people are told, so that nothing flaps.
        root_causes: codes of which it may be a mere consequence: while one of them holds, this one is not shown.
        find: finds it.
    """

    code: str
    check: str
    severity: Severity
    after_ms: int
    find: Find
    root_causes: tuple[str, ...] = ()


_MIN: Final = 60_000
CONDITIONS: Final = (
    Condition(code="ledger-halted", check="ledger", severity="failure", after_ms=0, find=findings.halted),
    Condition(
        code="store-unwritable", check="store", severity="failure", after_ms=0, find=findings.unwritable
    ),
    Condition(
        code="clock-untrusted", check="clock", severity="failure", after_ms=_MIN, find=findings.untrusted
    ),
    Condition(code="meter-lost", check="meter", severity="failure", after_ms=0, find=findings.lost),
    Condition(
        code="counter-suspect",
        check="counter",
        severity="failure",
        after_ms=0,
        find=findings.suspect,
        root_causes=("meter-lost",),
    ),
    Condition(
        code="network-down", check="network", severity="failure", after_ms=2 * _MIN, find=findings.offline
    ),
    Condition(
        code="ledger-expired",
        check="ledger",
        severity="failure",
        after_ms=0,
        find=findings.expired,
        root_causes=("clock-untrusted",),
    ),
    Condition(code="part-stale", check="parts", severity="failure", after_ms=0, find=findings.stale),
    Condition(code="config-rejected", check="config", severity="failure", after_ms=0, find=findings.rejected),
    Condition(
        code="meter-damaged",
        check="meter",
        severity="failure",
        after_ms=5 * _MIN,
        find=findings.damaged,
        root_causes=("meter-lost",),
    ),
    Condition(code="simulated", check="meter", severity="warning", after_ms=0, find=findings.simulated),
    Condition(
        code="not-trading",
        check="ledger",
        severity="warning",
        after_ms=_MIN,
        find=findings.degraded,
        root_causes=(
            "ledger-halted",
            "ledger-expired",
            "clock-untrusted",
            "meter-lost",
            "counter-suspect",
            "network-down",
            "ledger-behind",
            "store-unwritable",
            "part-stale",
        ),
    ),
    Condition(code="clock-held-over", check="clock", severity="warning", after_ms=0, find=findings.held_over),
    Condition(
        code="clock-rescued", check="clock", severity="warning", after_ms=10 * _MIN, find=findings.rescued
    ),
    Condition(
        code="ledger-behind",
        check="ledger",
        severity="warning",
        after_ms=_MIN,
        find=findings.behind,
        root_causes=("ledger-halted", "ledger-expired", "clock-untrusted", "network-down"),
    ),
    Condition(
        code="server-unreachable",
        check="network",
        severity="warning",
        after_ms=5 * _MIN,
        find=findings.server,
        root_causes=("network-down",),
    ),
    Condition(
        code="witness-unreachable",
        check="witness",
        severity="warning",
        after_ms=5 * _MIN,
        find=findings.witness,
        root_causes=("network-down",),
    ),
    Condition(
        code="certificate-ends", check="network", severity="warning", after_ms=0, find=findings.certificate
    ),
    Condition(code="store-full", check="store", severity="warning", after_ms=0, find=findings.full),
    Condition(code="store-wear", check="store", severity="warning", after_ms=0, find=findings.wear),
    Condition(
        code="forecast-fallback",
        check="forecast",
        severity="warning",
        after_ms=10 * _MIN,
        find=findings.fallback,
        root_causes=("clock-untrusted", "meter-lost"),
    ),
    Condition(
        code="config-doubtful", check="config", severity="warning", after_ms=0, find=findings.two_files
    ),
    Condition(
        code="battery-unknown",
        check="battery",
        severity="warning",
        after_ms=_MIN,
        find=findings.charge_unknown,
        root_causes=("meter-lost",),
    ),
    Condition(
        code="board-memory", check="board", severity="warning", after_ms=5 * _MIN, find=findings.memory
    ),
    Condition(code="board-disk", check="board", severity="warning", after_ms=0, find=findings.disk),
    Condition(code="board-hot", check="board", severity="warning", after_ms=5 * _MIN, find=findings.hot),
)
"""All conditions, the worst first."""
