"""What goes wrong, when: link quality, crashes, partitions, wrong clocks. All data; the simulator acts on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Quality of the way from one node to another."""

    min_delay_ms: int = 1
    jitter_ms: int = 0
    """Mean of the exponentially distributed delay on top, ms."""
    loss_ppm: int = 0
    """How many messages in a million vanish."""
    duplicate_ppm: int = 0
    """How many messages in a million arrive twice."""
    ordered: bool = True
    """Whether messages of one link arrive in the order in which they were sent, as over one connection."""

    def __post_init__(self) -> None:
        if self.min_delay_ms < 0 or self.jitter_ms < 0:
            raise ValueError(f"a delay is not negative, got {self.min_delay_ms} and {self.jitter_ms} ms")
        for ppm in (self.loss_ppm, self.duplicate_ppm):
            if not 0 <= ppm <= PER_MILLION:
                raise ValueError(f"a rate is 0 to {PER_MILLION} in a million, got {ppm}")


class Moment(Enum):
    """Where within a call of ``handle`` a node dies."""

    BETWEEN_CALLS = "between calls"
    BEFORE_WRITES = "before the call's writes are durable"
    AFTER_WRITES = "after the writes, before any message left"
    HALFWAY_SENT = "after the writes and half of the messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A node dies at a time, or in its first call from then on, and comes back."""

    node: str
    at_ms: int
    down_ms: int | None
    """How long it stays away, ms; None for ever."""
    moment: Moment = Moment.BETWEEN_CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashAtWrite:
    """A node dies in the call that makes its ``number``-th batch of writes, counted from 1 over all its lives."""

    node: str
    number: int
    moment: Moment
    down_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """For a while, nodes reach those of their own group only; nodes in no group reach everybody."""

    groups: tuple[frozenset[str], ...]
    from_ms: int
    to_ms: int

    def parts(self, one: str, other: str) -> bool:
        """Whether the two nodes are cut off from each other."""
        homes = [
            next((at for at, group in enumerate(self.groups) if name in group), None) for name in (one, other)
        ]
        return None not in homes and homes[0] != homes[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything that is to go wrong in one run."""

    crashes: tuple[Crash, ...] = ()
    crashes_at_writes: tuple[CrashAtWrite, ...] = ()
    partitions: tuple[Partition, ...] = ()
    skew_ms: dict[str, int] = field(default_factory=dict)
    """Node -> how far its clock is ahead of true time, ms; negative if behind."""


NO_FAULTS = Faults()


def random_faults(
    rng: Random, nodes: Sequence[str], *, from_ms: int, to_ms: int, crashes: int, partitions: int
) -> Faults:
    """Draw a schedule that is over by ``to_ms``: crashes one after the other, and partitions into two halves."""
    drawn: list[Crash] = []
    if crashes:
        slot_ms = (to_ms - from_ms) // crashes
        for number in range(crashes):
            start_ms = from_ms + number * slot_ms + rng.randrange(slot_ms // 3 + 1)
            down_ms = 1 + rng.randrange(slot_ms // 2)
            drawn.append(
                Crash(
                    node=rng.choice(nodes), at_ms=start_ms, down_ms=down_ms, moment=rng.choice(list(Moment))
                )
            )
    cuts = []
    for _ in range(partitions):
        start_ms = rng.randrange(from_ms, to_ms)
        shuffled = rng.sample(list(nodes), len(nodes))
        half = rng.randrange(1, len(nodes))
        groups = (frozenset(shuffled[:half]), frozenset(shuffled[half:]))
        cuts.append(Partition(groups=groups, from_ms=start_ms, to_ms=rng.randrange(start_ms, to_ms) + 1))
    return Faults(crashes=tuple(drawn), partitions=tuple(cuts))
