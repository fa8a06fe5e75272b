"""A rollout as it goes on: a table that is drawn anew on a terminal, lines elsewhere, and how it ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from deploy.operator.desk.folder import Desk
from deploy.operator.desk.rollouts import Summary
from deploy.operator.rollout.engine import UNFINISHED, Standing
from deploy.operator.rollout.outcomes import FAILED, PENDING, Outcome
from firmware_app.console import Console, Exit, Paint
from firmware_app.fleet.plan import Wave

ROLLOUT: Final = "gridlight.fleet.rollout/1"
_POLL_S: Final = 0.5
_COLUMNS: Final = (
    ("Healthy", (Outcome.HEALTHY,)),
    ("Applying", tuple(sorted(PENDING))),
    ("Away", (Outcome.AWAY,)),
    ("Waiting", (Outcome.WAITING,)),
    ("Failed", tuple(sorted(FAILED))),
    ("Withdrawn", (Outcome.WITHDRAWN,)),
)


def follow(console: Console, desk: Desk, number: int, sleep: Callable[[float], None] = time.sleep) -> int:
    """Show a rollout until it has ended; Ctrl-C leaves it running."""
    before: object = None
    drawn = 0
    if not desk.is_served:
        console.warn("nobody serves this desk: the rollout begins with gridlight-fleet serve")
    console.note("Ctrl-C leaves the rollout running.")
    try:
        while True:
            document = document_of_rollout(desk, number)
            if document != before:
                before = document
                drawn = _show(console, document, drawn)
            if Standing(document["standing"]) not in UNFINISHED:
                return Exit.OK if document["standing"] == Standing.DONE else Exit.FAILED
            sleep(_POLL_S)
    except KeyboardInterrupt:
        console.note(
            f"\nthe rollout goes on. next: gridlight-fleet status v{desk.rollouts.summary(number).version}"
        )
        return Exit.UNDECIDED


def _show(console: Console, document: Mapping[str, Any], drawn: int) -> int:
    if console.json:
        console.stream(ROLLOUT, document)
        return 0
    lines = rollout_lines(document, console)
    if console.draws and drawn:
        lines[0] = f"\x1b[{drawn}A\x1b[J{lines[0]}"
    console.result(ROLLOUT, document, lines)
    return len(lines)


def document_of_rollout(desk: Desk, number: int) -> dict[str, Any]:
    """A rollout for programs: counts by wave, and whoever failed with the reason."""
    summary = desk.rollouts.summary(number)
    plan = desk.papers.paper(summary.hash).bundle.plan
    places = desk.rollouts.places(number)
    waves: list[dict[str, Any]] = []
    first = 0
    for at, wave in enumerate(plan.waves):
        reach = max(first, wave.reaches(len(places)))
        counts = Counter(place.outcome for place in places[first:reach])
        waves.append(
            {
                "wave": at + 1,
                "reach": _reach(wave),
                "meters": reach - first,
                "state": _state(summary, at, counts),
                "counts": {outcome.value: counts[outcome] for outcome in Outcome},
            }
        )
        first = reach
    return {
        **_facts(summary),
        "abort_permille": plan.abort_permille,
        "waves": waves,
        "failed": [
            {"device": place.device, "outcome": place.outcome.value, "reason": place.reason}
            for place in places
            if place.outcome in FAILED
        ],
    }


def _facts(summary: Summary) -> dict[str, Any]:
    return {
        "rollout": summary.id,
        "version": summary.version,
        "key_set": summary.key_set,
        "hash": summary.hash.hex(),
        "standing": summary.standing.value,
        "reason": summary.reason or None,
        "wave": summary.wave,
        "meters": summary.devices,
        "counts": {outcome.value: summary.counts.get(outcome, 0) for outcome in Outcome},
        "started_ms": summary.started_ms,
        "changed_ms": summary.changed_ms,
        "ended_ms": summary.ended_ms,
    }


def _reach(wave: Wave) -> str:
    return str(wave.devices) if wave.devices else f"{wave.permille / 10:g} %"


def _state(summary: Summary, at: int, counts: Counter[Outcome]) -> str:
    if summary.wave <= at:
        return "to come" if summary.standing in UNFINISHED else "not begun"
    if summary.wave > at + 1 or summary.standing in (Standing.DONE, Standing.OVER):
        return "done"
    if summary.standing is not Standing.RUNNING:
        return summary.standing.value
    if not any(counts[outcome] for outcome in PENDING):
        return "waits for a meter to connect"
    return "health gate"


def rollout_lines(document: Mapping[str, Any], console: Console) -> list[str]:
    """A rollout for people."""
    standing = Standing(document["standing"])
    paint = {Standing.DONE: Paint.GREEN, Standing.ABORTED: Paint.RED, Standing.PAUSED: Paint.YELLOW}.get(
        standing, Paint.BOLD
    )
    reason = f": {document['reason']}" if document["reason"] else ""
    lines = [f"v{document['version']}  {console.paint(standing.value, paint)}{reason}", ""]
    lines.append(f"{'Wave':<12}{'Meters':>7}" + "".join(f"{head:>11}" for head, _ in _COLUMNS) + "  State")
    for wave in document["waves"]:
        cells = "".join(f"{sum(wave['counts'][o.value] for o in outcomes):>11}" for _, outcomes in _COLUMNS)
        lines.append(f"{wave['wave']:<4}{wave['reach']:>7} {wave['meters']:>7}{cells}  {wave['state']}")
    for row in document["failed"][:5]:
        lines.append("")
        lines.append(f"{row['device']} {row['outcome']}: {row['reason']}")
        lines.append(f"  next: gridlight-fleet status {row['device']}")
    if len(document["failed"]) > 5:
        lines.append(
            f"and {len(document['failed']) - 5} more: gridlight-fleet status v{document['version']} --json"
        )
    return lines
