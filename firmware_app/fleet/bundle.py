"""What an operator signs: a configuration, whole or as a delta, for whom, until when, and how it spreads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from firmware_app.fleet.attachment import Attachment, Use, attachments_from_wire
from firmware_app.fleet.change import Change, changes_from_wire, check_order
from firmware_app.fleet.document import MAX_DOCUMENT_BYTES, Tree, canonical, read_canonical
from firmware_app.fleet.envelope import Envelope, Kind, read_body
from firmware_app.fleet.form import MAX_NUMBER, form, octets, record, whole
from firmware_app.fleet.plan import RolloutPlan, plan_from_wire
from firmware_app.fleet.selector import Selector, selector_from_wire, selector_to_wire
from light_client.rules.crypto import HASH_BYTES
from light_client.rules.encoding import encode
from light_client.rules.errors import LocalError

_WHOLE: Final = 0
_DELTA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything but what is the device's own."""

    document: Tree

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (_WHOLE, canonical(self.document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Some keys.

    Raises:
        RuleViolation: FLT-02.
    """

    changes: tuple[Change, ...]
    base: int = 0
    """Version of the configuration that it changes; 0 where it fits whatever is there."""

    def __post_init__(self) -> None:
        check_order(self.changes)
        whole("base of a delta", self.base, 0, MAX_NUMBER)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (_DELTA, self.base, encode(tuple(change.to_wire() for change in self.changes)))


Content: TypeAlias = Whole | Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The body of an envelope.

    Raises:
        RuleViolation: FLT-02.
    """

    fleet: bytes
    """Name of the fleet, 32 bytes."""
    key_set: int
    """Version of the key set that it is signed under."""
    version: int
    """Higher than that of every bundle before under the same key set."""
    issued_ms: int
    """When it was made, UTC ms; for people."""
    expires_ms: int
    """From then on it is not taken up any more, UTC ms."""
    needs_clock: bool = True
    """Whether a device that does not know the time must wait; False rescues one whose configuration broke its clock."""
    target: Selector
    plan: RolloutPlan
    content: Content
    attachments: tuple[Attachment, ...] = ()
    """Files that it brings: which and how large; they come apart from it."""

    def __post_init__(self) -> None:
        octets("fleet of a bundle", self.fleet, HASH_BYTES, HASH_BYTES)
        whole("key set of a bundle", self.key_set, 1, MAX_NUMBER)
        whole("version of a bundle", self.version, 1, MAX_NUMBER)
        whole("time of issue", self.issued_ms, 0, MAX_NUMBER)
        whole("expiry", self.expires_ms, self.issued_ms + 1, MAX_NUMBER)
        names = [attachment.root for attachment in self.attachments]
        if len(set(names)) != len(names) or sum(a.use is Use.FIRMWARE for a in self.attachments) > 1:
            raise form("attachments", names, "each once, and one firmware at most")
        if isinstance(self.content, Delta) and not self.content.changes and self.firmware is None:
            raise form("delta", "no change", "one or more, or a firmware")

    @property
    def order(self) -> tuple[int, int]:
        """What must rise from one bundle to the next: a new key set begins a new count."""
        return self.key_set, self.version

    @property
    def firmware(self) -> Attachment | None:
        """What is to be installed, if anything is."""
        return next((one for one in self.attachments if one.use is Use.FIRMWARE), None)

    def encode(self) -> bytes:
        """Canonical bytes, which are signed.

        Raises:
            RuleViolation: FLT-02 where the content does not fit into a bundle.
        """
        try:
            return encode(
                (
                    self.fleet,
                    self.key_set,
                    self.version,
                    self.issued_ms,
                    self.expires_ms,
                    int(self.needs_clock),
                    selector_to_wire(self.target),
                    self.plan.to_wire(),
                    self.content.to_wire(),
                    *([tuple(one.to_wire() for one in self.attachments)] if self.attachments else []),
                )
            )
        except LocalError as error:
            raise form(
                "bundle", str(error), "short texts, 64-bit numbers, tables and lists not too deep"
            ) from None

    def envelope(self) -> Envelope:
        """The bundle, not signed yet."""
        return Envelope(kind=Kind.BUNDLE, body=self.encode(), signatures=())


def bundle_from_bytes(body: bytes) -> Bundle:
    """Read canonical bytes.

    Raises:
        RuleViolation: FLT-02.
    """
    wire = read_body("bundle", body)
    fields = 10 if type(wire) is tuple and len(wire) == 10 else 9
    fleet, key_set, version, issued, expires, needs_clock, target, plan, content, *brings = record(
        "bundle", wire, fields
    )
    return Bundle(
        fleet=fleet,
        key_set=key_set,
        version=version,
        issued_ms=whole("time of issue", issued, 0, MAX_NUMBER),
        expires_ms=expires,
        needs_clock=bool(whole("need of a clock", needs_clock, 0, 1)),
        target=selector_from_wire(target),
        plan=plan_from_wire(plan),
        content=_content_from_wire(content),
        attachments=attachments_from_wire(brings[0]) if brings else (),
    )


def _content_from_wire(wire: Any) -> Content:
    if type(wire) is not tuple or not wire or type(wire[0]) is not int or wire[0] not in (_WHOLE, _DELTA):
        raise form("content of a bundle", wire, "whole or delta")
    if wire[0] == _WHOLE:
        _, document = record("whole content", wire, 2)
        return Whole(document=read_canonical(octets("document", document, 1, MAX_DOCUMENT_BYTES)))
    _, base, changes = record("delta", wire, 3)
    return Delta(changes=changes_from_wire(read_body("changes", changes)), base=base)
