"""MKT-11 to MKT-18: the paper's constraints (1)-(8), each met and each broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.feasibility import check_feasible
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Plan
from tests.light_client.rules.market.samples import BUY, SELL, Spec, key, plan, problem
from tests.oracles.pairwise import PairMarket, violations
from tests.oracles.translate import class_flows, class_market, params_of, problem_from
from tests.property.markets import markets


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A market, a plan, and the rule that the plan breaks, if any."""

    name: str
    sells: list[Spec]
    buys: list[Spec]
    flows: Mapping[ClassKey, Mapping[int, int]]
    rule: str | None = None
    external: Mapping[int, int] = field(default_factory=lambda: {1: 10, 2: 10, 3: 0})
    internal: Mapping[int, int] = field(default_factory=dict)
    first_interval: int = 0


S1, S2, S3 = (1, 5, 40, (0,)), (2, 5, 40, (0,)), (3, 5, 40, (0,))
B1, B2, B3 = (1, 5, 40, (0,)), (2, 5, 40, (0,)), (3, 5, 40, (0,))
KS1, KS2, KS3 = (key(SELL, feeder, 5, 0) for feeder in (1, 2, 3))
KB1, KB2, KB3 = (key(BUY, feeder, 5, 0) for feeder in (1, 2, 3))

CASES = [
    Case(name="nothing is traded", sells=[S1], buys=[B1], flows={}),
    Case(name="all of an offer", sells=[S1], buys=[B1], flows={KS1: {0: 40}, KB1: {0: 40}}),
    Case(
        name="a joule too much sold",
        sells=[S1],
        buys=[B1, B2],
        flows={KS1: {0: 41}, KB1: {0: 40}, KB2: {0: 1}},
        rule="MKT-12",
    ),
    Case(
        name="a joule too much bought",
        sells=[S1, S2],
        buys=[B1],
        flows={KS1: {0: 40}, KS2: {0: 1}, KB1: {0: 41}},
        rule="MKT-13",
    ),
    Case(
        name="energy is one sum over intervals: sellers",
        sells=[(1, 5, 9, (0, 1))],
        buys=[(1, 5, 40, (0, 1))],
        flows={key(SELL, 1, 5, 0, 1): {0: 5, 1: 5}, key(BUY, 1, 5, 0, 1): {0: 5, 1: 5}},
        rule="MKT-12",
    ),
    Case(
        name="energy is one sum over intervals: buyers",
        sells=[(1, 5, 40, (0, 1))],
        buys=[(1, 5, 9, (0, 1))],
        flows={key(SELL, 1, 5, 0, 1): {0: 5, 1: 5}, key(BUY, 1, 5, 0, 1): {0: 5, 1: 5}},
        rule="MKT-13",
    ),
    # published defect 1: a trade inside a feeder must cancel, not count twice
    Case(name="a trade inside a blocked feeder", sells=[S3], buys=[B3], flows={KS3: {0: 40}, KB3: {0: 40}}),
    Case(
        name="export at its limit beside local trade",
        sells=[S1],
        buys=[B1, B2],
        flows={KS1: {0: 40}, KB1: {0: 30}, KB2: {0: 10}},
    ),
    Case(
        name="local trade does not raise the export limit",
        sells=[S1],
        buys=[B1, B2],
        flows={KS1: {0: 40}, KB1: {0: 29}, KB2: {0: 11}},
        external={1: 10, 2: 20, 3: 0},
        rule="MKT-14",
    ),
    # published defects 2 and 3: feeders that only buy have a limit too
    Case(name="a pure importer at its limit", sells=[S1], buys=[B2], flows={KS1: {0: 10}, KB2: {0: 10}}),
    Case(
        name="a pure importer over its limit",
        sells=[S1],
        buys=[B2],
        flows={KS1: {0: 11}, KB2: {0: 11}},
        external={1: 20, 2: 10},
        rule="MKT-15",
    ),
    Case(name="a blocked importer", sells=[S1], buys=[B3], flows={KS1: {0: 1}, KB3: {0: 1}}, rule="MKT-15"),
    # published defect 4: a selling feeder that consumes more than it produces is in order
    Case(
        name="a net consumer that sells",
        sells=[(1, 5, 3, (0,)), S2],
        buys=[B1, B2],
        flows={KS1: {0: 3}, KS2: {0: 12}, KB1: {0: 13}, KB2: {0: 2}},
    ),
    Case(
        name="a net consumer over its import limit",
        sells=[(1, 5, 3, (0,)), S2],
        buys=[B1],
        flows={KS1: {0: 3}, KS2: {0: 11}, KB1: {0: 14}},
        external={1: 10, 2: 11, 3: 0},
        rule="MKT-15",
    ),
    Case(
        name="an exporter over its limit",
        sells=[S1],
        buys=[B2],
        flows={KS1: {0: 11}, KB2: {0: 11}},
        rule="MKT-14",
    ),
    Case(
        name="internal limits reached",
        sells=[S1],
        buys=[B1],
        flows={KS1: {0: 40}, KB1: {0: 40}},
        internal={1: 40},
    ),
    Case(
        name="too much bought inside",
        sells=[S1, S2],
        buys=[B2],
        flows={KS1: {0: 10}, KS2: {0: 1}, KB2: {0: 11}},
        internal={2: 10},
        rule="MKT-16",
    ),
    Case(
        name="no purchases allowed inside",
        sells=[S1],
        buys=[B2],
        flows={KS1: {0: 1}, KB2: {0: 1}},
        internal={2: 0},
        rule="MKT-16",
    ),
    Case(
        name="too much sold inside",
        sells=[S1],
        buys=[B1, B2],
        flows={KS1: {0: 11}, KB1: {0: 5}, KB2: {0: 6}},
        internal={1: 10},
        rule="MKT-17",
    ),
    Case(
        name="no sales allowed inside",
        sells=[S1],
        buys=[B2],
        flows={KS1: {0: 1}, KB2: {0: 1}},
        internal={1: 0},
        rule="MKT-17",
    ),
    Case(name="sales without purchases", sells=[S1], buys=[B1], flows={KS1: {0: 1}}, rule="MKT-18"),
    Case(name="purchases without sales", sells=[S1], buys=[B1], flows={KB1: {0: 1}}, rule="MKT-18"),
    Case(
        name="a purchase below every sale",
        sells=[(1, 6, 40, (0,))],
        buys=[B1],
        flows={key(SELL, 1, 6, 0): {0: 1}, KB1: {0: 1}},
        rule="MKT-18",
    ),
    Case(
        name="a cheap purchase beyond the cheap sales",
        sells=[(1, 2, 5, (0,)), (1, 8, 40, (0,))],
        buys=[(1, 5, 40, (0,)), (1, 9, 40, (0,))],
        flows={key(SELL, 1, 2, 0): {0: 5}, key(SELL, 1, 8, 0): {0: 1}, key(BUY, 1, 5, 0): {0: 6}},
        rule="MKT-18",
    ),
    Case(
        name="the same with the dear sale to the dear buyer",
        sells=[(1, 2, 5, (0,)), (1, 8, 40, (0,))],
        buys=[(1, 5, 40, (0,)), (1, 9, 40, (0,))],
        flows={
            key(SELL, 1, 2, 0): {0: 5},
            key(SELL, 1, 8, 0): {0: 1},
            key(BUY, 1, 5, 0): {0: 5},
            key(BUY, 1, 9, 0): {0: 1},
        },
    ),
    Case(
        name="balanced over the day but not in each interval",
        sells=[(1, 5, 9, (0, 1))],
        buys=[(1, 5, 9, (0, 1))],
        flows={key(SELL, 1, 5, 0, 1): {0: 4, 1: 5}, key(BUY, 1, 5, 0, 1): {0: 5, 1: 4}},
        rule="MKT-18",
    ),
    Case(name="another first interval", sells=[S1], buys=[B1], flows={}, first_interval=1, rule="MKT-11"),
    Case(
        name="a class of another price",
        sells=[S1],
        buys=[B1],
        flows={key(SELL, 1, 4, 0): {0: 1}, KB1: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="a class of another feeder",
        sells=[S1],
        buys=[B1],
        flows={KS1: {0: 1}, KB2: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="a class of the other side",
        sells=[S1],
        buys=[B2],
        flows={KS1: {0: 1}, KB1: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="a class of other intervals",
        sells=[S1],
        buys=[B1],
        flows={key(SELL, 1, 5, 0, 1): {0: 1}, KB1: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="an interval after the class",
        sells=[S1],
        buys=[B1],
        flows={KS1: {1: 1}, KB1: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="an interval before the class",
        sells=[(1, 5, 9, (1, 2)), S1],
        buys=[B1],
        flows={key(SELL, 1, 5, 1, 2): {0: 1}, KB1: {0: 1}},
        rule="MKT-11",
    ),
    Case(
        name="an interval in a gap of the class",
        sells=[(1, 5, 9, (0, 2))],
        buys=[(1, 5, 9, (1, 2))],
        flows={key(SELL, 1, 5, 0, 2): {0: 1, 1: 1}, key(BUY, 1, 5, 1, 2): {1: 1}},
        rule="MKT-11",
    ),
    Case(
        name="both ends of a class with a gap",
        sells=[(1, 5, 9, (0, 2))],
        buys=[(1, 5, 9, (0, 1, 2))],
        flows={key(SELL, 1, 5, 0, 2): {0: 1, 2: 1}, key(BUY, 1, 5, 0, 1, 2): {0: 1, 2: 1}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_constraint_is_judged_by_its_own_rule(case: Case) -> None:
    subject = problem(case.sells, case.buys, external=case.external, internal=case.internal)
    stated = plan(case.flows, case.first_interval)
    if case.rule is None:
        check_feasible(subject, stated)
        assert violations(class_market(subject), *class_flows(subject, stated)) == []
        return
    with pytest.raises(RuleViolation) as caught:
        check_feasible(subject, stated)
    assert caught.value.rule == case.rule
    assert caught.value.got != caught.value.expected
    if case.first_interval == subject.first_interval:
        assert violations(class_market(subject), *class_flows(subject, stated)), "the oracle sees it too"


def test_every_rule_of_feasibility_has_a_case_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == {None, *(f"MKT-{number}" for number in range(11, 19))}


def test_the_sums_of_a_plan_are_handed_on() -> None:
    subject = problem([S1, (1, 4, 3, (0, 1))], [B1, B2], external={1: 10, 2: 10})
    stated = plan({KS1: {0: 9}, key(SELL, 1, 4, 0, 1): {0: 3}, KB1: {0: 4}, KB2: {0: 8}})
    totals = check_feasible(subject, stated)
    assert totals.sold == {0: {1: 12}}
    assert totals.bought == {0: {1: 4, 2: 8}}
    assert sorted(totals.book[0]) == [(4, 0, 3), (5, 0, 9), (5, 1, 4), (5, 1, 8)]


@given(markets(most_offers=3), st.data())
def test_any_plan_is_judged_as_the_oracle_judges_it(drawn: PairMarket, data: st.DataObject) -> None:
    subject = problem_from(drawn, params_of(drawn, uniform=False))
    flows = {}
    for cls, energy_j in subject.classes.items():
        inside = [t for first, last in cls.ranges for t in range(first, last + 1)]
        amounts = st.integers(1, energy_j + 1)
        flows[cls] = data.draw(st.dictionaries(st.sampled_from(inside), amounts, max_size=2))
    stated: Plan = plan({cls: entries for cls, entries in flows.items() if entries}, subject.first_interval)
    wrong = violations(class_market(subject), *class_flows(subject, stated))
    try:
        check_feasible(subject, stated)
        accepted = True
    except RuleViolation:
        accepted = False
    assert accepted == (not wrong), wrong
