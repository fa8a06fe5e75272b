"""How a light client behaves, and what its owner has to hand to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.client.anchoring import TIMER as ANCHOR_TIMER
from light_client.messages.anchors import CheckpointMessage, ForkMessage, GetHistory, HistoryMessage
from light_client.messages.chain import Blocks, GetBlocks, GetUpdate, NewBlock, Unavailable, UpdateMessage
from light_client.messages.codec import number_of
from light_client.messages.proofs import AccountMessage, TradesMessage
from light_client.rules.light import LightParams
from light_client.sync.follow import TIMER as FOLLOW_TIMER
from light_client.sync.follow import FollowParams
from light_client.sync.servers import ServersParams
from light_client.sync.witness import TIMER as WITNESS_TIMER
from light_client.sync.witness import WitnessParams

TIMERS = frozenset({FOLLOW_TIMER, WITNESS_TIMER, ANCHOR_TIMER})
"""Timers that the owner hands to the client."""
TAKEN = frozenset(
    number_of(kind)
    for kind in (
        NewBlock,
        Blocks,
        UpdateMessage,
        Unavailable,
        TradesMessage,
        AccountMessage,
        HistoryMessage,
        ForkMessage,
        CheckpointMessage,
    )
)
"""Types of messages that the owner hands to the client."""
OWN_PROOFS = frozenset(number_of(kind) for kind in (TradesMessage, AccountMessage, Unavailable))
"""Types of messages that may come over the channel of an address: answers about its own records."""
ANSWER_BYTES = 8 << 20
"""Longest message taken from a server besides one whole block, bytes."""


AWAY_MS = 3_600_000
"""Who was away for longer asks for the newest header first, and for the blocks up to it then, ms."""


BLOCKS_OR_PROOFS = frozenset({number_of(GetBlocks), number_of(GetHistory)})
"""Requests that a server refuses that has thrown old blocks away."""
NEEDED = BLOCKS_OR_PROOFS | {number_of(GetUpdate)}
"""Requests without whose answer a server cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientParams:
    """How one client behaves."""

    light: LightParams = field(default_factory=LightParams)
    follow: FollowParams = field(default_factory=FollowParams)
    servers: ServersParams = field(default_factory=ServersParams)
    witness: WitnessParams = field(default_factory=WitnessParams)
    persist_ms: int = 900_000
    """How far the trusted header may run ahead of the one on disk, ms of header time."""
    replay_blocks: int = 50_000
    """How many old blocks are fetched to be audited; behind more, headers alone are followed."""
    retry_ms: int = 10_000
    """After how long the clock is looked at, or a checkpoint asked for, again, ms."""
