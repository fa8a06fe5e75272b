"""What goes wrong in a scenario: faults by name and time, and what a campaign may draw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from testbed.scenarios.errors import PlanError, at_least


class FaultKind(StrEnum):
    """What a scenario can make go wrong."""

    MINER_DOWN = "miner-down"
    """Miner ``target`` is stopped, and started again from its disk."""
    MINER_EQUIVOCATES = "miner-equivocates"
    """Miner ``target`` proposes two blocks in each round that it leads, and votes for both."""
    MINER_TWO_FACED = "miner-two-faced"
    """Miner ``target`` signs two contradicting votes in each round."""
    MINER_LIES = "miner-lies"
    """Miner ``target`` proposes clearings that do not follow from the offers."""
    MINER_SILENT = "miner-silent"
    """Miner ``target`` listens and says nothing."""
    MINER_SLOW = "miner-slow"
    """Miner ``target`` says everything seconds late."""
    MINER_REPLAYS = "miner-replays"
    """Miner ``target`` sends old messages again."""
    MINER_SHIFTS_TIME = "miner-shifts-time"
    """Miner ``target`` has a clock that is wrong by more than anybody tolerates."""
    MINER_COLLUDES = "miner-colludes"
    """Miner ``target`` votes for whatever the others of this kind propose, true or not."""
    MINER_FORKS = "miner-forks"
    """Miner ``target`` and the others of this kind show one half of the honest miners another block than the rest."""
    SOLVER_SILENT = "solver-silent"
    """Solver ``target`` submits nothing."""
    SOLVER_LIES = "solver-lies"
    """Solver ``target`` submits infeasible or worse solutions as if they were optimal."""
    DSO_GRANTS_TWICE = "dso-grants-twice"
    """The DSO signs every batch of grants twice."""
    DSO_GRANTS_MORE = "dso-grants-more"
    """The DSO grants everybody more than was asked for."""
    METER_DOWN = "meter-down"
    """Home ``target`` loses power, and starts again from its storage."""
    METER_ECLIPSED = "meter-eclipsed"
    """Somebody holds all lines of home ``target``: it hears one miner only, whose blocks are faked on the way."""
    SPAM = "spam"
    """A stranger floods the miners."""
    LINK_LOSS = "link-loss"
    """``percent`` of all messages are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong for a while."""

    kind: FaultKind
    from_interval: int = 0
    to_interval: int = 95
    """Last interval of the fault, inclusive."""
    target: int = 0
    """Number of the miner or solver (from 0), or the home id."""
    percent: int = 0
    """Share of messages, for ``link-loss`` only."""

    def __post_init__(self) -> None:
        if not 0 <= self.from_interval <= self.to_interval <= 95:
            got = (self.from_interval, self.to_interval)
            raise PlanError("from_interval, to_interval", got=got, expected="0 <= from <= to <= 95")
        if (self.kind is FaultKind.LINK_LOSS) != (self.percent > 0) or not 0 <= self.percent <= 100:
            raise PlanError(
                "percent",
                got=self.percent,
                expected="1..100 for link-loss, nothing for other faults",
            )
        at_least(self, target=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRule:
    """What each run of a campaign may draw from its seed; all but the adversaries is over well before its end."""

    crashes: int = 4
    """Most crashes of nodes at a random moment."""
    crashes_when_busy: int = 0
    """Most short crashes of miners in the seconds after a gate has closed."""
    crashes_at_writes: int = 0
    """Most crashes of nodes in the call that makes a random one of their writes."""
    partitions: int = 1
    """Most partitions into two halves."""
    loss_percent: int = 3
    """Share of messages that the worst network loses."""
    skew_ms: int = 0
    """How far a clock may be off, either way, ms."""
    hostile_miners: int = 0
    """Most miners that play false; up to a third of the committee, less one."""
    parts: tuple[FaultKind, ...] = ()
    """What adversaries may play: one for every hostile miner that is drawn, each of the others one time in three."""

    def __post_init__(self) -> None:
        at_least(self, crashes=0, crashes_when_busy=0, crashes_at_writes=0)
        at_least(self, partitions=0, loss_percent=0, skew_ms=0, hostile_miners=0)
        if self.loss_percent > 100:
            raise PlanError("loss_percent", got=self.loss_percent, expected="0..100")
