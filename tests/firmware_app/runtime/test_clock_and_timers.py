"""The faster clock is exact and the timers agree with a plain model."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.runtime.clock import Clock
from firmware_app.runtime.timers import Timers
from light_client.rules.errors import LocalError


def _clock(real_ns: Callable[[], int], speed: int) -> Clock:
    return Clock(start_real_ms=1_000, start_virtual_ms=50_000, speed=speed, real_ns=real_ns)


@given(st.integers(1, 100_000), st.integers(0, 10**15))
def test_virtual_time_is_real_time_multiplied_and_rounded_down(speed: int, elapsed_ns: int) -> None:
    clock = _clock(lambda: 1_000_000_000 + elapsed_ns, speed)
    exact_ns = 50_000 * 10**6 + elapsed_ns * speed
    assert clock.now_ms() * 10**6 <= exact_ns < (clock.now_ms() + 1) * 10**6


def test_sleeping_takes_a_speedth_of_the_time() -> None:
    clock = _clock(lambda: 1_000_000_000, 60)
    assert clock.now_ms() == 50_000
    assert clock.real_seconds_until(50_000 + 60_000) == pytest.approx(1.0)
    assert clock.real_seconds_until(1) == 0.0
    with pytest.raises(LocalError):
        _clock(lambda: 0, 0)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 2), st.sampled_from("ab"), st.just(0)),
        st.tuples(st.just("pop"), st.just(0), st.just(""), st.integers(0, 9)),
    ),
    max_size=60,
)


@given(_STEPS)
def test_timers_agree_with_a_list_that_is_searched_each_time(
    steps: list[tuple[str, int, str, int]],
) -> None:
    timers = Timers()
    model: list[tuple[tuple[int, str], int]] = []
    for what, number, name, at_ms in steps:
        key = (number, name)
        if what == "pop":
            due = [entry for entry in model if entry[1] <= at_ms]
            expected = min(due, key=lambda entry: entry[1], default=None)
            assert timers.pop_due(at_ms) == expected
            model = [entry for entry in model if entry != expected]
        else:
            model = [entry for entry in model if entry[0] != key]
            if what == "set":
                timers.set(key, at_ms)
                model.append((key, at_ms))
            else:
                timers.cancel(key)
        assert timers.next_at_ms() == min((entry[1] for entry in model), default=None)
