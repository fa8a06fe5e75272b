"""What the guard remembers of a meter, and how that survives a restart: a short JSON text with a schema."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from meter_io.errors import MeterError
from meter_io.guard.crosscheck import CrossCheck, Debt
from meter_io.guard.steps import Step
from meter_io.span import Instant, Pair

SCHEMA: Final = "gridlight.guard/1"
MAX_STATE_BYTES: Final = 2_048
_MAX_TRAIL: Final = 16
_MAX_INT: Final = 1 << 63


class GuardStateError(MeterError):
    """A stored state that is not one of ours: the guard begins anew, with a first reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The last believed reading.

    Attributes:
        values_j: (import, export).
        at: when.
        trail: the values believed before it, oldest first, at most `GuardParams.confirm`.
    """

    values_j: Pair
    at: Instant
    trail: tuple[Pair, ...] = ()

    def next(self, values_j: Pair, at: Instant, length: int) -> "Base":
        """The base after one more believed reading."""
        return Base(values_j=values_j, at=at, trail=(*self.trail, self.values_j)[-length:])

    def risen_j(self, way: int, length: int) -> int | None:
        """How far a counter rose over the last `length` believed readings; None before there were so many.

        Fewer wrong samples in a row than that cannot have lifted the base by more.
        """
        now, then = self.values_j[way], self.trail[0][way] if len(self.trail) >= length else None
        return None if now is None or then is None else now - then


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Samples in a row that agree with each other but not with the base.

    Attributes:
        steps: (import, export), what the way from the base to the first of them was.
        first_j: values of the first.
        first_at: when the first came.
        last_j: values of the latest.
        last_at: when that came.
        power_w: of the latest, None where it was not given.
        count: how many.
    """

    steps: tuple[Step, Step]
    first_j: Pair
    first_at: Instant
    last_j: Pair
    last_at: Instant
    power_w: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """All of it, from the first reading on."""

    base: Base
    check: CrossCheck
    candidate: Candidate | None = None

    def stamped(self, utc_offset_ms: int) -> "GuardState":
        """The same with UTC times filled in. Steps that waited for a clock are looked at afresh."""
        candidate = self.candidate
        base = replace(self.base, at=self.base.at.stamped(utc_offset_ms))
        if candidate is not None:
            candidate = (
                None
                if Step.UNTIMED in candidate.steps
                else replace(
                    candidate,
                    first_at=candidate.first_at.stamped(utc_offset_ms),
                    last_at=candidate.last_at.stamped(utc_offset_ms),
                )
            )
        return GuardState(base=base, candidate=candidate, check=self.check.stamped(utc_offset_ms))


def dump(state: GuardState) -> bytes:
    """Return the state as a text of at most `MAX_STATE_BYTES`."""
    base, candidate, check = state.base, state.candidate, state.check
    document = {
        "schema": SCHEMA,
        "base": [base.values_j, base.at, base.trail],
        "candidate": None
        if candidate is None
        else [
            [step.value for step in candidate.steps],
            candidate.first_j,
            candidate.first_at,
            candidate.last_j,
            candidate.last_at,
            candidate.power_w,
            candidate.count,
        ],
        "check": [check.values_j, check.power_w, check.at],
        "debts": [[debt.owed_mj, debt.other_j, debt.since] for debt in check.debts],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def load(stored: bytes) -> GuardState | None:
    """Read a state back, after a restart of the board: its instants keep their UTC times only.

    A base without one cannot be placed any more: then there is no state, and the next reading is a first one.

    Raises:
        GuardStateError: the text is too long, damaged, or of another schema.
    """
    if len(stored) > MAX_STATE_BYTES:
        raise GuardStateError(
            f"a guard's state has at most {MAX_STATE_BYTES} bytes, got {len(stored)}", hint="delete it"
        )
    try:
        document = json.loads(stored)
        _expect_schema(document["schema"])
        base = _base(document["base"])
        state = GuardState(
            base=base,
            candidate=_candidate(document["candidate"]),
            check=_check(document["check"], document["debts"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise GuardStateError(f"the guard's stored state is damaged: {error}", hint="delete it") from None
    return None if base.at.utc_ms is None else state


def _expect_schema(stored: Any) -> None:
    if stored != SCHEMA:
        raise ValueError(f"expected schema {SCHEMA}, got {str(stored)[:40]!r}")


def _base(stored: Any) -> Base:
    values_j, at, trail = stored
    return Base(
        values_j=_pair(values_j), at=_instant(at), trail=tuple(_pair(values) for values in trail[:_MAX_TRAIL])
    )


def _candidate(stored: Any) -> Candidate | None:
    if stored is None:
        return None
    steps, first_j, first_at, last_j, last_at, power_w, count = stored
    import_step, export_step = steps
    candidate = Candidate(
        steps=(Step(import_step), Step(export_step)),
        first_j=_pair(first_j),
        first_at=_instant(first_at),
        last_j=_pair(last_j),
        last_at=_instant(last_at),
        power_w=_power(power_w),
        count=_whole(count),
    )
    timed = candidate.first_at.utc_ms is not None and candidate.last_at.utc_ms is not None
    return candidate if timed else None


def _check(check: Any, debts: Any) -> CrossCheck:
    import_debt, export_debt = (_debt(debt) for debt in debts)
    values_j, power_w, at = check
    return CrossCheck(
        values_j=_pair(values_j),
        power_w=_power(power_w),
        at=_instant(at),
        debts=(import_debt, export_debt),
    )


def _power(stored: Any) -> int | None:
    return None if stored is None else _whole(stored, low=-_MAX_INT)


def _debt(stored: Any) -> Debt:
    owed_mj, other_j, since = stored
    return Debt(
        owed_mj=_whole(owed_mj, high=_MAX_INT * 1_000),
        other_j=_whole(other_j),
        since=None if since is None else _instant(since),
    )


def _pair(stored: Any) -> Pair:
    import_j, export_j = stored
    return (
        None if import_j is None else _whole(import_j),
        None if export_j is None else _whole(export_j),
    )


def _instant(stored: Any) -> Instant:
    utc_ms, monotonic_ms = stored
    instant = Instant(
        None if utc_ms is None else _whole(utc_ms), None if monotonic_ms is None else _whole(monotonic_ms)
    )
    return instant.of_an_earlier_start()


def _whole(stored: Any, *, low: int = 0, high: int = _MAX_INT) -> int:
    if type(stored) is not int or not low <= stored <= high:
        raise ValueError(f"expected a whole number from {low} to {high}, got {str(stored)[:40]}")
    return stored
