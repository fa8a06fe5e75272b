"""A fleet that does not fit is refused with a sentence, and what the sentence offers does fit."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.boards.housing import Mode
from testbed.boards.room import COSTS, Machine, refusal

SMALL = Machine(memory_mb=4_000, cores=2)


def _refusal(mode: Mode, boards: int, speed: int, machine: Machine = SMALL, *, emulated: int = 0) -> str:
    return refusal(mode, boards, interval_s=900, speed=speed, machine=machine, emulated=emulated)


def test_what_fits_is_not_refused() -> None:
    assert _refusal(Mode.CONTAINER, 8, 60) == ""
    assert _refusal(Mode.PROCESS, 20, 60) == ""
    assert _refusal(Mode.INPROCESS, 1_000, 600) == ""


def test_eight_containers_and_two_whole_computers_fit_on_two_cores() -> None:
    machine = Machine(memory_mb=8_000, cores=2)
    assert _refusal(Mode.CONTAINER, 8, 60, machine, emulated=2) == ""


def _fits(why: str) -> int:
    """The number of boards that a refusal offers."""
    found = re.search(r"([\d,]+) would fit", why)
    assert found is not None, why
    return int(found[1].replace(",", ""))


def test_whole_computers_take_their_share_from_the_others() -> None:
    assert _refusal(Mode.CONTAINER, 20, 60) == ""
    why = _refusal(Mode.CONTAINER, 20, 60, emulated=2)
    assert "beside 2 whole computers" in why
    fits = _fits(why)
    assert _refusal(Mode.CONTAINER, fits, 60, emulated=2) == ""
    assert _refusal(Mode.CONTAINER, fits + 1, 60, emulated=2) != ""


@pytest.mark.parametrize("mode", list(Mode))
def test_memory_is_named_and_what_would_fit(mode: Mode) -> None:
    why = _refusal(mode, 100_000, 1)
    fits = _fits(why)
    assert fits > 0
    assert _refusal(mode, fits, 1) == ""
    assert _refusal(mode, fits + 1, 1) != ""


@given(
    mode=st.sampled_from((Mode.PROCESS, Mode.CONTAINER, Mode.QEMU)),
    boards=st.integers(2, 300),
    speed=st.integers(1, 1_800),
    cores=st.integers(1, 64),
)
def test_the_number_and_the_speed_that_are_offered_fit(
    mode: Mode, boards: int, speed: int, cores: int
) -> None:
    machine = Machine(memory_mb=1_000_000, cores=cores)
    why = _refusal(mode, boards, speed, machine)
    if not why:
        return
    fits = _fits(why)
    assert fits < boards
    assert not fits or _refusal(mode, fits, speed, machine) == ""
    slower = re.search(r"--speed (\d+)", why)
    if slower is not None:
        assert int(slower[1]) < speed
        assert _refusal(mode, boards, int(slower[1]), machine) == ""


def test_every_mode_has_a_cost() -> None:
    assert set(COSTS) == set(Mode)


def test_this_machine_is_read() -> None:
    here = Machine.here()
    assert here.cores >= 1
    assert here.memory_mb > 64
