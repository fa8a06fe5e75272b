"""What a load run found, as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Offers made final, as whoever handed them in saw it."""

    offers: int
    """Handed in, and all of them final at the end."""
    blocks: int
    """Blocks that held any."""
    put_off: int
    """Answers that asked to come again later; each such offer was handed in again."""
    sustained_per_s: float
    """Offers made final per second of the driver's clock, from the first block after the warm-up to the last block
    that came while offers were still handed in."""
    sustained_s: float
    """Length of that time, s; 0 if the run was too short to say."""
    block_ms: float
    """Mean time between blocks in it, ms."""
    p50_ms: int
    """Median time from handing an offer in to holding the certified block that it is in, ms, after the warm-up."""
    p99_ms: int
    worst_ms: int

    @property
    def p99_block_times(self) -> float:
        """The 99th percentile in block times."""
        return self.p99_ms / self.block_ms if self.block_ms else 0.0

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return rounded({**asdict(self), "p99_block_times": self.p99_block_times})


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers as people want to read them."""
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


@dataclass(slots=True, kw_only=True)
class Finals:
    """Collects when each offer was handed in and when it became final."""

    warm_up_ms: int
    """Offers handed in this soon after the first count neither for latencies nor for the sustained rate."""
    put_off: int = 0
    under_way: dict[bytes, int] = field(default_factory=dict)
    """Identity of an offer that is not final -> when it was first handed in, ms."""
    _first_ms: int | None = None
    _last_ms: int = 0
    _latencies: list[int] = field(default_factory=list)
    _blocks: list[tuple[int, int]] = field(default_factory=list)
    done: int = 0
    """Offers that are final."""

    def submitted(self, tx_id: bytes, now_ms: int) -> None:
        """An offer was handed in, for the first time or again."""
        if self._first_ms is None:
            self._first_ms = now_ms
        self._last_ms = max(self._last_ms, now_ms)
        self.under_way.setdefault(tx_id, now_ms)

    def block(self, tx_ids: Iterable[bytes], now_ms: int) -> int:
        """A certified block arrived; returns how many of our offers are in it."""
        found = 0
        for tx_id in tx_ids:
            at_ms = self.under_way.pop(tx_id, None)
            if at_ms is None:
                continue
            found += 1
            if self._first_ms is not None and at_ms >= self._first_ms + self.warm_up_ms:
                self._latencies.append(now_ms - at_ms)
        if found:
            self._blocks.append((now_ms, found))
            self.done += found
        return found

    def rate(self) -> Rate:
        """All figures."""
        begin_ms = (self._first_ms or 0) + self.warm_up_ms
        counted = [row for row in self._blocks if begin_ms <= row[0] <= self._last_ms]
        elapsed_ms = counted[-1][0] - counted[0][0] if len(counted) > 1 else 0
        ordered = sorted(self._latencies)
        return Rate(
            offers=self.done,
            blocks=len(self._blocks),
            put_off=self.put_off,
            sustained_per_s=sum(count for _, count in counted[1:]) * 1_000 / elapsed_ms
            if elapsed_ms
            else 0.0,
            sustained_s=elapsed_ms / 1_000,
            block_ms=elapsed_ms / (len(counted) - 1) if elapsed_ms else 0.0,
            p50_ms=percentile(ordered, 50),
            p99_ms=percentile(ordered, 99),
            worst_ms=ordered[-1] if ordered else 0,
        )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least so many per cent of the values do not exceed; 0 of none."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0
