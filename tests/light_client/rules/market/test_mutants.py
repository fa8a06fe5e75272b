"""Every check of the verifier is necessary: without it something is accepted that the oracle proves wrong.

Each row of `MUTANTS` breaks one predicate and names the attack that then succeeds. MKT-27 has no row: what it refuses
breaks MKT-11 to MKT-18 as well, which a test of its own shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.problem import Problem
from tests.light_client.rules.market import attacks
from tests.light_client.rules.market.attacks import Attack
from tests.light_client.rules.market.mutants import REAL, broken
from tests.light_client.rules.market.samples import SELL, key, plan, problem, proven
from tests.oracles.fairness import water_level
from tests.oracles.pairwise import optimum, violations
from tests.oracles.translate import class_flows, class_market


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A verifier without one check, and the attack that it lets through."""

    rule: str
    module: str
    changes: tuple[tuple[str, str], ...]
    attack: Callable[[], Attack]
    wrong: str
    """What the oracle says: ``violation``, ``energy``, ``tie-break``, ``unfair``, ``spelling`` or ``crash``."""


def m(rule: str, module: str, attack: Callable[[], Attack], wrong: str, *changes: tuple[str, str]) -> Mutant:
    return Mutant(rule=rule, module=module, changes=changes, attack=attack, wrong=wrong)


MUTANTS = [
    m("MKT-10", "plan", attacks.one_entry_twice, "violation", ("offset <= previous", "offset < previous")),
    m("MKT-10", "plan", attacks.an_entry_of_zero, "violation", ("energy_j <= 0", "energy_j < 0")),
    m("MKT-10", "plan", attacks.a_negative_entry, "violation", ("energy_j <= 0", "energy_j == 0")),
    m("MKT-10", "plan", attacks.one_row_twice, "spelling", ("key <= previous", "key < previous")),
    m(
        "MKT-11",
        "feasibility",
        attacks.another_start,
        "spelling",
        ("plan.first_interval != problem.first_interval", "False"),
    ),
    m(
        "MKT-11",
        "feasibility",
        attacks.phantom_seller,
        "violation",
        ("key not in problem.classes", "False"),
        ("energy_of[key]", "energy_of.get(key, used)"),
    ),
    m("MKT-11", "feasibility", attacks.phantom_seller, "crash", ("key not in problem.classes", "False")),
    m(
        "MKT-11",
        "feasibility",
        attacks.outside_its_range,
        "violation",
        ("inside = first <= entries[0][0] and entries[-1][0] <= last", "inside = True"),
    ),
    m(
        "MKT-11",
        "feasibility",
        attacks.inside_a_gap,
        "violation",
        (
            "inside = all((any((first <= t <= last for first, last in ranges)) for t, _ in entries))",
            "inside = True",
        ),
    ),
    m(
        "MKT-12",
        "feasibility",
        attacks.oversold,
        "violation",
        ("sellers_sell_what_they_have(problem, plan)", "None"),
    ),
    m(
        "MKT-13",
        "feasibility",
        attacks.overbought,
        "violation",
        ("buyers_buy_what_they_asked(problem, plan)", "None"),
    ),
    m(
        "MKT-14",
        "feasibility",
        attacks.exporting_too_much,
        "violation",
        ("exports_are_within_limits(problem, totals)", "None"),
    ),
    m(
        "MKT-14",
        "feasibility",
        attacks.exporting_behind_local_trade,
        "violation",
        ("sold_j - bought.get(feeder, 0)", "sold_j - 2 * bought.get(feeder, 0)"),
    ),
    m(
        "MKT-15",
        "feasibility",
        attacks.importing_too_much,
        "violation",
        ("imports_are_within_limits(problem, totals)", "None"),
    ),
    m(
        "MKT-15",
        "feasibility",
        attacks.importing_too_much,
        "violation",
        ("if feeder not in sold:", "if False:"),
    ),
    m(
        "MKT-15",
        "feasibility",
        attacks.importing_where_it_also_sells,
        "violation",
        ("if -net_j >", "if net_j >"),
    ),
    m(
        "MKT-16",
        "feasibility",
        attacks.consuming_too_much,
        "violation",
        ("consumption_is_within_limits(problem, totals)", "None"),
    ),
    m(
        "MKT-17",
        "feasibility",
        attacks.producing_too_much,
        "violation",
        ("production_is_within_limits(problem, totals)", "None"),
    ),
    m("MKT-18", "feasibility", attacks.underpaying, "violation", ("if surplus < 0:", "if False:")),
    m("MKT-18", "feasibility", attacks.underpaying, "violation", ("entries.sort()", "pass")),
    m("MKT-18", "feasibility", attacks.selling_to_nobody, "violation", ("if surplus:", "if False:")),
    m("MKT-20", "certificate", attacks.a_scale_below_zero, "energy", ("weights[-1] < 1", "False")),
    m("MKT-21", "certificate", attacks.a_falling_schedule, "energy", ("if left > right:", "if False:")),
    m(
        "MKT-21",
        "certificate",
        attacks.a_schedule_of_uneven_length,
        "crash",
        ("len(prices) != len(values)", "False"),
    ),
    m("MKT-22", "certificate", attacks.a_negative_multiplier, "energy", ("if value < 0:", "if False:")),
    m(
        "MKT-23",
        "certificate",
        attacks.no_schedule,
        "crash",
        ("schedules_cover(problem, certificate)", "None"),
    ),
    m(
        "MKT-23",
        "certificate",
        attacks.no_schedule,
        "energy",
        ("schedules_cover(problem, certificate)", "None"),
        (
            "for t in problem.two_sided:\n        spot",
            "for t in problem.two_sided & certificate.schedules.keys():\n        spot",
        ),
    ),
    m(
        "MKT-24",
        "certificate",
        attacks.a_multiplier_of_nobody,
        "crash",
        ("if feeder not in ext_j:", "if False:"),
    ),
    m(
        "MKT-24",
        "certificate",
        attacks.a_multiplier_without_a_limit,
        "energy",
        ("int_j.get(feeder)", "int_j.get(feeder) or 0"),
    ),
    m(
        "MKT-25",
        "certificate",
        attacks.minus_infinity_under_a_seller,
        "energy",
        ("raise _below_schedule(t, price)", "continue"),
    ),
    m(
        "MKT-25",
        "certificate",
        attacks.minus_infinity_under_a_flexible_seller,
        "energy",
        ("raise _below_schedule(t, price)", "continue"),
    ),
    m(
        "MKT-26",
        "levelling",
        attacks.favouring_a_feeder,
        "unfair",
        ("if key.side == Side.BUY and key.single:", "if False:"),
    ),
    m(
        "MKT-28",
        "clearing",
        attacks.no_second_certificate,
        "crash",
        ("len(certificates) != len(problem.params.objectives)", "False"),
    ),
    m(
        "MKT-28",
        "clearing",
        attacks.weights_of_another_objective,
        "energy",
        ("len(weights) != position + 1", "False"),
    ),
    m(
        "MKT-29",
        "clearing",
        attacks.trading_nothing,
        "energy",
        ("if energy_gap > problem.params.max_gap_j:", "if False:"),
    ),
    m(
        "MKT-29",
        "clearing",
        attacks.spending_storable_energy_first,
        "tie-break",
        ("any(proven.gaps[1:])", "False"),
    ),
]


def findings(subject: Problem, judged: Any, wire: Any) -> set[str]:
    """What the oracle finds wrong with an accepted solution."""
    market = class_market(subject)
    sold, bought = class_flows(subject, judged.plan)
    best = optimum(market)
    found = set()
    if violations(market, sold, bought):
        found.add("violation")
    if sum(joules for _, _, joules in sold) != best.energy:
        found.add("energy")
    if (
        sum(q * (market.expiry_weight * market.sells[i].intervals[-1] + t) for i, t, q in sold)
        != best.expiry_cost
    ):
        found.add("tie-break")
    if subject.uniform and not _is_level(subject, sold, bought):
        found.add("unfair")
    stated = REAL.levelling.stated(subject, judged.plan)
    if replace(stated, first_interval=subject.first_interval).to_wire() != wire[0]:
        found.add("spelling")
    return found


def _is_level(subject: Problem, sold: list[tuple[int, int, int]], bought: list[tuple[int, int, int]]) -> bool:
    """Whether buyers of one interval have the levels of the oracle, within a joule."""
    market = class_market(subject)
    for t in {t for _, t, _ in bought}:
        entries, served = [], []
        for feeder, external in market.external.items():
            surplus = sum(q for i, u, q in sold if u == t and market.sells[i].feeder == feeder)
            taken = {i: q for i, u, q in bought if u == t and market.buys[i].feeder == feeder}
            flexible = sum(q for i, q in taken.items() if len(market.buys[i].intervals) > 1)
            demand = sum(b.energy for b in market.buys if b.feeder == feeder and b.intervals == (t,))
            surplus -= flexible
            internal = market.internal[feeder]
            high = min(demand, surplus + external, demand if internal is None else internal - flexible)
            entries.append((demand, max(0, surplus - external), high))
            served.append(sum(taken.values()) - flexible)
        exact = water_level(entries, sum(served))
        if any(abs(share - level) >= 1 for share, level in zip(served, exact, strict=True)):
            return False
    return True


def _name(mutant: Mutant) -> str:
    return f"{mutant.rule} {mutant.attack.__name__} {mutant.wrong}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=_name)
def test_without_this_check_something_wrong_is_accepted(mutant: Mutant) -> None:
    attack = mutant.attack()
    with pytest.raises(RuleViolation) as caught:
        REAL.accepts(attack.problem, attack.wire)
    assert caught.value.rule == mutant.rule
    verifier = broken(mutant.module, *mutant.changes)
    if mutant.wrong == "crash":
        with pytest.raises((KeyError, IndexError, ValueError)):
            verifier.accepts(attack.problem, attack.wire)
        return
    judged = verifier.accepts(attack.problem, attack.wire)
    assert mutant.wrong in findings(attack.problem, judged, attack.wire)


def test_every_rule_that_judges_a_solution_has_a_mutant() -> None:
    judging = {f"MKT-{number}" for number in range(10, 30)} - {"MKT-19", "MKT-27"}
    assert {mutant.rule for mutant in MUTANTS} == judging


def test_what_mkt_27_refuses_breaks_other_rules_as_well() -> None:
    """It names the fault where it is made; a verifier without it still accepts nothing wrong."""
    verifier = broken(
        "levelling",
        ("if entry.low > entry.high:", "if False:"),
        ("if not low_sum <= needed <= high_sum:", "if False:"),
    )
    subject = problem(
        [(1, 5, 60, (0,)), (2, 5, 30, (0,))],
        [(1, 5, 20, (0,)), (2, 5, 40, (0,))],
        external={1: 5, 2: 3},
        uniform=True,
    )
    honest = proven(subject)
    for sales in ({1: 60}, {1: 26, 2: 30}, {1: 60, 2: 30}, {1: 24}):
        flows = {key(SELL, feeder, 5, 0): {0: joules} for feeder, joules in sales.items()}
        wire = replace(honest, plan=plan(flows)).to_wire()
        with pytest.raises(RuleViolation, match="MKT-27"):
            REAL.accepts(subject, wire)
        with pytest.raises(RuleViolation, match=r"MKT-1[1-8]"):
            verifier.accepts(subject, wire)
