"""`status`: the fleet, one rollout or one device, for the eye and for scripts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.operator.auditing import shown_time
from deploy.operator.controlling import version_of
from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import Desk, open_desk
from deploy.operator.following import ROLLOUT, document_of_rollout, follow, rollout_lines
from deploy.operator.overview import overview
from deploy.operator.pushing import console_count
from deploy.operator.rollout.engine import UNFINISHED
from firmware_app.console import Console, Exit, Paint

FLEET: Final = "gridlight.fleet.status/1"
DEVICE: Final = "gridlight.fleet.device/1"
_WATCH_S: Final = 2.0
_SHOWN: Final = 10


def status(args: argparse.Namespace) -> int:
    """Show what is asked for; with --watch again and again."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        what = args.what or ""
        if what.startswith("v") and what[1:].isdecimal():
            number = desk.rollouts.of_version(version_of(what)).id
            if args.watch:
                return follow(console, desk, number)
            document = document_of_rollout(desk, number)
            console.result(ROLLOUT, document, rollout_lines(document, console))
            return Exit.UNDECIDED if document["standing"] in UNFINISHED else Exit.OK
        _show(console, desk, what, stream=args.watch)
        while args.watch:
            time.sleep(_WATCH_S)
            _show(console, desk, what, stream=True)
        return Exit.OK
    finally:
        desk.close()


def _show(console: Console, desk: Desk, name: str, *, stream: bool) -> None:
    """A device, or the fleet."""
    if name:
        schema, document = DEVICE, device_document(desk, desk.devices.named(name))
        lines = _device_lines(console, document)
    else:
        schema, document = FLEET, overview(desk, time.time_ns() // 1_000_000)
        lines = _fleet_lines(console, document, is_served=desk.is_served)
    if console.json and stream:
        console.stream(schema, document)
    else:
        console.result(schema, document, lines)


def _fleet_lines(console: Console, document: Mapping[str, Any], *, is_served: bool) -> list[str]:
    counts = document["devices"]
    head = f"{console_count(counts['all'], 'meter')}: {counts['online']} connected"
    for word in ("silent", "expected", "revoked"):
        head += f", {counts[word]} {word}" if counts[word] else ""
    lines = [
        head
        + (
            ""
            if is_served
            else f"   {console.paint('nobody serves this desk', Paint.YELLOW)}: gridlight-fleet serve"
        )
    ]
    for row in document["attention"][:_SHOWN]:
        paint = Paint.RED if row["severity"] == "failure" else Paint.YELLOW
        lines.append(
            f"{console.paint(row['severity'], paint):<10} {console_count(row['devices'], 'meter')}: {row['sentence']}"
        )
        such = f"such as {', '.join(row['such_as'])}. " if row["such_as"] else ""
        lines.append(f"           {such}next: {row['next']}")
    lines += ["", "Rollouts" if document["rollouts"] else "No rollout yet. next: gridlight-fleet push --help"]
    for row in document["rollouts"][:_SHOWN]:
        counts = {outcome: count for outcome, count in row["counts"].items() if count}
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        reason = f" ({row['reason']})" if row["reason"] else ""
        lines.append(f"  v{row['version']:<5} {row['standing']:<8} {said}{reason}")
    versions = ", ".join(f"v{row['version']} {row['devices']}" for row in document["versions"])
    return [*lines, "", f"Versions in force: {versions or 'none was reported yet'}"]


def device_document(desk: Desk, device: Device, most: int = 50) -> dict[str, Any]:
    """One device for programs: what it is, how it is, what became of rollouts, alarms, history."""
    return {
        "device": device.name,
        "state": device.state.value,
        "online": device.online,
        "online_since_ms": device.online_since_ms,
        "heard_ms": device.heard_ms,
        "board": device.board,
        "feeder": device.feeder,
        "firmware": device.firmware,
        "labels": dict(device.labels),
        "problem": device.problem or None,
        "reported": dict(device.reported) or None,
        "rollouts": [
            {
                "version": version,
                "outcome": place.outcome.value,
                "reason": place.reason or None,
                "sent_ms": place.sent_ms,
            }
            for version, place in desk.rollouts.of_device(device.name)
        ],
        "alarms": [
            {
                "alarm": row.code,
                "severity": row.severity,
                "sentence": row.sentence,
                "since_ms": row.since_ms,
                "ended_ms": row.ended_ms,
            }
            for row in desk.inbox.alarms(device.name, most)
        ],
        "history": [dict(row) for row in desk.inbox.history(device.name, most)],
        "letters": desk.inbox.letters_by_kind(device.name),
    }


def _device_lines(console: Console, document: Mapping[str, Any]) -> list[str]:
    state = State(document["state"])
    connected = (
        console.paint("connected", Paint.GREEN)
        if document["online"]
        else console.paint("not connected", Paint.YELLOW)
    )
    since = f" since {shown_time(document['online_since_ms'])}" if document["online_since_ms"] else ""
    lines = [
        f"{document['device']}   {state.value}, {connected}{since}",
        f"Is         {document['board'] or 'unknown board'}, firmware {document['firmware']},"
        f" feeder {document['feeder']}"
        + "".join(f", {key}={value}" for key, value in sorted(document["labels"].items())),
        f"Health     {document['problem'] or ('well' if document['heard_ms'] else 'has never spoken')}",
    ]
    reported = document["reported"]
    if reported:
        version = reported["version"]
        lines.append(f"Runs by    v{version['version']} of key set {version['key_set']}, {reported['state']}")
        if reported["waiting_for"]:
            lines.append(f"Waits for  {reported['waiting_for']}")
        if reported["last_refusal"]:
            lines.append(
                f"Refused    {sum(reported['refused'].values())} bundles, last: {reported['last_refusal']}"
            )
    for row in document["rollouts"][:_SHOWN]:
        reason = f": {row['reason']}" if row["reason"] else ""
        lines.append(f"v{row['version']:<9} {row['outcome']}{reason}")
    for row in document["alarms"][:_SHOWN]:
        ended = f" until {shown_time(row['ended_ms'])}" if row["ended_ms"] else ""
        lines.append(f"{row['severity']:<10} {row['sentence']}, since {shown_time(row['since_ms'])}{ended}")
    if document["history"]:
        lines += ["", "History, newest first"]
        lines += [
            f"  {shown_time(row['at_ms'])}  {row['what']:<18} {row['sentence']}"
            for row in document["history"][:_SHOWN]
        ]
    return lines
