"""What must hold of a bundle before a device takes it up: one predicate for each rule, and the order they are asked in.

Cheap questions come first, signatures after them, and the schema last. None of the earlier answers is kept, so that it
does no harm that the bundle is not known to be genuine until FLT-07.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from firmware_app.config.load import ConfigError
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.attachment import HERE_RULE, Attachment
from firmware_app.fleet.bundle import Bundle, Delta, Whole, bundle_from_bytes
from firmware_app.fleet.change import applied
from firmware_app.fleet.document import Tree, canonical, config_of
from firmware_app.fleet.envelope import Envelope, Kind, Verify, check_signatures, read_envelope
from firmware_app.fleet.form import form
from firmware_app.fleet.key_set import KeySet, Role
from firmware_app.fleet.ownership import check_owned, roles_needed, with_own
from firmware_app.fleet.selector import DeviceFacts, selects
from light_client.rules.errors import RuleViolation
from light_client.rules.verdict import Rejected, Undecided

IsHere: TypeAlias = Callable[[Attachment], str]
"""What is missing of an attachment on this very board; or nothing."""

CheckHere: TypeAlias = Callable[[DeviceConfig], str]
"""What is wrong with a configuration on this very board, such as a file that is not there; or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is known of the time."""

    utc_ms: int | None
    """UTC ms, None where no trusted source has told it."""
    floor_ms: int = 0
    """It is later than this, whatever the board's own clock says, UTC ms: kept over restarts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a device brings to the judgement."""

    facts: DeviceFacts
    key_set: KeySet
    floor: tuple[int, int]
    """Order of the newest bundle that was ever taken up."""
    version: int
    """Of the configuration that is in force; 0 where it came from no bundle."""
    document: Tree
    """The configuration in force."""
    slot: str = ""
    """Of the system that runs; empty where the board cannot install another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The bundle may be taken up."""

    bundle: Bundle
    document: Tree
    """What the device will run by."""
    hash: bytes
    """Of the bundle."""


Judgement: TypeAlias = Approved | Rejected | Undecided


class _WaitError(Exception):
    """Ends the judgement: something is missing."""

    def __init__(self, rule: str, missing: str) -> None:
        super().__init__(missing)
        self.undecided = Undecided(rule=rule, missing=missing)


def judge(
    raw: bytes,
    standing: Standing,
    clock: Clock,
    verify_signature: Verify,
    check_here: CheckHere,
    is_here: IsHere = lambda _: "its files",
) -> Judgement:
    """Ask all rules of a bundle in their order."""
    try:
        envelope, bundle = read_bundle(raw)
        check_fleet(bundle, standing.key_set)
        check_key_set(bundle, standing.key_set)
        check_floor(bundle, standing.floor)
        check_target(bundle, standing.facts)
        check_signers(envelope, bundle, standing.key_set, verify_signature)
        check_expiry(bundle, clock)
        check_base(bundle, standing.version)
        check_owned(bundle.content)
        document = document_of(bundle, standing.document)
        config = check_schema(document)
        check_updater(bundle, standing.slot)
        check_attachments(bundle, is_here)
        check_board(config, check_here)
    except RuleViolation as error:
        return Rejected(rule=error.rule, reason=str(error))
    except _WaitError as wait:
        return wait.undecided
    return Approved(bundle=bundle, document=document, hash=envelope.hash(bundle.fleet))


def read_bundle(raw: bytes) -> tuple[Envelope, Bundle]:
    """FLT-01, FLT-02: bytes of bounded length that are canonical and have the form of a bundle."""
    envelope = read_envelope(raw)
    if envelope.kind is not Kind.BUNDLE:
        raise form("kind of an envelope", envelope.kind, "a bundle")
    return envelope, bundle_from_bytes(envelope.body)


def check_fleet(bundle: Bundle, key_set: KeySet) -> None:
    """FLT-03: it is for this fleet."""
    if bundle.fleet != key_set.fleet_id:
        raise RuleViolation("FLT-03", "fleet of a bundle", got=bundle.fleet, expected=key_set.fleet_id)


def check_key_set(bundle: Bundle, key_set: KeySet) -> None:
    """FLT-04: it is signed under the key set that is in force; one that is to come has to be waited for."""
    if bundle.key_set < key_set.version:
        raise RuleViolation("FLT-04", "key set of a bundle", got=bundle.key_set, expected=key_set.version)
    if bundle.key_set > key_set.version:
        raise _WaitError("FLT-04", f"key set {key_set.version + 1}")


def check_signers(envelope: Envelope, bundle: Bundle, key_set: KeySet, verify_signature: Verify) -> None:
    """FLT-05 to FLT-08, FLT-23: only keys of the set signed, enough of each role that matters, each truly."""
    rules = {
        Role.CONFIG: ("FLT-06", "configuration keys"),
        Role.GRID: ("FLT-08", "grid keys"),
        Role.FIRMWARE: ("FLT-23", "firmware keys"),
    }
    roles = roles_needed(bundle.content, bundle.attachments)
    may_sign = {Role.CONFIG, Role.GRID, *roles}
    check_signatures(
        envelope,
        fleet=bundle.fleet,
        known=frozenset(key for role in may_sign for key in key_set.signers(role).keys),
        needed=[(*rules[role], key_set.signers(role)) for role in roles],
        verify_signature=verify_signature,
    )


def check_floor(bundle: Bundle, floor: tuple[int, int]) -> None:
    """FLT-09: it is newer than everything that was ever taken up, whatever became of that."""
    if bundle.order <= floor:
        raise RuleViolation("FLT-09", "version of a bundle", got=bundle.order, expected=f"above {floor}")


def check_expiry(bundle: Bundle, clock: Clock) -> None:
    """FLT-10: it has not expired; without a trusted time what is surely too late is refused, the rest waits."""
    now_ms = clock.floor_ms if clock.utc_ms is None else max(clock.utc_ms, clock.floor_ms)
    if now_ms >= bundle.expires_ms:
        raise RuleViolation(
            "FLT-10", "a bundle has expired", got=now_ms, expected=f"before {bundle.expires_ms}"
        )
    if clock.utc_ms is None and bundle.needs_clock:
        raise _WaitError("FLT-10", "a trusted time")


def check_target(bundle: Bundle, facts: DeviceFacts) -> None:
    """FLT-11: it is meant for this device."""
    if not selects(bundle.target, facts):
        raise RuleViolation("FLT-11", "a bundle is for other devices", got=facts.name)


def check_base(bundle: Bundle, version: int) -> None:
    """FLT-12: a delta changes the configuration in force; where that is an older one, those between are missing."""
    base = bundle.content.base if isinstance(bundle.content, Delta) else 0
    if base > version:
        raise _WaitError("FLT-12", f"version {base}")
    if 0 < base < version:
        raise RuleViolation("FLT-12", "base of a delta", got=base, expected=version)


def document_of(bundle: Bundle, present: Tree) -> Tree:
    """FLT-14: what the configuration becomes; every path of a delta leads somewhere."""
    if isinstance(bundle.content, Whole):
        return with_own(bundle.content.document, present)
    return with_own(applied(present, bundle.content.changes), present)


def check_schema(document: Tree) -> DeviceConfig:
    """FLT-15: the device's own schema takes the document: every key known, of its type, within its bounds."""
    try:
        canonical(document)
        return config_of(document)
    except ConfigError as error:
        raise RuleViolation("FLT-15", str(error)) from None


def check_updater(bundle: Bundle, slot: str) -> None:
    """FLT-16: a firmware is for boards that can install one."""
    if bundle.firmware is not None and not slot:
        raise RuleViolation("FLT-16", "this board cannot install a firmware", got="no second slot")


def check_attachments(bundle: Bundle, is_here: IsHere) -> None:
    """FLT-24: the files that it brings are here, whole; one that is missing is waited for."""
    for attachment in bundle.attachments:
        missing = is_here(attachment)
        if missing:
            raise _WaitError(HERE_RULE, missing)


def check_board(config: DeviceConfig, check_here: CheckHere) -> None:
    """FLT-16: what the document names is there on this board."""
    problem = check_here(config)
    if problem:
        raise RuleViolation("FLT-16", problem)
