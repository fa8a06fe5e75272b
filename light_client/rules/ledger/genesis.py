"""The genesis: everything that all parties must agree on before the first block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Committee, committee_from_wire
from light_client.rules.ledger.epochs import EpochParams, epoch_params_from_wire
from light_client.rules.ledger.registry import MinerRegistry, registry_from_wire
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.mechanisms.kinds import mechanism_from_wire
from light_client.rules.market.params import MarketParams, Objective
from light_client.rules.units import MAX_INTERVAL, PUBLIC_KEY_BYTES, FeederId

PROTOCOL_VERSION = 1
MAX_NAME_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParams:
    """Limits of blocks and of time."""

    max_block_bytes: int = 4 << 20
    """Largest encoded body, bytes."""
    max_block_txs: int = 10_000
    """Most transactions in a block."""
    max_tx_bytes: int = 256 << 10
    """Largest transaction other than a solution, bytes (a batch of grants is the large one)."""
    max_drift_ms: int = 10_000
    """How far ahead of a voter's or meter's clock a header's time may lie, ms."""
    solve_deadline_ms: int = 60_000
    """How long after the gate of an interval a proven solution is waited for before the kept plan clears, ms."""
    evidence_blocks: int = 100_000
    """For how many blocks somebody may be convicted of a fault."""
    exclusion_intervals: int = 672
    """How many intervals whoever is convicted sits in no new committee; a week of quarters of an hour."""

    def __post_init__(self) -> None:
        for name in (
            "max_block_bytes",
            "max_block_txs",
            "max_tx_bytes",
            "max_drift_ms",
            "solve_deadline_ms",
            "evidence_blocks",
            "exclusion_intervals",
        ):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 1 << 31:
                raise RuleViolation(
                    "LED-01",
                    f"chain parameter {name} out of range",
                    got=value,
                    expected=f"1..{1 << 31}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """The first agreement; its hash is the chain id, which every signature carries."""

    name: str
    """For people; part of the chain id, so that test chains never pass for others."""
    genesis_time_ms: int
    """UTC milliseconds; no header is older."""
    first_interval: int
    """First interval that is ever cleared."""
    market: MarketParams
    feeders: tuple[Feeder, ...]
    dso_key: bytes
    """Key that grants assets."""
    committee: Committee
    """Signs the first epoch."""
    chain: ChainParams = field(default_factory=ChainParams)
    epochs: EpochParams = field(default_factory=EpochParams)
    registry: MinerRegistry | None = None
    """Who may be elected, and who may change that; without one the first committee signs for ever."""

    def __post_init__(self) -> None:
        name = self.name
        if type(name) is not str or not name.isprintable() or not 1 <= len(name.encode()) <= MAX_NAME_BYTES:
            raise RuleViolation(
                "LED-01",
                "name of the chain",
                got=name,
                expected=f"printable, 1..{MAX_NAME_BYTES} bytes",
            )
        if type(self.dso_key) is not bytes or len(self.dso_key) != PUBLIC_KEY_BYTES:
            raise RuleViolation(
                "LED-01",
                "key of the DSO",
                got=self.dso_key,
                expected=f"{PUBLIC_KEY_BYTES} bytes",
            )
        for what, value, end in (
            ("genesis_time_ms", self.genesis_time_ms, 1 << 62),
            ("first_interval", self.first_interval, MAX_INTERVAL),
        ):
            if type(value) is not int or not 0 <= value < end:
                raise RuleViolation("LED-01", what, got=value, expected=f"0..{end - 1}")
        _ = self.grid  # making it checks the feeders: ascending, distinct, neither none nor too many

    @property
    def grid(self) -> Grid:
        """The feeders with their limits per interval."""
        return Grid(feeders=self.feeders, interval_s=self.market.interval_s)

    def gate_ms(self, interval: int) -> int:
        """When the offers for ``interval`` close.

        ``t_clear`` intervals' worth before its end, at the end of an interval.
        """
        return (interval - self.market.t_clear + 1) * self.market.interval_s * 1_000

    def first_open_interval(self, time_ms: int) -> int:
        """The first interval whose gate is still ahead at ``time_ms``."""
        return time_ms // (self.market.interval_s * 1_000) + self.market.t_clear

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        market, chain = self.market, self.chain
        uniform = market.uniform_price_uc_per_kwh
        return (
            PROTOCOL_VERSION,
            self.name,
            self.genesis_time_ms,
            self.first_interval,
            (
                market.interval_s,
                market.t_clear,
                market.horizon,
                market.expiry_weight,
                () if uniform is None else (uniform,),
                tuple(int(objective) for objective in market.objectives),
                market.max_gap_j,
                market.mechanism.to_wire(),
            ),
            tuple((f.feeder, f.c_ext_w, () if f.c_int_w is None else (f.c_int_w,)) for f in self.feeders),
            self.dso_key,
            self.committee.to_wire(),
            (
                chain.max_block_bytes,
                chain.max_block_txs,
                chain.max_tx_bytes,
                chain.max_drift_ms,
                chain.solve_deadline_ms,
                chain.evidence_blocks,
                chain.exclusion_intervals,
            ),
            self.epochs.to_wire(),
            () if self.registry is None else (self.registry.to_wire(),),
        )

    def chain_id(self) -> bytes:
        """Hash of the canonical form, 32 bytes."""
        return tagged_hash("gridlight/genesis/1", encode(self.to_wire()))


def genesis_from_wire(wire: Any) -> Genesis:
    """Read the canonical form back.

    Raises:
        RuleViolation: LED-01 for another shape or version; MKT-01, MKT-02, CNS-01, CNS-20, CNS-21 for values out of
            range.
    """
    if type(wire) is not tuple or len(wire) != 11 or wire[0] != PROTOCOL_VERSION:
        raise RuleViolation(
            "LED-01",
            "a genesis of this version has eleven fields",
            got=wire,
            expected="11 fields",
        )
    _, name, time_ms, first_interval, market, feeders, dso_key, committee, chain, epochs, registry = wire
    if type(market) is not tuple or len(market) != 8 or type(chain) is not tuple or len(chain) != 7:
        raise RuleViolation("LED-01", "parameters of a genesis", got=market, expected="8 and 7 fields")
    if type(feeders) is not tuple or any(type(row) is not tuple or len(row) != 3 for row in feeders):
        raise RuleViolation("LED-01", "feeders of a genesis", got=feeders, expected="rows of three")
    if type(registry) is not tuple or len(registry) > 1:
        raise RuleViolation("LED-01", "registry of a genesis", got=registry, expected="() or (registry,)")
    try:
        objectives = tuple(Objective(value) for value in market[5])
    except (TypeError, ValueError):
        raise RuleViolation(
            "LED-01",
            "objectives of a genesis",
            got=market[5],
            expected="known objectives",
        ) from None
    return Genesis(
        name=name,
        genesis_time_ms=time_ms,
        first_interval=first_interval,
        market=MarketParams(
            interval_s=market[0],
            t_clear=market[1],
            horizon=market[2],
            expiry_weight=market[3],
            uniform_price_uc_per_kwh=_optional(market[4]),
            objectives=objectives,
            max_gap_j=market[6],
            mechanism=mechanism_from_wire(market[7]),
        ),
        feeders=tuple(
            Feeder(feeder=FeederId(row[0]), c_ext_w=row[1], c_int_w=_optional(row[2])) for row in feeders
        ),
        dso_key=dso_key,
        committee=committee_from_wire(committee),
        chain=ChainParams(
            max_block_bytes=chain[0],
            max_block_txs=chain[1],
            max_tx_bytes=chain[2],
            max_drift_ms=chain[3],
            solve_deadline_ms=chain[4],
            evidence_blocks=chain[5],
            exclusion_intervals=chain[6],
        ),
        epochs=epoch_params_from_wire(epochs),
        registry=registry_from_wire(registry[0]) if registry else None,
    )


def _optional(wire: Any) -> int | None:
    """``()`` for None, ``(value,)`` for a value."""
    if type(wire) is not tuple or len(wire) > 1 or any(type(value) is not int for value in wire):
        raise RuleViolation(
            "LED-01",
            "an optional number of a genesis",
            got=wire,
            expected="() or (number,)",
        )
    return wire[0] if wire else None
