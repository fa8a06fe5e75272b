"""Hostile input: whatever comes off the wire is judged or refused by name, in bounded time, and crashes nothing."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import check_solution, solution_from_wire
from light_client.rules.market.problem import Problem
from light_client.rules.units import MAX_INTERVAL
from tests.light_client.rules.market.samples import FEW, problem, proven

PRICED = problem(
    [(1, 5, 40, (0,)), (2, 5, 40, (0, 2))],
    [(2, 6, 30, (0,)), (1, 7, 30, (0, 1, 2))],
    external={1: 10, 2: 20},
    internal={1: 30},
)
UNIFORM = problem(
    [(1, 5, 40, (0,)), (2, 5, 40, (0, 2))],
    [(2, 5, 30, (0,)), (1, 5, 30, (0, 1, 2))],
    external={1: 10, 2: 20},
    uniform=True,
)
SUBJECTS = {"priced": PRICED, "uniform": UNIFORM}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.integers(),
    st.sampled_from([1 << 62, (1 << 64) - 1, 1 << 5_000]),
    st.binary(max_size=3),
    st.text(max_size=3),
    st.floats(),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=6).map(tuple) | st.lists(inner, max_size=3)
)

SMALL = st.integers(-1, 7)
NUMBERS = st.lists(SMALL, max_size=4).map(tuple)
ROWS = st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from([5, 6, 7]), NUMBERS, NUMBERS)
PLANS = st.tuples(st.sampled_from([0, 0, 0, 1]), st.lists(ROWS, max_size=3).map(sorted).map(tuple))
SCHEDULES = st.lists(st.tuples(SMALL, NUMBERS, NUMBERS), max_size=3).map(sorted).map(tuple)
SPARSE = st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=2).map(sorted).map(tuple)
PROOFS = st.tuples(st.lists(SMALL, max_size=3).map(tuple), SCHEDULES, SPARSE, SPARSE, SPARSE)
NEARLY = st.tuples(PLANS, st.lists(PROOFS, max_size=3).map(tuple))


@pytest.mark.parametrize("name", SUBJECTS)
@given(wire=ANYTHING | NEARLY)
def test_junk_is_refused_by_name(name: str, wire: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        check_solution(SUBJECTS[name], solution_from_wire(wire))
    assert str(caught.value).startswith("MKT-")


@pytest.mark.parametrize("name", SUBJECTS)
@settings(max_examples=FEW)
@given(st.data())
def test_junk_inside_an_honest_solution_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    subject = SUBJECTS[name]
    honest = proven(subject).to_wire()
    rule, gaps = _judgement(subject, _spoilt(data, honest))
    assert rule.startswith("MKT-") if rule else gaps == (0, 0)


def _judgement(subject: Problem, wire: Any) -> tuple[str, tuple[int, ...]]:
    """The rule that refuses, or the proven gaps."""
    try:
        return "", check_solution(subject, solution_from_wire(wire)).gaps
    except RuleViolation as refusal:
        return str(refusal), ()


def _spoilt(data: st.DataObject, wire: Any) -> Any:
    if not isinstance(wire, tuple) or not wire or data.draw(st.integers(0, 5)) == 0:
        return data.draw(ANYTHING)
    index = data.draw(st.integers(0, len(wire) - 1))
    return (*wire[:index], _spoilt(data, wire[index]), *wire[index + 1 :])


LONG = 30_000
ATTACKS = {
    "a class that spans all of time": (0, ((0, 1, 5, (0, MAX_INTERVAL - 1), (0, 40)),)),
    "an entry at the end of time": (0, ((0, 1, 5, (0, 0), (MAX_INTERVAL - 1, 40)),)),
    "many ranges": (0, ((0, 1, 5, tuple(v for i in range(LONG) for v in (3 * i, 1)), (0, 40)),)),
    "many entries": (0, ((0, 1, 5, (0, LONG), tuple(v for i in range(LONG) for v in (i, 1))),)),
    "many classes": (0, tuple((0, 1, price, (0, 0), (0, 1)) for price in range(LONG))),
    "many feeders": (0, tuple((0, feeder, 5, (0, 0), (0, 1)) for feeder in range(LONG))),
    "energies that fill every bit": (0, tuple((0, feeder, 5, (0, 0), (0, 1 << 60)) for feeder in (1, 2))),
}


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_size_is_answered_in_linear_time(name: str, attack: str) -> None:
    """A loop over 2^31 intervals or a quadratic one over 30,000 entries would take minutes, not seconds."""
    subject = SUBJECTS[name]
    certificates = proven(subject).to_wire()[1]
    started = perf_counter()
    with pytest.raises(RuleViolation) as caught:
        check_solution(subject, solution_from_wire((ATTACKS[attack], certificates)))
    assert str(caught.value).startswith("MKT-")
    assert perf_counter() - started < 10


@pytest.mark.parametrize("part", range(1, 5))
def test_a_long_certificate_is_answered_in_linear_time(part: int) -> None:
    plan, (first, second) = proven(PRICED).to_wire()
    rows = tuple((5 + i, (5,), (0,)) if part == 1 else (5 + i // 2, 1 + i % 2, 1) for i in range(LONG))
    long = (*first[:part], (*first[part], *rows), *first[part + 1 :])
    started = perf_counter()
    rule, gaps = _judgement(PRICED, (plan, (long, second)))
    if part == 1:
        assert gaps == (0, 0), "schedules of other intervals prove nothing and cost nothing"
    else:
        assert rule.startswith(("MKT-24", "MKT-29"))
    assert perf_counter() - started < 10
