"""The checks of doctor, by id: each looks at one part of a snapshot and says what is wrong, or what it saw.

What counts as wrong is written in `conditions.py` and nowhere else, so that status, page and doctor cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from firmware_app.status import rows, wording
from firmware_app.status.conditions import CONDITIONS
from firmware_app.status.snapshot import Absent, Snapshot

State = Literal["ok", "warn", "FAIL", "-"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding.

    Attributes:
        name: of the check; stable, documented.
        state: `-` is not run.
        found: one or more sentences.
        next: what to do, where it is not fine.
    """

    name: str
    state: State
    found: str
    next: str = ""


def check(name: str, snapshot: Snapshot) -> list[Check]:
    """Run one check.

    Returns:
        Every failure and warning of its conditions, otherwise one line: `ok`, or `-` where there is nothing to look at.

    Raises:
        KeyError: there is no such check.
    """
    summary = CHECKS[name]
    wrong = [
        Check(
            name=name,
            state="FAIL" if condition.severity == "failure" else "warn",
            found=f"{finding.subject}: {finding.sentence}" if finding.subject else finding.sentence,
            next=finding.next,
        )
        for condition in CONDITIONS
        if condition.check == name
        for finding in condition.find(snapshot)
    ]
    if wrong:
        return sorted(wrong, key=lambda one: one.state != "FAIL")
    seen = summary(snapshot)
    if isinstance(seen, Absent):
        return [Check(name=name, state="-", found=f"not run: {seen.why}", next=_ELSEWHERE.get(name, ""))]
    return [Check(name=name, state="ok", found=seen)]


Summary = Callable[[Snapshot], "str | Absent"]


def _board(snapshot: Snapshot) -> str | Absent:
    return snapshot.board if isinstance(snapshot.board, Absent) else rows.board(snapshot).lines[0]


def _clock(snapshot: Snapshot) -> str | Absent:
    clock = snapshot.clock
    if isinstance(clock, Absent):
        return clock
    words = [
        wording.offset(clock.offset_us)
        if not isinstance(clock.offset_us, Absent)
        else f"held by {clock.source or 'the kernel'}"
    ]
    if not isinstance(clock.floor_utc_ms, Absent):
        words.append(f"not below floor {wording.utc(clock.floor_utc_ms)}")
    return "; ".join(words)


def _meter(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.meters, Absent):
        return snapshot.meters
    said = [
        f"{meter.name}: {meter.model} on {meter.port}, {wording.age(meter.age_ms)}, "
        f"{meter.damaged + meter.unanswered} of {meter.rounds} rounds failed"
        for meter in snapshot.meters
    ]
    return "; ".join(said) or Absent("no meter configured")


def _counter(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.meters, Absent):
        return snapshot.meters
    suspects = sum(meter.suspects for meter in snapshot.meters)
    if not suspects:
        return "no reset, roll-over, false zero or back-step in 30 d"
    last = next((meter.last_suspect for meter in snapshot.meters if meter.last_suspect), "not told")
    return f"not believed {wording.plural(suspects, 'time')} in 30 d, not now; the last: {last}"


def _battery(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.battery, Absent):
        return snapshot.battery
    return next(row for row in rows.rows(snapshot) if row.title == "Battery").lines[0]


def _network(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.links, Absent):
        return snapshot.links
    said = [
        f"{link.role} {link.name} {rows.text(link.latency_ms, lambda ms: f'{ms} ms')}"
        + (
            ""
            if isinstance(link.certificate_days, Absent)
            else f" (certificate valid {link.certificate_days} d)"
        )
        for link in snapshot.links
        if link.role != "witness"
    ]
    return ", ".join(said) or Absent("nobody is to be asked")


def _witness(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.links, Absent):
        return snapshot.links
    up = [link.name for link in snapshot.links if link.role == "witness" and link.up]
    return f"{', '.join(up)} compared" if up else Absent("no witness configured")


def _ledger(snapshot: Snapshot) -> str | Absent:
    proof = snapshot.proof
    if isinstance(proof, Absent):
        return proof
    genesis = rows.text(snapshot.device.genesis, lambda text: text)
    signed = rows.text(proof.signed, lambda count: f"{count} of {rows.text(proof.committee, str)} signed")
    return f"genesis {genesis}, height {wording.grouped(proof.height)}, {signed}; proven: {proof.level}"


def _store(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.store, Absent):
        return snapshot.store
    return "; ".join(next(row for row in rows.rows(snapshot) if row.title == "Store").lines)


def _keys(snapshot: Snapshot) -> str | Absent:
    if not snapshot.device.up_ms:
        return Absent("the configuration cannot be used, and it says where they are")
    return "in use by the service, which takes none that is open to others"


def _config(snapshot: Snapshot) -> str | Absent:
    config = snapshot.config
    if isinstance(config, Absent):
        return config
    return f"v{config.version}, {wording.plural(config.keys, 'key')}: {config.depth} ({config.file})"


def _forecast(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.forecast, Absent):
        return snapshot.forecast
    return f"{snapshot.forecast.subject}, {wording.age(snapshot.forecast.age_ms)}, {rows.skill(snapshot.forecast)}"


def _parts(snapshot: Snapshot) -> str | Absent:
    if isinstance(snapshot.parts, Absent):
        return snapshot.parts
    restarts = sum(part.restarts for part in snapshot.parts)
    return (
        f"all {len(snapshot.parts)} show signs of life; {wording.plural(restarts, 'restart')} since the start"
    )


CHECKS: Final[dict[str, Summary]] = {
    "board": _board,
    "clock": _clock,
    "meter": _meter,
    "counter": _counter,
    "battery": _battery,
    "network": _network,
    "witness": _witness,
    "ledger": _ledger,
    "store": _store,
    "keys": _keys,
    "config": _config,
    "forecast": _forecast,
    "parts": _parts,
}
"""Id -> what it says when nothing is wrong. In the order in which people want them."""
_ELSEWHERE: Final = {"meter": "gridlight scan finds meters; gridlight doctor --port looks at one wire"}
"""Where else to look when a check cannot be run."""
EXPLAINED: Final = {
    "service": "whether the service runs, and answers",
    "board": "memory, disk and temperature",
    "clock": "whether the time is known, and from whom",
    "meter": "whether each meter answers, and how clean its answers are",
    "counter": "whether the counters of each meter are believed",
    "battery": "whether it is known what the battery holds",
    "network": "whether market and operator answer",
    "witness": "whether other servers show the same chain",
    "ledger": "whether the chain is the enrolled one, and how far it is verified",
    "store": "whether readings are kept, and for how long",
    "keys": "whether the device's secrets are there, whole, and nobody else's to read",
    "config": "whether the configuration is right, and how deep that was checked",
    "forecast": "whether the forecast is better than a naive one",
    "parts": "whether every part of the program shows signs of life",
}
"""Id -> what it looks at. docs/status.md lists the same; a test holds them together."""
