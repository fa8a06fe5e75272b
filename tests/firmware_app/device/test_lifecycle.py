"""The lifecycle follows the facts along its table, and what is allowed is what its head says."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.device import lifecycle
from firmware_app.device.lifecycle import ALLOWED, NEXT_STATES, Facts, Lifecycle, May, State, state_of
from light_client.client.status import NEXT_STANDINGS, Standing
from light_client.rules.errors import LocalError

_ALL_FACTS = [
    Facts(clock_known=clock, standing=standing, why=f"it is {standing.value}", measured=measured)
    for clock, standing, measured in product((True, False), Standing, (True, False))
]


@pytest.mark.parametrize("facts", _ALL_FACTS, ids=str)
def test_nothing_is_posted_unless_clock_chain_and_meter_are_believed(facts: Facts) -> None:
    state, why = state_of(facts)
    believed = facts.clock_known and facts.standing is Standing.FOLLOWING and facts.measured
    assert (May.POST in ALLOWED[state]) == believed
    assert (state is State.TRADING) == believed
    assert bool(why) != believed, "whoever may not trade is told why"
    assert May.READ in ALLOWED[state]


def test_a_halt_outweighs_everything() -> None:
    for facts in _ALL_FACTS:
        if facts.standing is Standing.HALTED:
            assert state_of(facts) == (State.HALTED, facts.why)
    assert ALLOWED[State.HALTED] == {May.READ}


@st.composite
def _histories(draw: st.DrawFn) -> list[Facts]:
    """Facts as they may follow each other: the light client's standing goes by its own table."""
    standing, history = Standing.SYNCING, []
    for _ in range(draw(st.integers(1, 20))):
        standing = draw(st.sampled_from([standing, *NEXT_STANDINGS[standing]]))
        facts = Facts(
            clock_known=draw(st.booleans()), standing=standing, why="why", measured=draw(st.booleans())
        )
        history.append(facts)
    return history


@given(_histories())
def test_every_history_of_facts_is_followed_to_its_end(history: list[Facts]) -> None:
    life = Lifecycle(0)
    for now_ms, facts in enumerate(history, start=1):
        before = life.state
        changed = life.turn(facts, now_ms)
        assert changed == (life.state is not before)
        assert life.since_ms == now_ms or not changed
        if before is not State.HALTED:
            assert life.state is state_of(facts)[0]
        elif facts.standing is not Standing.HALTED:
            assert life.state in {State.SYNCING, State.WAITING_FOR_CLOCK}, "out of a halt leads only syncing"


def test_what_the_table_does_not_allow_is_a_bug() -> None:
    life = Lifecycle(0)
    life.state = State.UNPROVISIONED
    with pytest.raises(LocalError, match="state of the device"):
        life.turn(_ALL_FACTS[0], 1)


def test_the_table_at_the_head_of_the_file_is_the_table_in_the_code() -> None:
    text = (lifecycle.__doc__ or "").splitlines()
    words = {May.READ: "read", May.DECIDE: "decide", May.POST: "post", May.SETTLE: "settle"}
    for state in State:
        (row,) = [line for line in text if re.match(rf"    {state.name}  +\S.*  read", line)]
        said = {word.strip() for word in row.split("  ")[-1].split(",")}
        assert said == {words[may] for may in ALLOWED[state]}
    assert set(NEXT_STATES) == set(State)
