"""Power against counters: a counter that stands although power flows, or that counts the wrong way.

For each direction the power read at two neighbouring samples says what the counter of that direction owes at least.
The debt is cleared whenever the counter moves, and when power and the other counter agree about the other direction.
Once it is worth `evidence_j`, the counter is frozen, or, if the other direction's counter moved instead, power and
counters disagree about the sign.

| debt of a direction | other direction counted | says         |
|---------------------|-------------------------|--------------|
| below the evidence  | any                     | nothing      |
| the evidence or more| half of it or more      | WRONG_SIGN   |
| the evidence or more| less                    | FROZEN, where there is such a counter |
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from meter_io.guard.params import CounterSpec, GuardParams
from meter_io.reading import Quality
from meter_io.span import Instant, Pair, elapsed_ms

IMPORT: Final = 0
EXPORT: Final = 1
_NAMES: Final = ("import", "export")


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What the power of one direction says its counter ought to have counted since it last moved.

    Attributes:
        owed_mj: millijoules (watts times milliseconds).
        other_j: joules that the other direction counted meanwhile.
        since: when it began to run up; None while nothing is owed.
    """

    owed_mj: int = 0
    other_j: int = 0
    since: Instant | None = None


class Finding(NamedTuple):
    """A contradiction: FROZEN or WRONG_SIGN, a sentence, and since when."""

    quality: Quality
    reason: str
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """The debts of both directions, and the last sample that fitted the base.

    Attributes:
        values_j: its counters.
        power_w: its power, whole watts towards zero; None where it was not given.
        at: when it was.
        debts: (import, export).
    """

    values_j: Pair
    power_w: int | None
    at: Instant
    debts: tuple[Debt, Debt] = (Debt(), Debt())

    def after(self, values_j: Pair, power_w: int | None, at: Instant, params: GuardParams) -> "CrossCheck":
        """Take in the next sample that fits the base: its counters, its power (watts, drawn positive) and its time."""
        flow_w = self._certain_w(power_w, params)
        duration_ms = min(max(0, elapsed_ms(self.at, at) or 0), params.trust_gap_ms)
        moved_j = [
            0 if now is None or before is None else now - before
            for now, before in zip(values_j, self.values_j, strict=True)
        ]
        flows_w = (max(0, flow_w), max(0, -flow_w))
        debts = []
        for way in (IMPORT, EXPORT):
            agreed = flows_w[1 - way] > 0 and moved_j[1 - way] > 0
            owed_mj = self.debts[way].owed_mj + flows_w[way] * duration_ms
            if moved_j[way] > 0 or agreed or owed_mj == 0:
                debts.append(Debt())
                continue
            debts.append(
                Debt(
                    owed_mj=owed_mj,
                    other_j=self.debts[way].other_j + moved_j[1 - way],
                    since=self.debts[way].since or self.at,
                )
            )
        return CrossCheck(values_j=values_j, power_w=power_w, at=at, debts=(debts[IMPORT], debts[EXPORT]))

    def _certain_w(self, power_w: int | None, params: GuardParams) -> int:
        """The least power that flowed since the last sample, if it did not turn meanwhile; 0 if that is not known."""
        if self.power_w is None or power_w is None or self.power_w * power_w <= 0:
            return 0
        least_w = min(abs(self.power_w), abs(power_w))
        if least_w < params.idle_w:
            return 0
        return least_w if power_w > 0 else -least_w

    def finding(self, params: GuardParams) -> Finding | None:
        """Return what the debts say, None if power and counters agree."""
        for way, debt in enumerate(self.debts):
            counter, other = params.counters[way], params.counters[1 - way]
            evidence_j = max(params.evidence_j(spec) for spec in (counter, other) if spec is not None)
            if debt.since is None or debt.owed_mj < 1_000 * evidence_j:
                continue
            if 2 * debt.other_j >= evidence_j:
                return Finding(Quality.WRONG_SIGN, _wrong_sign(way), debt.since)
            if counter is not None:
                return Finding(Quality.FROZEN, _frozen(way, debt.owed_mj, counter), debt.since)
        return None

    def stamped(self, utc_offset_ms: int) -> "CrossCheck":
        """The same with UTC times where they were missing."""
        debts = [
            Debt(
                owed_mj=debt.owed_mj,
                other_j=debt.other_j,
                since=None if debt.since is None else debt.since.stamped(utc_offset_ms),
            )
            for debt in self.debts
        ]
        return CrossCheck(
            values_j=self.values_j,
            power_w=self.power_w,
            at=self.at.stamped(utc_offset_ms),
            debts=(debts[IMPORT], debts[EXPORT]),
        )


def _wrong_sign(way: int) -> str:
    return f"power says {_NAMES[way]} while the {_NAMES[1 - way]} counter runs"


def _frozen(way: int, owed_mj: int, counter: CounterSpec) -> str:
    steps = owed_mj // (1_000 * counter.resolution_j)
    return f"the {_NAMES[way]} counter stands although power for {steps} of its steps has flowed"
