"""`keys`: which key set is in force, the next one put in force, a key taken out of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from deploy.operator import files, keys
from deploy.operator.desk.folder import Desk, open_desk, whoever
from deploy.operator.rollout.engine import OFFERED, Step
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.key_set import KeySet, Signers, check_next_key_set
from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation

_SCHEMA: Final = "gridlight.fleet.keys/1"


def manage_keys(args: argparse.Namespace) -> int:
    """Show the key set in force, put the next one in force, or make one without a key."""
    desk = open_desk(Path(args.desk))
    try:
        return {"show": _show, "install": _install, "revoke": _revoke}[args.action](args, desk)
    finally:
        desk.close()


def _show(args: argparse.Namespace, desk: Desk) -> int:
    return _say(args.console, desk.papers.key_set())


def _say(console: Console, key_set: KeySet) -> int:
    roles = {role.name.lower(): key_set.signers(role) for role in key_set.held_roles}
    document = {
        "fleet": key_set.fleet_id.hex(),
        "version": key_set.version,
        "roles": {
            name: {"threshold": signers.threshold, "keys": [key.hex() for key in signers.keys]}
            for name, signers in roles.items()
        },
    }
    lines = [f"fleet {key_set.fleet_id.hex()}", f"key set {key_set.version}"]
    for name, signers in roles.items():
        lines.append(f"{name:<7} {signers.threshold} of")
        lines += [f"        {key.hex()}" for key in signers.keys]
    console.result(_SCHEMA, document, lines)
    return Exit.OK


def _install(args: argparse.Namespace, desk: Desk) -> int:
    if not args.file:
        raise CommandError("a key set file is needed", hint="gridlight-fleet keys --help", code=Exit.USAGE)
    return _put_in_force(args, desk, files.read_signed(Path(args.file)))


def _revoke(args: argparse.Namespace, desk: Desk) -> int:
    """Make the next key set without a key, sign it with the keys at hand, and put it in force."""
    if not args.file:
        raise CommandError(
            "the file of a public key is needed", hint="gridlight-fleet keys --help", code=Exit.USAGE
        )
    gone, current = keys.read_public(Path(args.file)), desk.papers.key_set()
    if gone not in current.all_keys:
        raise CommandError(f"{args.file} is in no role of key set {current.version}", code=Exit.USAGE)
    try:
        fresh = KeySet(
            fleet=current.fleet_id,
            version=current.version + 1,
            roles=tuple(_without(signers, gone) for signers in current.roles),
        )
    except RuleViolation as error:
        raise CommandError(
            f"too few keys would be left: {error}",
            hint=f"gridlight-fleet keyset --after KEYS-{current.version} with new keys, then keys install",
        ) from None
    envelope = Envelope(kind=Kind.KEY_SET, body=fresh.encode(), signatures=())
    secrets = [keys.read_secret(Path(name)) for name in args.key]
    return _put_in_force(args, desk, envelope.signed(current.fleet_id, secrets))


def _without(signers: Signers, gone: bytes) -> Signers:
    return Signers(threshold=signers.threshold, keys=tuple(key for key in signers.keys if key != gone))


def _put_in_force(args: argparse.Namespace, desk: Desk, envelope: Envelope) -> int:
    console: Console = args.console
    try:
        fresh = check_next_key_set(desk.papers.key_set(), envelope, verify)
    except RuleViolation as error:
        raise CommandError(
            f"no device would take it: {error}", hint="gridlight-fleet sign FILE --key MORE.key"
        ) from None
    now_ms = time.time_ns() // 1_000_000
    with desk.database.transaction():
        desk.papers.add_key_set(fresh.version, envelope, now_ms)
        stopped = [summary for summary in desk.rollouts.summaries() if summary.standing in OFFERED]
        for summary in stopped:
            desk.rollouts.ask(
                summary.id, Step.ABORT, whoever(), f"signed under a key set before {fresh.version}"
            )
        detail = {"key_set": fresh.version, "hash": envelope.hash(fresh.fleet_id).hex()}
        desk.audit.add(now_ms, whoever(), "key set", detail)
    _say(console, fresh)
    for summary in stopped:
        console.note(
            f"v{summary.version} was signed under the old set and is taken out of topics: push it again"
        )
    if not desk.is_served:
        console.warn("nobody serves this desk: devices get the key set when gridlight-fleet serve runs")
    return Exit.OK
