"""The fleet in one document: what needs a person first, then rollouts, versions, feeders. Command, page and figures
read the same one, so that they never give two answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import Desk
from deploy.operator.desk.inbox import SEVERE
from deploy.operator.desk.rollouts import Summary
from deploy.operator.rollout.engine import UNFINISHED
from deploy.operator.rollout.outcomes import Outcome
from firmware_app.fleet.memory import Phase
from firmware_app.fleet.telemetry import SENTENCES, Alarm

SILENT_MS: Final = 24 * 3_600_000
"""A device that was not connected for so long is silent, and somebody should ask why."""
ENDING_MS: Final = 30 * 86_400_000
"""A certificate that ends so soon should have been renewed: the device was away, or cannot."""
_SUCH_AS: Final = 3
_ROLLOUTS: Final = 20


def overview(desk: Desk, now_ms: int) -> dict[str, Any]:
    """Everything at once."""
    devices = desk.devices.all()
    members = [device for device in devices if device.state is State.ENROLLED]
    alarms = desk.inbox.alarms(most=100_000)
    by_alarm: dict[str, list[str]] = defaultdict(list)
    for alarm in alarms:
        by_alarm[alarm.code].append(alarm.device)
    rollouts = desk.rollouts.summaries(_ROLLOUTS)
    return {
        "at_ms": now_ms,
        "key_set": desk.papers.key_set().version,
        "devices": {
            "all": len(devices),
            "enrolled": len(members),
            "online": sum(device.online for device in members),
            "silent": sum(is_silent(device, now_ms) for device in members),
            "well": sum(device.online and not device.problem for device in members),
            "expected": sum(device.state is State.EXPECTED for device in devices),
            "revoked": sum(device.state is State.REVOKED for device in devices),
        },
        "attention": _attention(members, by_alarm, rollouts, now_ms),
        "rollouts": [_rollout(summary) for summary in rollouts],
        "versions": _versions(members),
        "feeders": _feeders(members, {name for names in by_alarm.values() for name in names}, now_ms),
        "alarms": {code: len(names) for code, names in sorted(by_alarm.items())},
        "letters": desk.inbox.letters_count(),
        "counters": desk.inbox.figures(),
    }


def is_silent(device: Device, now_ms: int) -> bool:
    """Whether it has not been connected for long."""
    if device.online:
        return False
    return max(device.heard_ms or 0, device.online_since_ms or 0) < now_ms - SILENT_MS


def condition(device: Device, alarmed: set[str], now_ms: int) -> str:
    """How a device is, in one word, the worst first: ``ill``, ``silent``, ``away``, ``changing`` or ``well``."""
    if device.problem or device.name in alarmed:
        return "ill"
    if not device.online:
        return "silent" if is_silent(device, now_ms) else "away"
    return "changing" if device.phase not in ("", Phase.SETTLED) else "well"


CONDITIONS: Final = ("well", "changing", "away", "silent", "ill")


def _attention(
    members: Iterable[Device], by_alarm: Mapping[str, list[str]], rollouts: Iterable[Summary], now_ms: int
) -> list[dict[str, Any]]:
    """What needs a person, grouped by its cause, the worst first."""
    rows = [
        _row("failure" if Alarm(code) in SEVERE else "warning", code, SENTENCES[Alarm(code)], names)
        for code, names in sorted(by_alarm.items())
    ]
    for summary in rollouts:
        if summary.failed and (
            summary.standing in UNFINISHED or (summary.ended_ms or 0) > now_ms - SILENT_MS
        ):
            row = _row(
                "warning", "rollout", f"did not keep v{summary.version}, which is {summary.standing}", []
            )
            rows.append(
                {**row, "devices": summary.failed, "next": f"gridlight-fleet status v{summary.version}"}
            )
    for ended, severity, sentence in (
        (
            True,
            "failure",
            "certificate has ended: nobody lets it in; enroll --again, then the ticket to the board",
        ),
        (False, "warning", "certificate ends within 30 days, and was not renewed"),
    ):
        names = [device.name for device in members if _ends(device, now_ms) is ended]
        if names:
            rows.append(_row(severity, "certificate", sentence, names))
    silent = [device.name for device in members if is_silent(device, now_ms)]
    if silent:
        rows.append(_row("warning", "silent", "not connected for over 24 h", silent))
    return sorted(rows, key=lambda row: (row["severity"] != "failure", -row["devices"]))


def _ends(device: Device, now_ms: int) -> bool | None:
    """Whether its certificate has ended, or is about to; None for neither."""
    if device.certificate_until_ms is None or device.certificate_until_ms > now_ms + ENDING_MS:
        return None
    return device.certificate_until_ms <= now_ms


def _row(severity: str, cause: str, sentence: str, names: Sequence[str]) -> dict[str, Any]:
    return {
        "severity": severity,
        "cause": cause,
        "sentence": sentence,
        "devices": len(names),
        "such_as": list(names[:_SUCH_AS]),
        "next": f"gridlight-fleet status {names[0]}" if names else "",
    }


def _rollout(summary: Summary) -> dict[str, Any]:
    return {
        "version": summary.version,
        "key_set": summary.key_set,
        "standing": summary.standing.value,
        "reason": summary.reason or None,
        "wave": summary.wave,
        "meters": summary.devices,
        "failed": summary.failed,
        "counts": {outcome.value: summary.counts.get(outcome, 0) for outcome in Outcome},
        "started_ms": summary.started_ms,
        "ended_ms": summary.ended_ms,
    }


def _versions(members: Iterable[Device]) -> list[dict[str, Any]]:
    counts = Counter((device.key_set, device.version) for device in members if device.phase)
    return [
        {"key_set": key_set, "version": version, "devices": count}
        for (key_set, version), count in sorted(counts.items(), reverse=True)
    ]


def _feeders(members: Iterable[Device], alarmed: set[str], now_ms: int) -> list[dict[str, Any]]:
    by_feeder: dict[int, list[Device]] = defaultdict(list)
    for device in members:
        by_feeder[device.feeder].append(device)
    rows = []
    for feeder, devices in sorted(by_feeder.items()):
        counts = Counter(condition(device, alarmed, now_ms) for device in devices)
        rows.append(
            {"feeder": feeder, "devices": len(devices), **{word: counts[word] for word in CONDITIONS}}
        )
    return rows
