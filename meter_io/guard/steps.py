"""What one step of a counter can mean, and what is decided about it.

The decision table: while a step is *held*, its readings carry the first quality and nothing is booked; the base stays
the last believed reading. A later sample that fits the base again is GOOD and books the whole difference, so that an
accident that passes costs nothing. `confirm` samples in a row that agree with each other *confirm* the step; for a new
base, or a roll-over, they also have to grow.

A fall that wrong samples before it would explain never becomes a new base: the counter is waited for instead, so that
what was booked too much is made up for. A fall to zero is explained by no more than what the last `confirm` believed
samples rose; any other by what one sample can be wrong, because counters do step back by a little.

| step          | when                                              | held as      | confirmed as | then               |
|---------------|---------------------------------------------------|--------------|--------------|--------------------|
| PLAUSIBLE     | up by what the connection carries in the time     | -            | GOOD         | booked             |
| UNCONFIRMED   | the same, but after an outage                     | JUMP         | JUMP         | booked, estimated  |
| UNTIMED       | up, and no clock spans the restart                | JUMP         | never        | waits for the clock|
| ROLLED        | through the known end of the counter              | ROLLED_OVER  | ROLLED_OVER  | booked, estimated  |
| SCALED        | times or by 10, 100 or 1000                       | UNIT_CHANGED | never        | waits for a person |
| NEAR_ZERO     | down to what a counter reset meanwhile could show | FALSE_ZERO   | RESET        | new base, unknown  |
| SMALL_ZERO    | the same, from what may never have been counted   | FALSE_ZERO   | never        | waits to catch up  |
| SMALL_BACK    | down by less than one sample can be wrong         | BACK_STEP    | never        | waits to catch up  |
| LARGE_BACK    | down by more                                      | BACK_STEP    | RESET        | new base, unknown  |
| IMPOSSIBLE    | up by more than the connection carries            | JUMP         | JUMP         | new base, unknown  |
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from meter_io.guard.params import CounterSpec, GuardParams
from meter_io.reading import Quality


class Step(Enum):
    """What the way from the base to a new value looks like."""

    PLAUSIBLE = "plausible"
    UNCONFIRMED = "unconfirmed"
    UNTIMED = "untimed"
    ROLLED = "rolled"
    SCALED = "scaled"
    NEAR_ZERO = "near-zero"
    SMALL_ZERO = "small-zero"
    SMALL_BACK = "small-back"
    LARGE_BACK = "large-back"
    IMPOSSIBLE = "impossible"


class Decision(NamedTuple):
    """One row of the table.

    Attributes:
        held: quality of the readings until it is confirmed.
        confirmed: quality of the reading that confirms it; None where samples alone never do.
        energy_known: whether the difference is booked then.
        words: for the reason of a reading.
    """

    held: Quality
    confirmed: Quality | None
    energy_known: bool
    words: str


DECISIONS: Final[Mapping[Step, Decision]] = {
    Step.PLAUSIBLE: Decision(Quality.GOOD, Quality.GOOD, energy_known=True, words=""),
    Step.UNCONFIRMED: Decision(Quality.JUMP, Quality.JUMP, energy_known=True, words="moved during an outage"),
    Step.UNTIMED: Decision(
        Quality.JUMP, None, energy_known=False, words="moved in a time that no clock tells"
    ),
    Step.ROLLED: Decision(
        Quality.ROLLED_OVER, Quality.ROLLED_OVER, energy_known=True, words="rolled over at its end"
    ),
    Step.SCALED: Decision(Quality.UNIT_CHANGED, None, energy_known=False, words="changed its scale"),
    Step.NEAR_ZERO: Decision(Quality.FALSE_ZERO, Quality.RESET, energy_known=False, words="fell to zero"),
    Step.SMALL_ZERO: Decision(Quality.FALSE_ZERO, None, energy_known=False, words="fell to zero"),
    Step.SMALL_BACK: Decision(Quality.BACK_STEP, None, energy_known=False, words="stepped back"),
    Step.LARGE_BACK: Decision(Quality.BACK_STEP, Quality.RESET, energy_known=False, words="stepped far back"),
    Step.IMPOSSIBLE: Decision(
        Quality.JUMP, Quality.JUMP, energy_known=False, words="rose by more than the connection carries"
    ),
}

_SEVERITY: Final = (
    Step.PLAUSIBLE,
    Step.UNCONFIRMED,
    Step.ROLLED,
    Step.NEAR_ZERO,
    Step.SMALL_ZERO,
    Step.SMALL_BACK,
    Step.LARGE_BACK,
    Step.IMPOSSIBLE,
    Step.UNTIMED,
    Step.SCALED,
)
_FACTORS: Final = (10, 100, 1_000)
_CLEAR: Final = 20
"""A change of scale is told from chance only where the value is this many times its uncertainty."""


def worst(steps: tuple[Step, ...]) -> Step:
    """The one that decides about a reading of several counters."""
    return max(steps, key=_SEVERITY.index)


def classify(
    base_j: int,
    value_j: int,
    elapsed_ms: int | None,
    counter: CounterSpec,
    params: GuardParams,
    *,
    risen_j: int | None = None,
) -> Step:
    """Say what a step of a counter looks like.

    Args:
        base_j: last believed value, joules.
        value_j: the new one, joules.
        elapsed_ms: time between them, None where no clock tells.
        counter: resolution and end of the counter.
        params: what the connection carries.
        risen_j: how far the base can be too high, because wrong samples lifted it; None if nobody knows.
    """
    if value_j == base_j:
        return Step.PLAUSIBLE
    if elapsed_ms is None:
        return Step.UNTIMED
    most_j = params.most_j(counter, elapsed_ms)
    if value_j > base_j:
        return _rise(base_j, value_j, most_j, counter, params)
    return _fall(base_j, value_j, most_j, counter, params, risen_j)


def _rise(base_j: int, value_j: int, most_j: int, counter: CounterSpec, params: GuardParams) -> Step:
    if value_j - base_j <= most_j and not _may_wrap_unseen(most_j, counter):
        return Step.PLAUSIBLE if most_j <= params.most_j(counter, params.trust_gap_ms) else Step.UNCONFIRMED
    return Step.SCALED if _scaled(base_j, value_j, most_j, counter) else Step.IMPOSSIBLE


def _fall(
    base_j: int,
    value_j: int,
    most_j: int,
    counter: CounterSpec,
    params: GuardParams,
    risen_j: int | None,
) -> Step:
    end_j = counter.modulus_j
    if (
        end_j is not None
        and base_j < end_j
        and value_j + end_j - base_j <= most_j
        and not _may_wrap_unseen(most_j, counter)
    ):
        return Step.ROLLED
    small_j = params.most_j(counter, params.trust_gap_ms)
    if value_j <= most_j and base_j - value_j > (small_j if risen_j is None else risen_j):
        return Step.NEAR_ZERO
    if value_j <= most_j < base_j:
        return Step.SMALL_ZERO
    if _scaled(base_j, value_j, most_j, counter):
        return Step.SCALED
    return Step.SMALL_BACK if base_j - value_j <= small_j else Step.LARGE_BACK


def _may_wrap_unseen(most_j: int, counter: CounterSpec) -> bool:
    """Whether so much may have flowed that the counter could have gone round once more than it seems."""
    return counter.modulus_j is not None and most_j >= counter.modulus_j


def _scaled(base_j: int, value_j: int, most_j: int, counter: CounterSpec) -> bool:
    """Whether the new value is the old one in another unit. Rounding of the coarser unit is allowed for."""
    for factor in _FACTORS:
        if base_j >= _CLEAR * most_j and base_j * factor <= value_j <= (base_j + most_j) * factor:
            return True
        rounding_j = factor * counter.resolution_j
        if (
            base_j >= _CLEAR * (most_j + rounding_j)
            and base_j - rounding_j <= value_j * factor <= base_j + most_j + rounding_j
        ):
            return True
    return False


def energy_j(step: Step, base_j: int, value_j: int, counter: CounterSpec) -> int | None:
    """What a confirmed step books, joules; None where it is not known."""
    if not DECISIONS[step].energy_known:
        return None
    if step is Step.ROLLED and counter.modulus_j is not None:
        return value_j + counter.modulus_j - base_j
    return value_j - base_j
