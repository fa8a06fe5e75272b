"""What the agent is told, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from firmware_app.fleet.attachment import Attachment
from firmware_app.fleet.document import Tree
from firmware_app.fleet.memory import Memory
from firmware_app.fleet.verification import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The program begins, after a power cut perhaps; the device runs by ``Memory.running``."""

    slot: str = ""
    """Of the system that was started; empty where the board has one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Bytes from the broker, a file or a stick: it makes no difference which."""

    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The operator took back what lay in the device's topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Something is here that was missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DidInstall:
    """The firmware of the last ``Install`` is in the other slot, and will be started next; or why it is not."""

    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DidApply:
    """The device runs by the document of the last ``Apply``, or why it cannot."""

    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the device is well now; empty, or what is wrong."""

    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passes."""


Event: TypeAlias = Started | Offered | Withdrawn | Fetched | DidInstall | DidApply | Health | Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Write the memory; go on when it is durable."""

    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Run by this document, and say so with ``DidApply``."""

    document: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Write this firmware into the slot that is idle, let it be started next, and say so with ``DidInstall``."""

    firmware: Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Start the board anew; nothing after it is done by this program."""

    back_to: str = ""
    """The slot to start from, the one that runs being bad; empty: the one that was just installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Tell the boot loader that the system which runs is the one to keep; go on when it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Tell the operator."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """For the journal: a stable name and a sentence."""

    name: str
    sentence: str


Effect: TypeAlias = Keep | Apply | Install | Restart | Confirm | Report | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When an event happens."""

    monotonic_ms: int
    clock: Clock
