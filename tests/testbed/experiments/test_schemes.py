"""Four ways to coordinate, each with its liar: what every one of them can and cannot notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.verdict import Accepted, Rejected
from testbed.experiments.work import Work
from testbed.experiments.wuzhong.certificate import answer_from_bytes, judge_bytes
from testbed.experiments.wuzhong.decomposition import (
    NoMajorityError,
    Prices,
    Private,
    Purchase,
    believed,
    rounds,
    truly,
)
from testbed.experiments.wuzhong.endings import STEPS, Endings, run_all
from testbed.experiments.wuzhong.model import Market
from testbed.experiments.wuzhong.receipts import Receipt, check
from testbed.experiments.wuzhong.schemes import (
    PROOF_SCENES,
    Chained,
    Lie,
    centralised,
    chain,
    decided,
    hierarchical,
    members_of,
    proven,
    receipts_of,
    secret_of,
    some,
)
from tests.testbed.experiments.test_wuzhong import a_community

MARKET = Market(
    communities=tuple(
        a_community(number, size=3 + number / 4, electricity=200.0 + 15 * number) for number in range(1, 5)
    ),
    heat_limits=(0.0, 0.0),
)
"""Tame enough for the decomposition to settle in some twenty rounds."""
CLEARED = centralised(MARKET).cleared
ANSWER = centralised(MARKET).answer()
LIE = Lie(victim=2, shown=0.4)
TOLD = Prices(600.0, 150.0)


@pytest.fixture(scope="module")
def ends() -> Endings:
    """All schemes on a small market."""
    told: list[str] = []
    found = run_all(MARKET, LIE, Work(told.append), seed=1)
    assert len(told) == STEPS
    return found


def test_honest_schemes_end_with_the_same_prices(ends: Endings) -> None:
    honest = [row for row in ends.rows if row.dishonest == "nobody"]
    assert [row.scheme for row in honest] == ["centralised", "hierarchical", "chain as coordinator"]
    for row in honest:
        assert row.ended.cleared.electricity_price == pytest.approx(CLEARED.electricity_price, abs=0.05)
        assert row.noticed == "-"
        assert row.kept == pytest.approx(0.0, abs=100.0), "what is paid is passed on"


def test_a_hierarchy_lies_where_its_operator_does_and_costs_what_a_centre_does(ends: Endings) -> None:
    central, layered = ends.rows[1], ends.rows[3]
    assert layered.scheme == "hierarchical"
    assert layered.costs == pytest.approx(central.costs, rel=1e-6)
    told = layered.ended.told
    assert told[LIE.victim] == pytest.approx(LIE.shown * layered.ended.cleared.electricity_price)
    assert len(set(told.values())) == 2


def test_who_checks_no_proof_is_deceived_unless_the_liars_are_outvoted(ends: Endings) -> None:
    deceived = {(row.scheme, row.dishonest): row.believed_lie for row in ends.rows if row.noticed != "-"}
    assert deceived == {
        ("centralised", "the operator"): True,
        ("hierarchical", "the operator of the victim's zone"): True,
        ("chain as coordinator", "the leader; others relay"): True,
        ("chain as coordinator", "1 of 5, each computes prices"): False,
        ("chain as coordinator", "3 of 5, together"): True,
        ("Proof of Solution", "the leader"): False,
        ("Proof of Solution", "3 of 5, together"): False,
        ("Proof of Solution, private data", "the leader"): False,
    }
    for row in ends.rows:
        if row.dishonest == "3 of 5, together" and row.believed_lie:
            assert "disagree" in row.noticed
        else:
            assert (row.noticed == "nobody") == row.believed_lie
        wasted = row.resources - ends.rows[0].resources
        assert (wasted > 100) == row.believed_lie, "a lie wastes resources, whoever pays"
        assert (abs(row.kept) > 100) == row.believed_lie, (
            "a seller is paid too little, a buyer pays too little"
        )


def test_the_table_has_a_line_for_each_run(ends: Endings) -> None:
    table = ends.table()
    assert len(table.rows) == len(ends.rows) == 11
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_delegates_that_believe_anything_end_with_the_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is what stops it: without its check the same scene ends otherwise."""
    lied = centralised(MARKET, LIE).answer()
    assert decided(proven(MARKET, ANSWER, lied, PROOF_SCENES[0], seed=1)) == answer_from_bytes(
        ANSWER.to_bytes()
    )
    judged = judge_bytes(MARKET, ANSWER.to_bytes())
    monkeypatch.setattr("testbed.experiments.wuzhong.schemes.judge_bytes", lambda *_: judged)
    fooled = decided(proven(MARKET, ANSWER, lied, PROOF_SCENES[0], seed=1))
    assert fooled == answer_from_bytes(lied.to_bytes())


def test_answers_travel_to_the_unit_and_nonsense_is_refused() -> None:
    again = answer_from_bytes(ANSWER.to_bytes())
    assert again.electricity_price == pytest.approx(ANSWER.electricity_price, abs=1e-12)
    assert again.to_bytes() == ANSWER.to_bytes()
    assert judge_bytes(MARKET, ANSWER.to_bytes()).verdict == Accepted()
    for raw in (b"", b"\x00", b"\x84\x80\x00\x80", b"\x84\x80\x00\x80\x81\x60"):
        verdict = judge_bytes(MARKET, raw).verdict
        assert isinstance(verdict, Rejected)
        assert verdict.rule in {"PSO-06", "PSO-01"}


# -- private data ------------------------------------------------------------------------------------------------------


def test_a_delegate_sees_purchases_and_nothing_else() -> None:
    """Whoever answers prices will do: the rounds know no devices."""

    class Stub(Private):
        def answer(self, told: Prices) -> Purchase:
            return Purchase(electricity=500.0 - told.electricity, heat=100.0 - told.heat)

    *_, last = rounds([Stub(MARKET.communities[0]), Stub(MARKET.communities[1])], (0.0, 0.0))
    assert last.electricity == pytest.approx(500.0, abs=0.5)
    assert last.heat == pytest.approx((100.0, 100.0), abs=0.5)


def test_a_community_believes_more_than_half_or_nobody() -> None:
    community = Private(MARKET.communities[1])
    assert community.number == LIE.victim
    assert believed(some(LIE, 2), community, TOLD) == TOLD
    assert believed(some(LIE, 3), community, TOLD) == Prices(240.0, 150.0)
    with pytest.raises(NoMajorityError):
        believed((truly, LIE.announce), community, TOLD)
    assert believed((truly, LIE.announce), Private(MARKET.communities[0]), TOLD) == TOLD, (
        "no lie for this one"
    )


@pytest.fixture(scope="module")
def chained() -> Chained:
    """Honest rounds."""
    return chain(MARKET)


def test_receipts_of_one_price_list_that_cancel_are_accepted(chained: Chained) -> None:
    assert check(receipts_of(MARKET, chained), members_of(MARKET), MARKET.heat_limits) == Accepted()


def changed(receipts: list[Receipt], **what: object) -> list[Receipt]:
    """The first one with something else in it, signed by its owner."""
    other = replace(receipts[0], **what)  # type: ignore[arg-type]
    return [other.signed(secret_of(MARKET.communities[0].number)), *receipts[1:]]


def test_receipts_are_refused_by_rule(chained: Chained) -> None:
    honest = receipts_of(MARKET, chained)
    first = honest[0]
    cases = {
        "PSO-21": [
            honest[1:],
            [*honest[:-1], honest[0]],
            [replace(first, electricity=0.0), *honest[1:]],
        ],
        "PSO-22": [changed(honest, electricity_price=first.electricity_price * 0.4)],
        "PSO-23": [changed(honest, electricity=first.electricity + 1.0)],
        "PSO-24": [changed(honest, heat=first.heat + 1.0)],
    }
    for rule, lists in cases.items():
        for receipts in lists:
            verdict = check(receipts, members_of(MARKET), MARKET.heat_limits)
            assert isinstance(verdict, Rejected)
            assert verdict.rule == rule


def test_hierarchical_operators_ask_for_totals_only() -> None:
    ended = hierarchical(MARKET)
    assert ended.asked > 2
    assert [*ended.told] == [community.number for community in MARKET.communities]
    assert ended.cleared.settings[0].inputs == pytest.approx(CLEARED.settings[0].inputs, rel=1e-6, abs=1e-6)
