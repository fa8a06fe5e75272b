"""What the agent keeps: one record, written in one piece, so that there is never a mixture of old and new.

The configuration that the device runs by is a part of it, together with the version floor, the key set and where the
rollout of the next configuration stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from firmware_app.fleet.attachment import Attachment, Use
from firmware_app.fleet.document import MAX_DOCUMENT_BYTES, Tree, canonical, read_canonical
from firmware_app.fleet.form import FORM_RULE, MAX_NUMBER, form, octets, record, text, whole
from firmware_app.fleet.key_set import KeySet, key_set_from_bytes
from firmware_app.fleet.plan import RolloutPlan, plan_from_wire
from light_client.rules.crypto import HASH_BYTES
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation

MAX_MEMORY_BYTES: Final = 160 << 10
_FORMAT: Final = 1
_MAX_REASON_BYTES: Final = 240
_WITH_FIRMWARE: Final = 8


class Phase(StrEnum):
    """Where the device stands with the next configuration."""

    SETTLED = "settled"
    """There is none."""
    STAGED = "staged"
    """It is kept, and about to be applied."""
    TRIAL = "trial"
    """It is applied, and must show that the device is well with it."""
    ROLLING_BACK = "rolling-back"
    """It failed; the one before is about to be applied again."""
    INSTALLING = "installing"
    """Its firmware is being written into the slot that is idle; what runs is as it was."""
    RESTARTING = "restarting"
    """Its firmware is installed, and the board is about to start with it."""


BEFORE: Final = frozenset({Phase.ROLLING_BACK, Phase.INSTALLING, Phase.RESTARTING})
"""In these the configuration before is the one to run by."""


_PHASES: Final = tuple(Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A configuration with where it came from."""

    order: tuple[int, int] = (0, 0)
    """Key set and version of its bundle; zeros for the one that the device was provisioned with."""
    hash: bytes = b""
    """Of its bundle; empty for the first."""
    document: Tree

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.order, self.hash, canonical(self.document))


def _configuration_from_wire(wire: Any) -> Configuration:
    order, name, document = record("configuration", wire, 3)
    return Configuration(
        order=_order_from_wire(order),
        hash=octets("hash of a bundle", name, 0, HASH_BYTES),
        document=read_canonical(octets("document", document, 1, MAX_DOCUMENT_BYTES)),
    )


def _order_from_wire(wire: Any) -> tuple[int, int]:
    key_set, version = (whole("order of a bundle", part, 0, MAX_NUMBER) for part in record("order", wire, 2))
    return key_set, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The configuration that is being taken over."""

    phase: Phase
    configuration: Configuration
    plan: RolloutPlan
    starts: int = 0
    """How often the device began its trial: it restarted all the other times."""
    reason: str = ""
    """Why it is being rolled back."""
    firmware: Attachment | None = None
    """What is installed with it, if anything is."""
    slot: str = ""
    """Of the system that ran when that began, and that the device goes back to."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        where = _PHASES.index(self.phase)
        return (
            where,
            self.configuration.to_wire(),
            self.plan.to_wire(),
            self.starts,
            _shortened(self.reason),
            *(() if self.firmware is None else (self.firmware.root, self.firmware.size, self.slot)),
        )


def _next_from_wire(wire: Any) -> Next | None:
    if wire == ():
        return None
    with_firmware = type(wire) is tuple and len(wire) == _WITH_FIRMWARE
    phase, configuration, plan, starts, reason, *installs = record(
        "next configuration", wire, _WITH_FIRMWARE if with_firmware else 5
    )
    if type(reason) is not str:
        raise form("reason", reason, "text")
    return Next(
        phase=_PHASES[whole("phase", phase, 1, len(_PHASES) - 1)],
        configuration=_configuration_from_wire(configuration),
        plan=plan_from_wire(plan),
        starts=whole("starts", starts, 0, MAX_NUMBER),
        reason=reason,
        firmware=Attachment(use=Use.FIRMWARE, root=installs[0], size=installs[1]) if installs else None,
        slot=text("slot", installs[2]) if installs else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last configuration that was rolled back."""

    order: tuple[int, int]
    hash: bytes
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The record."""

    key_set: KeySet
    floor: tuple[int, int] = (0, 0)
    """Order of the newest bundle ever taken up: never falls."""
    current: Configuration
    """The last one that proved itself."""
    following: Next | None = None
    failure: Failure | None = None

    @property
    def phase(self) -> Phase:
        """Where the device stands."""
        return Phase.SETTLED if self.following is None else self.following.phase

    @property
    def running(self) -> Configuration:
        """What a device that starts now has to run by: never anything else than one of two whole documents."""
        if self.following is None or self.following.phase in BEFORE:
            return self.current
        return self.following.configuration

    def encode(self) -> bytes:
        """Canonical bytes."""
        failure = self.failure
        return encode(
            (
                _FORMAT,
                self.key_set.encode(),
                self.floor,
                self.current.to_wire(),
                () if self.following is None else self.following.to_wire(),
                () if failure is None else (failure.order, failure.hash, _shortened(failure.reason)),
            )
        )


def memory_from_bytes(data: bytes) -> Memory:
    """Read canonical bytes.

    Raises:
        RuleViolation: FLT-02: they are none.
    """
    try:
        wire = decode(data, max_bytes=MAX_MEMORY_BYTES)
    except RuleViolation as error:
        raise RuleViolation(FORM_RULE, "memory of the agent", got=str(error)) from None
    format_, key_set, floor, current, following, failure = record("memory of the agent", wire, 6)
    whole("format of the memory", format_, _FORMAT, _FORMAT)
    return Memory(
        key_set=key_set_from_bytes(key_set),
        floor=_order_from_wire(floor),
        current=_configuration_from_wire(current),
        following=_next_from_wire(following),
        failure=_failure_from_wire(failure),
    )


def _shortened(reason: str) -> str:
    """A reason that fits: errors of the system may be long, and in any language."""
    return reason.encode("utf-8", "replace")[:_MAX_REASON_BYTES].decode("utf-8", "ignore")


def _failure_from_wire(wire: Any) -> Failure | None:
    if wire == ():
        return None
    order, name, reason = record("failure", wire, 3)
    if type(reason) is not str:
        raise form("reason", reason, "text")
    return Failure(order=_order_from_wire(order), hash=octets("hash", name, 0, HASH_BYTES), reason=reason)
