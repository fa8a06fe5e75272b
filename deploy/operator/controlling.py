"""`pause`, `resume`, `abort` and `rollback`: what people decide about a rollout that was begun."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from deploy.operator import keys
from deploy.operator.authoring import span_ms
from deploy.operator.desk.folder import Desk, open_desk, whoever
from deploy.operator.desk.papers import Paper
from deploy.operator.desk.rollouts import Summary
from deploy.operator.following import follow
from deploy.operator.pushing import begin, checked_paper, console_count
from deploy.operator.reviewing import line_of, row_of
from deploy.operator.rollout.engine import STEPS, UNFINISHED, Standing, Step
from deploy.operator.rollout.outcomes import Outcome
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.bundle import Bundle, Delta
from firmware_app.fleet.change import Change, difference
from firmware_app.fleet.plan import RolloutPlan, waves_of
from firmware_app.fleet.selector import MAX_NAMES, MAX_PARTS, AnyOf, Named, Selector
from firmware_app.fleet.verification import document_of
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation

_CONTROL: Final = "gridlight.fleet.control/1"
_ROLLBACK: Final = "gridlight.fleet.rollback/1"
_WAIT_S: Final = 10.0
_POLL_S: Final = 0.2
_MAX_TARGETS: Final = MAX_NAMES * MAX_PARTS
_TAKEN: Final = frozenset({Outcome.HEALTHY, Outcome.APPLYING, Outcome.LOST})
"""Who runs by the bundle, or may."""


def version_of(words: str) -> int:
    """Read ``v18`` or ``18``.

    Raises:
        CommandError: it is no version.
    """
    digits = words.removeprefix("v")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
        raise CommandError(f"got {words!r}, expected a version such as v18", code=Exit.USAGE)
    return int(digits)


def control(args: argparse.Namespace, step: Step) -> int:
    """Leave a wish for the service, and wait until it was heard."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        summary = desk.rollouts.of_version(version_of(args.version))
        if (summary.standing, step) not in STEPS:
            raise CommandError(
                f"v{summary.version} is {summary.standing}: it cannot be told to {step.name.lower()}",
                hint=f"gridlight-fleet status v{summary.version}",
            )
        with desk.database.transaction():
            desk.rollouts.ask(summary.id, step, whoever(), args.reason)
            detail = {"version": summary.version, "reason": args.reason}
            desk.audit.add(time.time_ns() // 1_000_000, whoever(), step.name.lower(), detail)
        after = _heard(desk, summary)
    finally:
        desk.close()
    document = {"version": summary.version, "asked": step.name.lower(), "standing": after.value}
    console.result(_CONTROL, document, [f"v{summary.version}  {after.value}"])
    if after is summary.standing:
        console.warn("nobody serves this desk: it will be heard when gridlight-fleet serve runs")
        return Exit.UNDECIDED
    return Exit.OK


def _heard(desk: Desk, before: Summary) -> Standing:
    """Wait until the rollout stands otherwise, where there is a service at all."""
    end_s = time.monotonic() + _WAIT_S
    while desk.is_served and time.monotonic() < end_s:
        after = desk.rollouts.summary(before.id).standing
        if after is not before.standing:
            return after
        time.sleep(_POLL_S)
    return desk.rollouts.summary(before.id).standing


def rollback(args: argparse.Namespace) -> int:
    """Sign new bundles, with higher versions, that put back what a version changed, and roll them out."""
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        summary = desk.rollouts.of_version(version_of(args.version))
        if summary.standing in UNFINISHED:
            raise CommandError(
                f"v{summary.version} is still {summary.standing}",
                hint=f"gridlight-fleet abort v{summary.version}, then roll it back",
            )
        undoing = _undoing(desk, summary)
        secrets = [keys.read_secret(Path(name)) for name in args.key]
        papers = [
            _paper(desk, changes, names, summary, args=args, at=at, secrets=secrets)
            for at, (changes, names) in enumerate(undoing)
        ]
        lines = [f"v{summary.version} is taken back"]
        for paper, (changes, names) in zip(papers, undoing, strict=True):
            lines.append(f"v{paper.bundle.version}  for {console_count(len(names), 'meter')}")
            lines += [f"  {line_of(row_of(change, {}))}" for change in changes]
        document = {
            "takes_back": summary.version,
            "dry_run": args.dry_run,
            "bundles": [
                {"version": paper.bundle.version, "hash": paper.hash.hex(), "devices": list(names)}
                for paper, (_, names) in zip(papers, undoing, strict=True)
            ],
        }
        console.result(_ROLLBACK, document, lines)
        if args.dry_run:
            console.note("nothing was sent: this was a dry run")
            return Exit.OK
        numbers = [
            begin(desk, paper, [desk.devices.named(name) for name in names], what="rollback")
            for paper, (_, names) in zip(papers, undoing, strict=True)
        ]
        if args.detach or console.json:
            return Exit.OK
        return max(follow(console, desk, number) for number in numbers)
    finally:
        desk.close()


def _undoing(desk: Desk, summary: Summary) -> list[tuple[tuple[Change, ...], tuple[str, ...]]]:
    """What puts back what a version changed: the changes, and the devices that they are for."""
    paper = desk.papers.paper(summary.hash)
    members: dict[bytes, list[str]] = defaultdict(list)
    for name, outcome, before in desk.rollouts.before(summary.id):
        if outcome in _TAKEN:
            members[before or (b"" if outcome is Outcome.HEALTHY else desk.documents.name_of(name))].append(
                name
            )
    unknown = members.pop(b"", [])
    if unknown:
        raise CommandError(
            f"what {unknown[0]} ran by before v{summary.version} is not known to this desk",
            hint="write the old values into a .toml file and push that",
        )
    by_changes: dict[bytes, tuple[tuple[Change, ...], list[str]]] = {}
    for before, names in members.items():
        changes = _inverse(desk, paper, before)
        wire = encode(tuple(change.to_wire() for change in changes))
        by_changes.setdefault(wire, (changes, []))[1].extend(names)
    found = [(changes, sorted(names)) for changes, names in by_changes.values() if changes]
    if not found:
        raise CommandError(f"no meter runs by v{summary.version}, or it changed nothing")
    return [
        (changes, tuple(names[at : at + _MAX_TARGETS]))
        for changes, names in found
        for at in range(0, len(names), _MAX_TARGETS)
    ]


def _inverse(desk: Desk, paper: Paper, before: bytes) -> tuple[Change, ...]:
    old = desk.documents.named(before)
    try:
        return difference(document_of(paper.bundle, old), old)
    except RuleViolation as error:
        raise CommandError(f"v{paper.bundle.version} does not fit what the desk believes: {error}") from None


def _paper(
    desk: Desk,
    changes: tuple[Change, ...],
    names: Sequence[str],
    summary: Summary,
    *,
    args: argparse.Namespace,
    at: int,
    secrets: Iterable[bytes],
) -> Paper:
    key_set = desk.papers.key_set()
    now_ms = time.time_ns() // 1_000_000
    plan = desk.papers.paper(summary.hash).bundle.plan
    try:
        bundle = Bundle(
            fleet=key_set.fleet_id,
            key_set=key_set.version,
            version=desk.papers.next_version(key_set.version) + at,
            issued_ms=now_ms,
            expires_ms=now_ms + span_ms("--expires", args.expires),
            needs_clock=not args.without_clock,
            target=_target(names),
            plan=RolloutPlan(
                waves=waves_of(args.waves),
                abort_permille=plan.abort_permille,
                window_ms=plan.window_ms,
                hold_ms=plan.hold_ms,
            ),
            content=Delta(changes=changes),
        )
    except RuleViolation as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    return checked_paper(desk, bundle.envelope().signed(key_set.fleet_id, secrets), undoes=summary.hash)


def _target(names: Sequence[str]) -> Selector:
    parts = tuple(Named(tuple(names[at : at + MAX_NAMES])) for at in range(0, len(names), MAX_NAMES))
    return parts[0] if len(parts) == 1 else AnyOf(parts)
