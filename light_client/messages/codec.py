"""Messages to bytes and back: ``(type number, fields)`` in canonical form, under one size limit per type.

Type numbers are 1 to 255, one byte on the wire up to 23 and two from there on, so that the limit is known before
anything is decoded. A number is never used again for something else.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from light_client.messages.anchors import (
    CheckpointMessage,
    ForkMessage,
    GetCheckpoint,
    GetHistory,
    HistoryMessage,
)
from light_client.messages.chain import (
    Blocks,
    GetBlocks,
    GetUpdate,
    NewBlock,
    Subscribe,
    Unavailable,
    UpdateMessage,
)
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.messages.proofs import (
    AccountMessage,
    GetAccount,
    GetTrades,
    TradesMessage,
)
from light_client.messages.registry import WithdrawReply, WithdrawRequest
from light_client.messages.shape import MAX_BODY_BYTES
from light_client.messages.snapshots import (
    ChunkMessage,
    GetChunk,
    GetHashes,
    GetSnapshot,
    HashesMessage,
    SnapshotMessage,
)
from light_client.messages.submission import MAX_RAW_BYTES, SubmitTx, TxResult
from light_client.rules.checkpoint import MAX_CHECKPOINT_BYTES
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import LocalError, MalformedError, RuleViolation
from light_client.rules.ledger.fork import MAX_FORK_BYTES

Message = (
    Proposal
    | Vote
    | RoundStatus
    | Subscribe
    | NewBlock
    | GetBlocks
    | Blocks
    | GetUpdate
    | UpdateMessage
    | Unavailable
    | SubmitTx
    | TxResult
    | GetTrades
    | TradesMessage
    | GetAccount
    | AccountMessage
    | WithdrawRequest
    | WithdrawReply
    | GetHistory
    | HistoryMessage
    | ForkMessage
    | GetCheckpoint
    | CheckpointMessage
    | GetSnapshot
    | SnapshotMessage
    | GetChunk
    | ChunkMessage
    | GetHashes
    | HashesMessage
)


class _Type(NamedTuple):
    """One row of the table."""

    cls: Any
    """A message class: ``to_wire() -> fields`` and ``from_wire(fields)``."""
    max_bytes: int
    """Longest message of the type, bytes."""


_CERTIFIED_HEADER = 6 << 10
"""A header, and a certificate with 64 signatures."""

TYPES: Final[dict[int, _Type]] = {
    1: _Type(Proposal, MAX_BODY_BYTES + (2 << 10)),
    2: _Type(Vote, 256),
    3: _Type(RoundStatus, 256),
    4: _Type(Subscribe, 64),
    5: _Type(NewBlock, _CERTIFIED_HEADER),
    6: _Type(GetBlocks, 64),
    7: _Type(Blocks, MAX_BODY_BYTES + (2 << 20)),
    8: _Type(GetUpdate, 64),
    9: _Type(UpdateMessage, 256 << 10),
    10: _Type(Unavailable, 64),
    11: _Type(SubmitTx, MAX_RAW_BYTES + 64),
    12: _Type(TxResult, 512),
    13: _Type(GetTrades, 4 << 10),
    14: _Type(TradesMessage, 1 << 20),
    15: _Type(GetAccount, 128),
    16: _Type(AccountMessage, 4 << 20),
    17: _Type(WithdrawRequest, 128 << 10),
    18: _Type(WithdrawReply, 512),
    19: _Type(GetHistory, 64),
    20: _Type(HistoryMessage, _CERTIFIED_HEADER + (18 << 10)),
    21: _Type(ForkMessage, MAX_FORK_BYTES + 64),
    22: _Type(GetCheckpoint, 64),
    23: _Type(CheckpointMessage, MAX_CHECKPOINT_BYTES + 64),
    24: _Type(GetSnapshot, 64),
    25: _Type(SnapshotMessage, 2 << 20),
    26: _Type(GetChunk, 64),
    27: _Type(ChunkMessage, 8 << 20),
    28: _Type(GetHashes, 64),
    29: _Type(HashesMessage, 160 << 10),
}
"""Type number -> message. The one place where numbers are given."""

_NUMBERS: Final = {row.cls: number for number, row in TYPES.items()}
_PAIR_HEAD: Final = 0x82
"""First byte of every message: an array of two."""
_LONG_NUMBER: Final = 0x18
"""Second byte of a message whose type number stands in the third."""
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 1 << 16

MAX_MESSAGE_BYTES: Final = max(row.max_bytes for row in TYPES.values())


def number_of(message_class: type[Message]) -> int:
    """The type number of a message class."""
    return _NUMBERS[message_class]


def encode_message(message: Message) -> bytes:
    """Canonical bytes of a message.

    Raises:
        LocalError: the message is longer than its type allows, which its sender must avoid.
    """
    number = _NUMBERS[type(message)]
    raw = encode((number, message.to_wire()))
    if len(raw) > TYPES[number].max_bytes:
        raise LocalError(
            f"a {type(message).__name__} is too long to send",
            got=len(raw),
            expected=TYPES[number].max_bytes,
        )
    return raw


def type_number_of(raw: bytes) -> int:
    """The type number that a message begins with; 0 where it begins with none."""
    head = raw[:3]
    if len(head) < 3 or head[0] != _PAIR_HEAD:
        return 0
    return head[2] if head[1] == _LONG_NUMBER else head[1]


def decode_message(raw: bytes, *, max_bytes: int = MAX_MESSAGE_BYTES) -> Message:
    """Read a message of unknown origin: its type and size first, then its shape, then each field.

    Args:
        raw: one whole message.
        max_bytes: longest message that the caller takes of any type; the type's own limit holds besides.

    Raises:
        RuleViolation: MSG-01 to MSG-07, ENC-xx, or the rule of a nested header (LED-30) or certificate (CNS-02).
    """
    row = TYPES.get(type_number_of(raw))
    if row is None:
        raise MalformedError("MSG-01", "type of a message", got=raw[:2], expected="a known type number")
    limit = min(row.max_bytes, max_bytes)
    if len(raw) > limit:
        raise MalformedError(
            "MSG-02",
            f"length of a {row.cls.__name__}",
            got=len(raw),
            expected=f"at most {limit} bytes",
        )
    wire = decode(raw, max_bytes=limit, max_depth=_MAX_DEPTH, max_items=_MAX_ITEMS)
    fields = wire[1] if type(wire) is tuple else ()
    if type(fields) is not tuple:
        raise RuleViolation("MSG-03", f"fields of a {row.cls.__name__}", got=fields, expected="a list")
    message: Message = row.cls.from_wire(fields)
    return message
