"""Attacks on the verifier: solutions that exactly one rule refuses, so that a verifier without it would
believe them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import Solution
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from tests.light_client.rules.market.samples import BUY, SELL, certificate, key, plan, problem, proven
from tests.oracles.corruptions import put

Flows = Mapping[ClassKey, Mapping[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A problem and a solution on the wire."""

    problem: Problem
    wire: Any


def with_plan(subject: Problem, flows: Flows) -> Attack:
    """Another plan under the honest certificates."""
    forged = Solution(plan=plan(flows, subject.first_interval), certificates=proven(subject).certificates)
    return Attack(problem=subject, wire=forged.to_wire())


def with_rows(subject: Problem, change: Callable[[Any], Any]) -> Attack:
    """Honest, but with changed rows of the plan on the wire."""
    wire = proven(subject).to_wire()
    return Attack(problem=subject, wire=put(wire, 0, put(wire[0], 1, change(wire[0][1]))))


def nothing_proven_by(subject: Problem, forged: Any) -> Attack:
    """The empty plan, its energy proven by a forged certificate and its tie-break by one that is trivially right."""
    flat = certificate((0, 1), dict.fromkeys(subject.two_sided, ((0,), (0,))))
    first = forged.to_wire(subject.first_interval) if isinstance(forged, Certificate) else forged
    empty = Plan(first_interval=subject.first_interval, flows={}).to_wire()
    return Attack(problem=subject, wire=(empty, (first, flat.to_wire(subject.first_interval))))


PAIR = problem([(1, 1, 10, (0,))], [(2, 5, 10, (0,))], external={1: 20, 2: 20}, internal={2: 20})
"""One seller at 1, one buyer at 5, nothing in the way: 10 J."""
FREE = {0: ((0,), (0,))}


def another_start() -> Attack:
    """The buyer of interval 0 has no seller, so interval 1 looks like a fine place to begin."""
    subject = problem([(1, 5, 10, (1,))], [(1, 5, 10, (1,)), (1, 5, 10, (0,))], external={1: 0})
    honest = proven(subject)
    moved = Solution(plan=Plan(first_interval=1, flows=honest.plan.flows), certificates=honest.certificates)
    return Attack(problem=subject, wire=moved.to_wire())


def phantom_seller() -> Attack:
    return with_plan(
        problem([(1, 5, 10, (0,))], [(1, 5, 10, (0,))], external={1: 0}),
        {key(SELL, 1, 4, 0): {0: 10}, key(BUY, 1, 5, 0): {0: 10}},
    )


def outside_its_range() -> Attack:
    return with_plan(
        problem([(1, 5, 10, (1,))], [(1, 5, 10, (1,)), (1, 5, 10, (0,))], external={1: 0}),
        {key(SELL, 1, 5, 1): {1: 10}, key(BUY, 1, 5, 0): {1: 10}},
    )


def inside_a_gap() -> Attack:
    return with_plan(
        problem([(1, 5, 10, (1,))], [(1, 5, 10, (1,)), (1, 5, 10, (0, 2))], external={1: 0}),
        {key(SELL, 1, 5, 1): {1: 10}, key(BUY, 1, 5, 0, 2): {1: 10}},
    )


def oversold() -> Attack:
    return with_plan(
        problem([(1, 4, 5, (0,)), (1, 5, 10, (0,))], [(1, 5, 10, (0,))], external={1: 0}),
        {key(SELL, 1, 4, 0): {0: 10}, key(BUY, 1, 5, 0): {0: 10}},
    )


def overbought() -> Attack:
    return with_plan(
        problem([(1, 5, 10, (0,))], [(1, 6, 5, (0,)), (1, 5, 10, (0,))], external={1: 0}),
        {key(SELL, 1, 5, 0): {0: 10}, key(BUY, 1, 6, 0): {0: 10}},
    )


EXPORTERS = {1: 10, 2: 50, 3: 50}


def exporting_too_much() -> Attack:
    subject = problem([(1, 5, 20, (0,)), (2, 5, 20, (0,))], [(3, 5, 20, (0,))], external=EXPORTERS)
    return with_plan(subject, {key(SELL, 1, 5, 0): {0: 20}, key(BUY, 3, 5, 0): {0: 20}})


def exporting_behind_local_trade() -> Attack:
    subject = problem(
        [(1, 5, 30, (0,)), (2, 5, 20, (0,))], [(1, 5, 10, (0,)), (3, 5, 20, (0,))], external=EXPORTERS
    )
    flows = {key(SELL, 1, 5, 0): {0: 30}, key(BUY, 1, 5, 0): {0: 10}, key(BUY, 3, 5, 0): {0: 20}}
    return with_plan(subject, flows)


def importing_too_much() -> Attack:
    subject = problem(
        [(3, 5, 20, (0,)), (1, 9, 1, (0,))], [(1, 5, 20, (0,)), (2, 5, 20, (0,))], external=EXPORTERS
    )
    return with_plan(subject, {key(SELL, 3, 5, 0): {0: 20}, key(BUY, 1, 5, 0): {0: 20}})


def importing_where_it_also_sells() -> Attack:
    subject = problem(
        [(3, 5, 20, (0,)), (1, 5, 2, (0,))], [(1, 5, 22, (0,)), (2, 5, 22, (0,))], external=EXPORTERS
    )
    flows = {key(SELL, 1, 5, 0): {0: 2}, key(SELL, 3, 5, 0): {0: 20}, key(BUY, 1, 5, 0): {0: 22}}
    return with_plan(subject, flows)


def consuming_too_much() -> Attack:
    subject = problem(
        [(3, 5, 20, (0,))],
        [(1, 5, 20, (0,)), (2, 5, 20, (0,))],
        external={1: 50, 2: 50, 3: 50},
        internal={1: 10},
    )
    return with_plan(subject, {key(SELL, 3, 5, 0): {0: 20}, key(BUY, 1, 5, 0): {0: 20}})


def producing_too_much() -> Attack:
    subject = problem(
        [(1, 5, 20, (0,)), (2, 5, 20, (0,))],
        [(3, 5, 20, (0,))],
        external={1: 50, 2: 50, 3: 50},
        internal={1: 10},
    )
    return with_plan(subject, {key(SELL, 1, 5, 0): {0: 20}, key(BUY, 3, 5, 0): {0: 20}})


def underpaying() -> Attack:
    subject = problem(
        [(1, 5, 10, (0,)), (1, 9, 10, (0,))], [(1, 6, 20, (0,)), (1, 10, 10, (0,))], external={1: 0}
    )
    flows = {key(SELL, 1, 5, 0): {0: 10}, key(SELL, 1, 9, 0): {0: 10}, key(BUY, 1, 6, 0): {0: 20}}
    return with_plan(subject, flows)


def selling_to_nobody() -> Attack:
    return with_plan(PAIR, {key(SELL, 1, 1, 0): {0: 10}})


def one_entry_twice() -> Attack:
    return with_rows(PAIR, lambda rows: put(rows, 0, put(rows[0], 4, (0, 5, 0, 5))))


def an_entry_of_zero() -> Attack:
    subject = problem([(1, 5, 10, (0,)), (1, 4, 10, (0,))], [(1, 5, 10, (0,))], external={1: 0})
    honest = {key(SELL, 1, 4, 0): {0: 10}, key(SELL, 1, 5, 0): {0: 1}, key(BUY, 1, 5, 0): {0: 10}}
    wire = with_plan(subject, honest).wire
    rows = tuple(put(row, 4, (0, 0)) if row[2] == 5 and row[0] == SELL else row for row in wire[0][1])
    return Attack(problem=subject, wire=put(wire, 0, put(wire[0], 1, rows)))


def a_negative_entry() -> Attack:
    subject = problem([(1, 5, 20, (0,)), (1, 6, 10, (0,))], [(1, 6, 10, (0,))], external={1: 0})
    stated = {key(SELL, 1, 5, 0): {0: 20}, key(SELL, 1, 6, 0): {0: 1}, key(BUY, 1, 6, 0): {0: 10}}
    wire = with_plan(subject, stated).wire
    rows = tuple(put(row, 4, (0, -10)) if row[:3] == (SELL, 1, 6) else row for row in wire[0][1])
    return Attack(problem=subject, wire=put(wire, 0, put(wire[0], 1, rows)))


def one_row_twice() -> Attack:
    return with_rows(PAIR, lambda rows: (rows[0], *rows))


def a_scale_below_zero() -> Attack:
    return nothing_proven_by(PAIR, certificate((-1,), FREE))


def a_falling_schedule() -> Attack:
    return nothing_proven_by(PAIR, certificate((1,), {0: ((1, 5), (1, 0))}))


def a_schedule_of_uneven_length() -> Attack:
    return nothing_proven_by(PAIR, ((1,), ((0, (0, 2), (0,)),), (), (), ()))


def a_negative_multiplier() -> Attack:
    subject = problem([(1, 5, 5, (0,))], [(1, 5, 5, (0,))], external={1: 0}, internal={1: 10})
    return nothing_proven_by(subject, certificate((1,), {0: ((0,), (1,))}, production={0: {1: -1}}))


def no_schedule() -> Attack:
    return nothing_proven_by(PAIR, certificate((1,), {}))


def a_multiplier_of_nobody() -> Attack:
    return nothing_proven_by(PAIR, certificate((1,), FREE, net={0: {7: 1}}))


def a_multiplier_without_a_limit() -> Attack:
    return nothing_proven_by(PAIR, certificate((1,), FREE, production={0: {1: 1}}))


def minus_infinity_under_a_seller() -> Attack:
    return nothing_proven_by(PAIR, certificate((1,), {0: ((9,), (0,))}))


def minus_infinity_under_a_flexible_seller() -> Attack:
    subject = problem([(1, 1, 10, (0, 1))], [(1, 5, 10, (0, 1))], external={1: 0})
    return nothing_proven_by(subject, certificate((1,), dict.fromkeys((0, 1), ((9,), (0,)))))


def favouring_a_feeder() -> Attack:
    subject = problem(
        [(1, 5, 10, (0,))], [(1, 5, 10, (0,)), (2, 5, 10, (0,))], external={1: 20, 2: 20}, uniform=True
    )
    return with_plan(subject, {key(SELL, 1, 5, 0): {0: 10}, key(BUY, 1, 5, 0): {0: 10}})


LATE_OR_SOON = problem([(1, 5, 10, (0,)), (1, 5, 10, (0, 1))], [(1, 5, 10, (0,))], external={1: 0})
LAZY = {key(SELL, 1, 5, 0, 1): {0: 10}, key(BUY, 1, 5, 0): {0: 10}}


def no_second_certificate() -> Attack:
    wire = with_plan(LATE_OR_SOON, LAZY).wire
    return Attack(problem=LATE_OR_SOON, wire=put(wire, 1, wire[1][:1]))


def weights_of_another_objective() -> Attack:
    return nothing_proven_by(PAIR, certificate((0, 1), FREE))


def trading_nothing() -> Attack:
    return nothing_proven_by(PAIR, proven(PAIR).certificates[0])


def spending_storable_energy_first() -> Attack:
    return with_plan(LATE_OR_SOON, LAZY)
