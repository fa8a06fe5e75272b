"""`gridlight fleet` and what `gridlight enroll` does of it: what people do with a device of a fleet on the board."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from firmware_app.config.commands import file_of, refusal
from firmware_app.config.load import ConfigError, read
from firmware_app.config.schema import DeviceConfig
from firmware_app.console import CommandError, Console, Exit
from firmware_app.fleet.agent import FLOOD_RULE
from firmware_app.fleet.enrolling import MAX_TICKET_BYTES, Ticket, ticket_from_json
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES, Envelope, read_envelope
from firmware_app.fleet.key_set import is_key_set, key_set_from_bytes
from firmware_app.fleet.memory import Memory
from firmware_app.management.credentials import CredentialsError
from firmware_app.management.in_force import memory_of
from firmware_app.management.inbox import put_in_inbox
from firmware_app.management.steward import reported_from
from firmware_app.status import client
from light_client.rules.errors import RuleViolation
from light_client.store.errors import StoreError

SHOW: Final = "gridlight.fleet.show/1"
APPLY: Final = "gridlight.fleet.apply/1"
JOIN: Final = "gridlight.fleet.join/1"
_POLL_S: Final = 0.5


def show(args: argparse.Namespace) -> int:
    """Say which configuration is in force, which is being taken over, and what became of the last one."""
    console: Console = args.console
    path = file_of(args)
    memory = _memory(path)
    standing, is_asked = _standing(args, memory)
    console.result(SHOW, {"service": "asked" if is_asked else "not asked", **standing}, _lines(standing))
    return Exit.OK


def apply(args: argparse.Namespace) -> int:
    """Leave a bundle or key set for the agent, and tell what becomes of it."""
    console: Console = args.console
    path = file_of(args)
    memory = _memory(path)
    envelope = _read_bundle(Path(args.bundle))
    name = envelope.hash(memory.key_set.fleet_id).hex()
    try:
        put_in_inbox(read(path, DeviceConfig).folder(path), envelope.encode())
    except (CredentialsError, ConfigError) as error:
        raise CommandError(str(error), hint="sudo gridlight fleet apply FILE") from None
    end_s = time.monotonic() + args.timeout
    before, is_asked = _standing(args, memory)
    if not is_asked:
        console.result(APPLY, {"hash": name, "outcome": "left"}, [f"left      {args.bundle}"])
        console.note("the service is not running: it is looked at when it starts")
        return Exit.UNDECIDED
    answer = _ask(args, look=True)
    outcome, sentence, code = _outcome(envelope, name, before, answer)
    while code is Exit.UNDECIDED and answer["state"] != "settled" and time.monotonic() < end_s:
        time.sleep(_POLL_S)
        answer = _ask(args, look=False)
        outcome, sentence, code = _outcome(envelope, name, before, answer)
    console.result(
        APPLY, {"hash": name, "outcome": outcome, "reason": sentence or None}, [f"{outcome:<10}{sentence}"]
    )
    return code


def _outcome(
    envelope: Envelope, name: str, before: Mapping[str, Any], answer: Mapping[str, Any]
) -> tuple[str, str, Exit]:
    """What became of a bundle: a word, a sentence, an exit code."""
    if is_key_set(envelope):
        wanted = key_set_from_bytes(envelope.body).version
        if answer["key_set"] >= wanted:
            return "in force", f"key set {answer['key_set']}", Exit.OK
    elif answer["version"]["hash"] == name:
        return "committed", f"version {answer['version']['version']}", Exit.OK
    elif answer["failed"] is not None and answer["failed"]["hash"] == name:
        return "rolled back", answer["failed"]["reason"], Exit.FAILED
    elif answer["next"] is not None and answer["next"]["hash"] == name:
        return "on trial", f"version {answer['next']['version']}", Exit.UNDECIDED
    refusal = _refusal(name, before, answer)
    if refusal:
        return "refused", refusal, Exit.FAILED
    return "waits", f"for {answer['waiting_for'] or 'its turn'}", Exit.UNDECIDED


def _refusal(name: str, before: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Why this very bundle was refused; empty if it was not."""
    if answer["last_refused"] == name:
        return str(answer["last_refusal"])
    floods = answer["refused"].get(FLOOD_RULE, 0) - before["refused"].get(FLOOD_RULE, 0)
    if floods > 0 and not answer["waiting_for"]:
        return f"{FLOOD_RULE}: more bundles than can be looked at; try again"
    return ""


def joining(args: argparse.Namespace) -> int:
    """`gridlight enroll --ticket` and `--request`: the part of enrolment that is the fleet's."""
    try:
        from firmware_app.management import joining as steps  # noqa: PLC0415 - a library that nobody else needs
    except ImportError as error:
        raise CommandError(
            f"joining a fleet needs a library that is not here: {error.name}",
            hint="apt-get install python3-cryptography",
        ) from None
    console: Console = args.console
    path = file_of(args)
    try:
        place = steps.place_of(path)
        if args.request:
            file, _ = steps.prepare(place)
            console.result(JOIN, {"outcome": "requested", "request": str(file)}, [f"request   {file}"])
            console.note("next: hand it to the operator of the fleet, who answers with a ticket")
            return Exit.OK
        ticket = _read_ticket(Path(args.ticket))
        again = steps.join(place, ticket, timeout_s=args.timeout)
    except ConfigError as error:
        raise refusal(error, path) from None
    except steps.PendingError as error:
        raise CommandError(str(error), hint="the same command goes on later", code=Exit.UNDECIDED) from None
    except (steps.JoiningError, CredentialsError, StoreError) as error:
        raise CommandError(str(error)) from None
    fleet = ticket.fleet.hex()
    lines = [
        f"{'renewed' if again else 'joined':<10}fleet {fleet[:16]}, broker {ticket.broker}:{ticket.port}"
    ]
    console.result(JOIN, {"outcome": "renewed" if again else "joined", "fleet": fleet}, lines)
    console.note("next: systemctl restart gridlight; then destroy the ticket")
    return Exit.OK


def _read_ticket(path: Path) -> Ticket:
    try:
        return ticket_from_json(_bytes(path, MAX_TICKET_BYTES + 1))
    except RuleViolation as error:
        raise CommandError(f"{path}: {error}", code=Exit.USAGE) from None


def _read_bundle(path: Path) -> Envelope:
    try:
        return read_envelope(_bytes(path, MAX_ENVELOPE_BYTES + 1))
    except RuleViolation as error:
        raise CommandError(f"{path}: {error}") from None


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", code=Exit.USAGE) from None


def _memory(path: Path) -> Memory:
    try:
        memory = memory_of(path)
    except ConfigError as error:
        raise refusal(error, path) from None
    if memory is None:
        raise CommandError("this device is in no fleet", hint="gridlight enroll --ticket FILE")
    return memory


def _standing(args: argparse.Namespace, memory: Memory) -> tuple[Mapping[str, Any], bool]:
    """What the service says, else what lies on the disk; and whether the service was asked."""
    try:
        return _ask(args, look=False), True
    except client.ServiceDownError:
        return {**reported_from(memory), "fleet": memory.key_set.fleet_id.hex()}, False


def _ask(args: argparse.Namespace, *, look: bool) -> Mapping[str, Any]:
    (answer,) = client.ask(client.socket_path(args.socket), "fleet", {"look": look})
    return answer


def _lines(standing: Mapping[str, Any]) -> list[str]:
    lines = [
        f"fleet     {standing['fleet'][:16]}, key set {standing['key_set']}",
        f"in force  {_version(standing['version'])}",
    ]
    if standing["next"]:
        lines.append(f"next      {_version(standing['next'])}, {standing['state']}")
    if standing["failed"]:
        lines.append(f"failed    {_version(standing['failed'])}: {standing['failed']['reason']}")
    if standing["waiting_for"]:
        lines.append(f"waits     a newer one, for {standing['waiting_for']}")
    if standing["refused"]:
        counts = ", ".join(f"{rule} {count}" for rule, count in standing["refused"].items())
        lines.append(f"refused   {counts}; the last: {standing['last_refusal']}")
    if "broker" in standing:
        reached = "reached" if standing["connected"] else f"not reached: {standing['problem']}"
        lines.append(f"broker    {standing['broker'] or 'none'}, {reached}")
        lines.append(f"health    {standing['health'] or 'not known'}; {standing['letters']} letters wait")
    return lines


def _version(version: Mapping[str, Any]) -> str:
    if not version["version"]:
        return "what the device was provisioned with"
    return f"v{version['version']} ({version['hash'][:16]})"
