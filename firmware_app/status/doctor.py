"""`gridlight doctor`: every check of the device, one line each as it is done, and the next step where one is wrong.

With `--port` it looks at one wire instead, closely (`firmware_app/meters/doctor.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit, Paint
from firmware_app.meters.doctor import wiring_checks
from firmware_app.status import bundle, client, wording
from firmware_app.status.checks import CHECKS, Check, check
from firmware_app.status.document import DocumentError, from_document
from firmware_app.status.local import Looks, snapshot
from firmware_app.status.snapshot import Snapshot

SCHEMA: Final = "gridlight.doctor/1"
SERVICE: Final = "service"
"""Id of the one check that is not of a snapshot: whether there is somebody to ask."""
WIDTH: Final = 80
_INDENT: Final = 16
_PAINTS: Final = {"ok": Paint.GREEN, "warn": Paint.YELLOW, "FAIL": Paint.RED}


def run(args: argparse.Namespace, looking: Looks) -> int:
    """Check, print as it goes, and sum up; 1 if something failed."""
    console: Console = args.console
    began_s = time.monotonic()
    if args.port:
        return _sum_up(console, list(_printed(console, wiring_checks(args))), began_s, served=False)
    path = client.socket_path(args.socket)
    seen, served = _look(console, path, looking)
    closely = {} if served else looking.closely()
    names = args.only or [SERVICE, *CHECKS]
    checks = list(_printed(console, _checks(names, seen, closely, served=served)))
    if args.bundle:
        _bundle(console, Path(args.bundle), seen, checks, _journal(path) if served else [])
    return _sum_up(console, checks, began_s, served=served)


def _look(console: Console, path: str, looking: Looks) -> tuple[Snapshot, bool]:
    """What the running service says, or what can be told without it."""
    try:
        (document,) = client.ask(path, "status")
        seen = from_document(document)
    except (CommandError, DocumentError, ValueError) as error:
        why = error.sentence if isinstance(error, CommandError | DocumentError) else str(error)
        console.note(f"{why[:1].upper()}{why[1:]}.")
        console.note("So these checks look at the board, and at what its configuration names.\n")
        return snapshot(why.split(":")[0], looking), False
    console.note("Asking the running service (it owns the ports); trading is not interrupted.\n")
    return seen, True


def _checks(
    names: list[str], seen: Snapshot, closely: Mapping[str, Callable[[], Iterator[Check]]], *, served: bool
) -> Iterator[Check]:
    for name in names:
        if name in closely:
            yield from closely[name]()
        elif name in CHECKS:
            yield from check(name, seen)
        elif served:
            yield Check(
                name=SERVICE, state="ok", found=f"{seen.life.state}, up {wording.span(seen.device.up_ms)}"
            )
        else:
            step = "systemctl start gridlight; journalctl -u gridlight"
            yield Check(name=SERVICE, state="FAIL", found=seen.life.sentence, next=step)


def _journal(path: str) -> list[Mapping[str, Any]]:
    """The last events; none if the service does not tell."""
    try:
        return list(client.ask(path, "journal"))
    except CommandError:
        return []


def _printed(console: Console, checks: Iterator[Check]) -> Iterator[Check]:
    """Print each check as soon as it is done."""
    for one in checks:
        if not console.json:
            console.result(SCHEMA, {}, lines(console, one))
        yield one


def lines(console: Console, one: Check) -> list[str]:
    """One check for people."""
    word = f"{one.state:<5}"
    if one.state in _PAINTS:
        word = console.paint(word, _PAINTS[one.state])
    first, *others = _wrapped(one.found)
    head = [f"{word} {one.name:<9} {first}", *(" " * _INDENT + line for line in others)]
    if not one.next:
        return head
    return head + [" " * _INDENT + line for line in _wrapped(f"next: {one.next}")]


def _wrapped(text: str) -> list[str]:
    done, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH - _INDENT:
            done.append(line)
            line = word
        else:
            line = f"{line} {word}".lstrip()
    return [*done, line]


def _bundle(
    console: Console, file: Path, seen: Snapshot, checks: list[Check], journal: list[Mapping[str, Any]]
) -> None:
    content = bundle.items(seen, checks, journal)
    console.note(f"\n{file} will hold:")
    for item in content:
        console.note(f"  {item.name:<14} {wording.size(len(item.text.encode())):>8}  {item.holds}")
    console.note("Left out: trades, power, energy, forecasts, keys, values of the configuration.")
    console.note(f"Written: {wording.size(bundle.write(file, content))}")


def _sum_up(console: Console, checks: list[Check], began_s: float, *, served: bool) -> int:
    counted = {state: sum(one.state == state for one in checks) for state in ("FAIL", "warn", "ok", "-")}
    document = {
        "service": "asked" if served else "not asked",
        "failures": counted["FAIL"],
        "warnings": counted["warn"],
        "checks": [
            {"name": one.name, "state": one.state.lower(), "found": one.found, "next": one.next or None}
            for one in checks
        ],
    }
    words = [
        wording.plural(counted["FAIL"], "failure"),
        wording.plural(counted["warn"], "warning"),
        f"{counted['ok']} ok",
        *([f"{counted['-']} not run"] if counted["-"] else []),
        f"{time.monotonic() - began_s:.1f} s",
    ]
    support = "   For support: doctor --bundle FILE" if counted["FAIL"] else ""
    console.result(SCHEMA, document, ["", f"{', '.join(words)}.{support}"])
    return Exit.FAILED if counted["FAIL"] else Exit.OK
