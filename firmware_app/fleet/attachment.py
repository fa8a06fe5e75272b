"""Files that come with a bundle: how they are named and cut into chunks, and when a chunk or a file is believed.

An attachment's name is the root of an RFC 9162 tree over its chunks. Name and size are signed with the bundle, and each
chunk comes with the proof that it is number so many of that tree: what somebody on the way changed, cut off, put in or
took from another file is refused before it is written, wherever it came from.

| use      | is                                                        | bound   | named in the document as    |
|----------|-----------------------------------------------------------|---------|-----------------------------|
| file     | what a configuration names, such as a chain's genesis     | 4 MiB   | `attachment:` and its name  |
| firmware | a bundle of RAUC's, installed into the slot that is idle  | 512 MiB | not at all; one at the most |

Rules: FLT-22 bounds, FLT-24 a bundle waits until its files are here, FLT-25 a chunk is what it says it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from firmware_app.fleet.form import FORM_RULE, MAX_NUMBER, octets, record, rows, whole
from light_client.rules.crypto import HASH_BYTES
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.merkle import root, verify_inclusion

CHUNK_BYTES: Final = 32 << 10
MAX_ATTACHMENTS: Final = 4
MAX_ASKED: Final = 8
"""Chunks that a device asks for at once."""
BOUNDS_RULE: Final = "FLT-22"
HERE_RULE: Final = "FLT-24"
CHUNK_RULE: Final = "FLT-25"
_FORMAT: Final = 1
_MAX_PROOF: Final = 20
MAX_CHUNK_MESSAGE: Final = CHUNK_BYTES + _MAX_PROOF * (HASH_BYTES + 2) + 128


class Use(IntEnum):
    """What becomes of an attachment."""

    FILE = 1
    FIRMWARE = 2


MOST_BYTES: Final = {Use.FILE: 4 << 20, Use.FIRMWARE: 512 << 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that a bundle brings.

    Raises:
        RuleViolation: FLT-02; FLT-22 empty, or too large for its use.
    """

    use: Use
    root: bytes
    """Its name, 32 bytes."""
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        octets("name of an attachment", self.root, HASH_BYTES, HASH_BYTES)
        whole("size of an attachment", self.size, 0, MAX_NUMBER)
        most = MOST_BYTES[self.use]
        if not 0 < self.size <= most:
            what = f"size of a {self.use.name.lower()} attachment"
            raise RuleViolation(BOUNDS_RULE, what, got=self.size, expected=f"1 to {most} bytes")

    @property
    def chunks(self) -> int:
        """How many."""
        return -(-self.size // CHUNK_BYTES)

    def chunk_bytes(self, number: int) -> int:
        """Length of one chunk: the last may be shorter."""
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (int(self.use), self.root, self.size)


def attachments_from_wire(wire: Any) -> tuple[Attachment, ...]:
    """Read those of a bundle.

    Raises:
        RuleViolation: FLT-02, FLT-22.
    """
    found = []
    for row in rows("attachments", wire, 1, MAX_ATTACHMENTS):
        use, name, size = record("attachment", row, 3)
        use = Use(whole("use of an attachment", use, Use.FILE, Use.FIRMWARE))
        found.append(Attachment(use=use, root=name, size=size))
    return tuple(found)


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file in chunks.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def attachment_of(path: Path, use: Use) -> Attachment:
    """What a file is as an attachment.

    Raises:
        OSError: it cannot be read.
        RuleViolation: FLT-22.
    """
    size = path.stat().st_size
    Attachment(use=use, root=bytes(HASH_BYTES), size=size)  # a file without end is not even read
    return Attachment(use=use, root=root(chunks_of(path)), size=size)


def is_whole(attachment: Attachment, path: Path) -> bool:
    """Whether a file is this attachment, to the last byte.

    Raises:
        OSError: it cannot be read.
    """
    return path.stat().st_size == attachment.size and root(chunks_of(path)) == attachment.root


# -- what device and operator say to each other ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The next chunks that a device asks for.

    Raises:
        RuleViolation: FLT-02.
    """

    root: bytes
    first: int
    count: int

    def __post_init__(self) -> None:
        octets("name of an attachment", self.root, HASH_BYTES, HASH_BYTES)
        whole("first chunk", self.first, 0, MAX_NUMBER)
        whole("chunks asked for", self.count, 1, MAX_ASKED)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, self.root, self.first, self.count))


def want_from_bytes(raw: bytes) -> Want:
    """Read a device's message.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, name, first, count = record("want", _decoded("want", raw, 64), 4)
    whole("format of a want", format_, _FORMAT, _FORMAT)
    return Want(root=name, first=first, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of an attachment, of which nothing is known yet."""

    root: bytes
    number: int
    data: bytes
    proof: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, self.root, self.number, self.data, self.proof))


def chunk_from_bytes(raw: bytes) -> Chunk:
    """Read an operator's message.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, name, number, data, proof = record("chunk", _decoded("chunk", raw, MAX_CHUNK_MESSAGE), 5)
    whole("format of a chunk", format_, _FORMAT, _FORMAT)
    for step in rows("proof of a chunk", proof, 0, _MAX_PROOF):
        octets("step of a proof", step, HASH_BYTES, HASH_BYTES)
    return Chunk(
        root=octets("name of an attachment", name, HASH_BYTES, HASH_BYTES),
        number=whole("number of a chunk", number, 0, MAX_NUMBER),
        data=octets("chunk", data, 1, CHUNK_BYTES),
        proof=proof,
    )


def check_chunk(chunk: Chunk, attachment: Attachment) -> bytes:
    """FLT-25: these bytes are the chunk of this number of this attachment."""
    is_there = chunk.number < attachment.chunks
    if not is_there or len(chunk.data) != attachment.chunk_bytes(chunk.number):
        expected = f"below {attachment.chunks}, and all of its bytes"
        raise RuleViolation(CHUNK_RULE, "chunk", got=(chunk.number, len(chunk.data)), expected=expected)
    proof: Sequence[bytes] = chunk.proof
    if not verify_inclusion(chunk.data, chunk.number, attachment.chunks, proof, attachment.root):
        raise RuleViolation(CHUNK_RULE, f"chunk {chunk.number}", got="other bytes", expected=attachment.root)
    return chunk.data


def _decoded(what: str, raw: bytes, most: int) -> Any:
    try:
        return decode(raw, max_bytes=most, max_depth=2, max_items=_MAX_PROOF + 8)
    except RuleViolation as error:
        raise RuleViolation(FORM_RULE, what, got=str(error), expected="canonical bytes") from None
