"""What may wait is held back in order, never past its time, and never overtaken."""

from hypothesis import given
from hypothesis import strategies as st

from light_client.session.actor import HOLD_MS, Write
from light_client.store.holding import Held


def _write(number: int, *, may_wait: bool) -> Write:
    return Write(table="t", key=number.to_bytes(4), value=b"", may_wait=may_wait)


def test_nothing_is_due_while_everything_may_wait() -> None:
    held = Held()
    assert held.due([], 0) == []
    assert held.due([_write(1, may_wait=True)], 10) == []
    assert held.due([], 10 + HOLD_MS - 1) == []
    assert held.due([], 10 + HOLD_MS) == [_write(1, may_wait=True)]
    assert held.due([], 10 + 2 * HOLD_MS) == []


def test_a_clock_that_was_set_back_holds_nothing_for_years() -> None:
    held = Held()
    held.due([_write(1, may_wait=True)], 1_000_000)
    assert held.due([], 999_999) == [_write(1, may_wait=True)]


def test_a_crowd_does_not_wait() -> None:
    held = Held()
    assert held.due([_write(number, may_wait=True) for number in range(1_024)], 0) == []
    assert len(held.due([_write(9_999, may_wait=True)], 0)) == 1_025
    assert held.rest() == []


@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=30))
def test_all_come_out_once_in_order_and_no_urgent_one_stays(rounds: list[list[bool]]) -> None:
    held, put, out = Held(), list[Write](), list[Write]()
    for each in rounds:
        writes = [_write(len(put) + place, may_wait=may_wait) for place, may_wait in enumerate(each)]
        put += writes
        out += held.due(writes, 0)
        assert all(write.may_wait for write in put[len(out) :])
    assert out + held.rest() == put
