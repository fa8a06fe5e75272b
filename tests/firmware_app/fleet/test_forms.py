"""Documents, deltas and selectors: what is written is read back, and a delta makes the one of the other."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.fleet.change import applied, check_order, difference
from firmware_app.fleet.document import canonical, config_of, read_canonical, read_toml, toml_of
from firmware_app.fleet.plan import RolloutPlan, Wave, plan_from_wire, waves_of
from firmware_app.fleet.selector import (
    AllOf,
    AnyOf,
    DeviceFacts,
    Everyone,
    Labelled,
    Named,
    Not,
    OnBoard,
    OnFeeder,
    Selector,
    Since,
    release_of,
    selector_from_wire,
    selector_to_wire,
    selects,
)
from firmware_app.fleet.selector_text import SelectorError, selector_of, selector_text
from light_client.rules.errors import RuleViolation
from tests.firmware_app.fleet.world import FACTS, example

TEXT = st.text(max_size=12)
KEY = st.text('abc-_. é"\\', min_size=1, max_size=5)
VALUE = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.booleans(), TEXT, st.lists(st.integers(0, 9), max_size=3)
)
TREE: Any = st.recursive(
    st.dictionaries(KEY, VALUE, max_size=4),
    lambda inner: st.dictionaries(
        KEY, st.one_of(VALUE, inner, st.lists(inner, min_size=1, max_size=2)), max_size=3
    ),
    max_leaves=6,
)


def typed(value: object) -> object:
    """A value that is equal to another of the same types only: True is not 1."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    return [typed(part) for part in value] if isinstance(value, list) else (type(value), value)


@given(TREE)
@settings(max_examples=60, deadline=None)
def test_documents_come_back_from_their_bytes_and_from_toml(tree: dict[str, Any]) -> None:
    try:
        assert typed(read_canonical(canonical(tree))) == typed(tree)
    except RuleViolation as error:
        assert "deep" in str(error)
    assert typed(read_toml(toml_of(tree), "x")) == typed(tree)


@given(TREE, TREE)
@settings(max_examples=60, deadline=None)
def test_a_difference_makes_the_one_of_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = deepcopy(old)
    changes = difference(old, new)
    assert typed(applied(old, changes)) == typed(new)
    assert typed(old) == typed(before)
    assert bool(changes) is (typed(old) != typed(new))
    if changes:
        check_order(changes)


def test_entries_are_changed_by_their_names() -> None:
    old = example()
    new = deepcopy(old)
    new["market"]["server"][1]["endpoint"] = "tcp://192.0.2.99:7001"
    (change,) = difference(old, new)
    assert change.path == ("market", "server", "miner-1", "endpoint")
    config_of(applied(old, [change]))


LEAF: Any = st.one_of(
    st.just(Everyone()),
    st.sampled_from([Named(("meter-0101",)), Named(("a", "b")), OnBoard("beaglebone-black"), OnBoard("x")]),
    st.sampled_from([Labelled("site", "north"), Labelled("site", "south"), OnFeeder((7,)), OnFeeder((1, 8))]),
    st.sampled_from([Since((0, 4, 0)), Since((1, 0, 0)), Not(Since((0, 4, 0)))]),
)
SELECTOR: Any = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda parts: AllOf(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: AnyOf(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=4,
)
DEVICES = [
    FACTS,
    DeviceFacts(name="a", board="x", release=(1, 2, 3), feeder=1),
    DeviceFacts(name="b", board="beaglebone-black", release=(0, 1, 0), feeder=8, labels={"site": "south"}),
]


@given(SELECTOR)
@settings(max_examples=80, deadline=None)
def test_selectors_mean_the_same_on_the_wire_and_in_words(selector: Selector) -> None:
    try:
        assert selector_from_wire(selector_to_wire(selector)) == selector
    except RuleViolation as error:
        assert "deep" in str(error)
        return
    again = selector_of(selector_text(selector))
    assert [selects(again, device) for device in DEVICES] == [selects(selector, device) for device in DEVICES]


def test_words_bind_as_they_say() -> None:
    assert selector_of("feeder=7 or board=x and not id=a") == AnyOf(
        (OnFeeder((7,)), AllOf((OnBoard("x"), Not(Named(("a",))))))
    )
    assert selector_of("(feeder=8,7,7)") == OnFeeder((7, 8))
    assert release_of("0.4.1.dev0") == (0, 4, 1)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "feeder",
        "feeder=x",
        "feeder>=7",
        "(all",
        "all)",
        "all all",
        "label.=x",
        "firmware=1",
        "not",
        "id~a",
        "&",
    ],
)
def test_what_is_no_selector_is_refused(words: str) -> None:
    with pytest.raises(SelectorError, match="target"):
        selector_of(words)


def test_plans_are_read_back_and_reach_everybody() -> None:
    plan = RolloutPlan(waves=waves_of("1, 5%,25%,100%"))
    assert plan_from_wire(plan.to_wire()) == plan
    assert [wave.reaches(412) for wave in plan.waves] == [1, 21, 103, 412]
    for words in ("5%", "", "x,100%", "200%,100%", "0,100%", "1%%,100%"):
        with pytest.raises(RuleViolation, match="FLT-02"):
            RolloutPlan(waves=waves_of(words))
    with pytest.raises(RuleViolation):
        Wave(devices=1, permille=5)
