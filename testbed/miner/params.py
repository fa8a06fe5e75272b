"""How a miner behaves; none of it is a rule of the chain."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a miner waits, ms: longer from round to round, so that slow networks are caught up with."""

    propose_ms: int = 1_500
    vote_ms: int = 500
    """After a quorum's votes that do not agree, for the others'."""
    per_round_ms: int = 500
    longest_ms: int = 30_000
    status_ms: int = 1_000
    """How often a miner says where it stands while it waits for others."""

    def in_round(self, base_ms: int, round_: int) -> int:
        """The timeout of a round, ms."""
        return min(base_ms + round_ * self.per_round_ms, self.longest_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How much a miner keeps waiting."""

    transactions: int = 20_000
    bytes_: int = 32 << 20
    per_sender: int = 64
    """Transactions of one key while the pool is half empty; the grid operator's is exempt."""
    per_peer: int = 5_000
    """Transactions that came over one connection; other miners are exempt."""
    parked: int = 1_024
    """Transactions that came too early."""
    parked_per_peer: int = 64
    parked_ms: int = 600_000
    """How long a transaction waits for one that must come before it."""
    refusals: int = 64
    """Refused transactions of one connection at once, before it is not listened to for a while."""
    refusals_per_s: int = 8
    """How many of them are forgotten in a second."""
    remembered: int = 1 << 14
    """Identities of executed transactions, so that one handed in again is answered as accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerParams:
    """Everything that an operator may set."""

    batch_ms: int = 1_000
    """How long the first transaction of a block waits for others, unless they fill the block before."""
    last_call_ms: int = 2_000
    """How long before a gate closes whatever waits is put into a block, however short it has waited."""
    relay_ms: int = 20
    """How long a transaction waits for others before it is sent on to the other miners, together with them; 0: not."""
    block_txs: int = 5_000
    """Most transactions in a block of ours: what voters can judge well within their patience."""
    resend_ms: int = 2_000
    """How long a transaction waits beyond that before it is sent to the other miners again."""
    patience: int = 16
    """What nobody takes is sent again less and less often, down to so many times that pause."""
    sync_retry_ms: int = 2_000
    """After how long blocks are asked for again."""
    heartbeat_ms: int = 30_000
    checkpoint_blocks: int = 64
    """After how many blocks the state is written to disk; a restart replays the blocks since."""
    snapshot_blocks: int = 512
    """How many blocks lie at least between the checkpoints that others can fetch."""
    chunk_records: int = 2_048
    """About how many records of the state one chunk of a snapshot holds."""
    snapshot_gap: int = 1_024
    """Whoever is further behind than this fetches a snapshot first, and the blocks after it then."""
    join_ms: int = 5_000
    """How long an answer may take while a snapshot is fetched, before another miner is asked."""
    keep_blocks: int = 100_000
    """How many of the newest blocks are kept whole; headers at which the committee changed are kept for ever."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    pool: PoolLimits = field(default_factory=PoolLimits)
