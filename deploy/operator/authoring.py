"""`keygen`, `keyset` and `sign`: what makes files. Time and folders come in as arguments; secrets never go out."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.operator import attaching, files, keys
from firmware_app.config.load import ConfigError
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.bundle import Bundle, Content, Delta, Whole
from firmware_app.fleet.change import UNSET, Change
from firmware_app.fleet.change import Path as KeyPath
from firmware_app.fleet.document import Tree, read_toml
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.key_set import KeySet, Role, Signers
from firmware_app.fleet.ownership import check_owned, roles_needed
from firmware_app.fleet.plan import RolloutPlan, waves_of
from firmware_app.fleet.selector_text import SelectorError, selector_of
from light_client.rules.errors import RuleViolation

_WINDOW: Final = "10m"
_FIRMWARE_WINDOW: Final = "1h"
"""To fetch, write and start a firmware takes longer."""
_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def keygen(args: argparse.Namespace) -> int:
    """Make an operator's key."""
    console: Console = args.console
    private_file, public_file, public = keys.make_key(Path(args.folder), args.name)
    document = {"key_file": str(private_file), "public_file": str(public_file), "public_key": public.hex()}
    lines = [
        f"secret  {private_file}   only its owner can read it; it never leaves this machine",
        f"public  {public_file}   {public.hex()}",
    ]
    console.result("gridlight.fleet.keygen/1", document, lines)
    return Exit.OK


def keyset(args: argparse.Namespace) -> int:
    """Write the first key set of a fleet, or the next one."""
    console: Console = args.console
    roles = {Role.KEYS: args.keys, Role.CONFIG: args.config, Role.GRID: args.grid}
    roles |= {Role.FIRMWARE: args.firmware} if args.firmware else {}
    before = files.read_key_set(Path(args.after)) if args.after else None
    try:
        fresh = KeySet(
            fleet=before.fleet_id if before else b"",
            version=before.version + 1 if before else 1,
            roles=tuple(_signers(role, words) for role, words in roles.items()),
        )
    except RuleViolation as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    out = Path(args.out)
    files.write_new(out, Envelope(kind=Kind.KEY_SET, body=fresh.encode(), signatures=()).encode())
    document = {"file": str(out), "fleet": fresh.fleet_id.hex(), "version": fresh.version}
    console.result(
        "gridlight.fleet.keyset/1",
        document,
        [f"key set {fresh.version} of fleet {fresh.fleet_id.hex()}", f"file    {out}"],
    )
    if before:
        console.note(f"next: gridlight-fleet sign {out} --key-set {args.after} --key OLD.key --key NEW.key")
    else:
        console.note("next: give this file to every device when it is provisioned; compare the fleet's name")
    return Exit.OK


def _signers(role: Role, words: str) -> Signers:
    """Read ``2:anna.pub,bert.pub``."""
    threshold, colon, names = words.partition(":")
    if not colon or not threshold.isdecimal() or len(threshold) > 2:
        raise CommandError(
            f"--{role.name.lower()}: got {words!r}, expected such as 2:anna.pub,bert.pub,cleo.pub",
            code=Exit.USAGE,
        )
    public = {keys.read_public(Path(name)) for name in names.split(",")}
    return Signers(threshold=int(threshold), keys=tuple(sorted(public)))


def sign(args: argparse.Namespace) -> int:
    """Make a bundle out of a document and sign it, or add signatures to a file that is there."""
    console: Console = args.console
    key_set = files.read_key_set(Path(args.key_set))
    secrets = [keys.read_secret(Path(name)) for name in args.key]
    source = Path(args.file)
    if args.file == "-" and not args.out:
        raise CommandError("a bundle without a file needs --out", code=Exit.USAGE)
    if source.suffix == ".toml" or args.unset or args.firmware or args.genesis:
        envelope, out = fresh_bundle(args, key_set), Path(args.out or source.with_suffix(".bundle"))
        replace = False
    else:
        envelope, out = files.read_signed(source), Path(args.out or source)
        replace = out == source
    envelope = envelope.signed(key_set.fleet_id, secrets)
    files.write_new(out, envelope.encode(), replace=replace)
    brought = attaching.lay_beside(attaching.given(args), out)
    name = envelope.hash(key_set.fleet_id).hex()
    document = {
        "file": str(out),
        "hash": name,
        "attachments": [str(path) for path in brought],
        "signatures": [key.hex() for key, _ in envelope.signatures],
    }
    count = len(envelope.signatures)
    lines = [f"file    {out}", f"hash    {name}", f"signed  by {count} key{'' if count == 1 else 's'}"]
    console.result("gridlight.fleet.sign/1", document, lines)
    console.note(f"next: gridlight-fleet verify {out} --key-set {args.key_set}")
    return Exit.OK


def fresh_bundle(args: argparse.Namespace, key_set: KeySet) -> Envelope:
    """The bundle that the arguments of `sign` or `push` ask for, not signed yet.

    Raises:
        CommandError: it cannot be.
    """
    if args.version is None:
        raise CommandError("a new bundle needs --version, higher than any before", code=Exit.USAGE)
    now_ms = time.time_ns() // 1_000_000
    attached = attaching.given(args)
    window = args.window or (_FIRMWARE_WINDOW if args.firmware else _WINDOW)
    try:
        content = _content(args, attaching.changes_of(attached))
        check_owned(content)
        bundle = Bundle(
            fleet=key_set.fleet_id,
            key_set=key_set.version,
            version=args.version,
            issued_ms=now_ms,
            expires_ms=now_ms + span_ms("--expires", args.expires),
            needs_clock=not args.without_clock,
            target=selector_of(args.target),
            plan=RolloutPlan(
                waves=waves_of(args.waves),
                abort_permille=args.abort_permille,
                window_ms=span_ms("--window", window),
                hold_ms=span_ms("--hold", args.hold),
            ),
            content=content,
            attachments=tuple(attached),
        )
        envelope = bundle.envelope()
    except RuleViolation as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    except SelectorError as error:
        raise CommandError(str(error), hint="gridlight-fleet sign --help", code=Exit.USAGE) from None
    try:
        for role in roles_needed(content, attached):
            args.console.note(f"needs {key_set.signers(role).threshold} of the {role.name.lower()} keys")
    except RuleViolation as error:
        hint = "gridlight-fleet keyset --after, with --firmware"
        raise CommandError(f"{error}: this fleet has no firmware keys", hint=hint) from None
    return envelope


def _content(args: argparse.Namespace, attached: Mapping[KeyPath, Any]) -> Content:
    tree = files.read_document(Path(args.file)) if args.file != "-" else _set_by_hand(args)
    if args.whole:
        for (section, key), value in attached.items():
            tree.setdefault(section, {})[key] = value
        return Whole(document=tree)
    leaves = {**dict(_leaves(tree, ())), **attached}
    changes = [Change(path=path, value=value) for path, value in leaves.items()]
    changes += [Change(path=tuple(path.split(".")), value=UNSET) for path in args.unset]
    return Delta(changes=tuple(sorted(changes, key=lambda change: change.path)), base=args.base)


def _set_by_hand(args: argparse.Namespace) -> Tree:
    """The keys of ``--set KEY=VALUE``."""
    try:
        return read_toml("\n".join(getattr(args, "set", [])), "--set")
    except ConfigError as error:
        raise CommandError(
            str(error), hint="--set privacy.lot_wh=250, texts in quotes", code=Exit.USAGE
        ) from None


def _leaves(tree: Tree, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Everything in a partial document that is no table, with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def span_ms(flag: str, words: str) -> int:
    """Read ``7d``, ``12h``, ``90s``.

    Raises:
        CommandError: it is no span of time.
    """
    found = _SPAN.fullmatch(words)
    if found is None:
        raise CommandError(f"{flag}: got {words!r}, expected such as 7d, 12h, 30m or 90s", code=Exit.USAGE)
    return int(found.group(1)) * _MS[found.group(2)]
