"""What every delegate checks of an answer: that the true model allows it, and how far above a proven bound it lies.

The problem is not convex, so what passes is called *within a stated part of the bound* and never optimal. The bound
comes from prices that the answer carries and this code evaluates (``bound``); nothing is taken from the solver.

Source: reference rule for problems that are not convex: accept when feasible and ``f(x) - g(prices) <= delta * f(x)``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.verdict import Accepted, Rejected, Verdict
from testbed.experiments.manchester.bound import BadPrices, Cone, Prices, Slope, lower_bound
from testbed.experiments.manchester.feasibility import broken
from testbed.experiments.manchester.heat_loss import least_heat
from testbed.experiments.manchester.model import Dispatch, Networks, System, Tank, total_cost
from testbed.experiments.proof import Judged, floats, refused, whole

DELTA: Final = 0.003
"""Largest distance from the bound that passes, in parts of the cost."""
_MAX_BYTES: Final = 4 << 20
_DEPTHS: Final = {"grid": 1, "grid_reactive": 1, "heat": 1, "cone": 3, "apparent": 3}
"""How deep the numbers of a part lie that is no table."""
_Part = TypeVar("_Part", Dispatch, Networks, Prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be solved; agreed on beforehand."""

    system: System
    tank: Tank
    heat: tuple[float, ...]
    """What the hubs together have to give at least, kW, with provable losses."""

    def hash(self) -> bytes:
        """What a header names it by."""
        return tagged_hash("gridlight-experiment/dispatch/1", repr((self.system, self.tank)).encode())


def problem_of(system: System, tank: Tank) -> Problem:
    """The problem, with the heat that is lost whatever is done."""
    return Problem(system=system, tank=tank, heat=least_heat(system))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A claimed solution, and the prices that prove how good it is."""

    dispatch: Dispatch
    networks: Networks
    prices: Prices

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return encode(tuple(_wire(part) for part in (self.dispatch, self.networks, self.prices)))


def judge(problem: Problem, answer: Answer) -> Judged:
    """Feasible, and close enough to the bound that its own prices prove."""
    system = problem.system
    breach = broken(system, problem.tank, answer.dispatch, answer.networks)
    if breach:
        return refused("PSO-11", breach)
    try:
        bound = lower_bound(system, problem.tank, problem.heat, answer.prices)
    except (BadPrices, ValueError, OverflowError) as bad:
        return refused("PSO-12", str(bad))
    cost = total_cost(system, answer.dispatch)
    verdict: Verdict = Accepted()
    if not cost - bound <= DELTA * cost:
        reason = f"the dispatch costs {cost:,.4f} $, its prices prove {bound:,.4f} $"
        verdict = Rejected(rule="PSO-13", reason=reason)
    return Judged(verdict=verdict, cost=cost, bound=bound)


def judge_bytes(problem: Problem, raw: bytes) -> Judged:
    """The same of bytes that somebody sent."""
    try:
        answer = answer_from_bytes(raw)
    except RuleViolation as unreadable:
        return refused("PSO-14", str(unreadable))
    return judge(problem, answer)


def answer_from_bytes(raw: bytes) -> Answer:
    """Read an answer back.

    Raises:
        RuleViolation: the bytes are no answer.
    """
    wire = decode(raw, max_bytes=_MAX_BYTES)
    if type(wire) is not tuple or len(wire) != 3:
        raise RuleViolation("PSO-14", "parts of an answer", got=type(wire), expected="three")
    try:
        prices = _read(Prices, wire[2])
        cone = tuple(tuple(Cone(*item) for item in row) for row in prices.cone)
        apparent = tuple(tuple(Slope(*item) for item in row) for row in prices.apparent)
        values = {field.name: getattr(prices, field.name) for field in fields(Prices)}
        return Answer(
            dispatch=_read(Dispatch, wire[0]),
            networks=_read(Networks, wire[1]),
            prices=Prices(**{**values, "cone": cone, "apparent": apparent}),
        )
    except (TypeError, ValueError, OverflowError) as wrong:
        raise RuleViolation("PSO-14", "shape of an answer", got=str(wrong), expected="tables") from None


def _wire(part: Dispatch | Networks | Prices) -> tuple[Any, ...]:
    return tuple(whole(getattr(part, field.name)) for field in fields(part))


def _read(kind: type[_Part], wire: Any) -> _Part:
    names = [field.name for field in fields(kind)]
    values = dict(zip(names, wire, strict=True))
    return kind(**{name: floats(value, _DEPTHS.get(name, 2)) for name, value in values.items()})
