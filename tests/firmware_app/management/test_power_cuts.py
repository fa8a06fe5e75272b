"""Cut at any write, in any order of events: one whole configuration is run by, and the floor never falls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from firmware_app.fleet.memory import Phase
from firmware_app.management.in_force import check_in_force, memory_of
from tests.firmware_app.management.kit import enrolled
from tests.firmware_app.management.world import Cut, World, lot

# -- power cuts --------------------------------------------------------------------------------------------------------


def _scene(world: World) -> None:
    """One bundle is kept, one rolled back, one is on its way."""
    world.offer(lot(1, 250))
    world.settle()
    world.live(12)
    world.offer(lot(2, 500))
    world.settle()
    world.live(61, "ill")
    world.offer(lot(3, 1_000))


def _cuts(
    folder: Path, begin_again: Callable[[World], None], most: int = 200
) -> list[tuple[int, tuple[int, int]]]:
    """(lot, floor) after a cut before each system call of the scene."""
    found = []
    for cut in range(most):
        place = folder / str(cut)
        place.mkdir()
        world = World(place)
        world.files.left = cut
        try:
            _scene(world)
        except Cut:
            begin_again(world)
            found.append((world.lot_wh, world.steward.memory.floor))
        else:
            return found
    raise AssertionError("the scene has no end")


def test_power_cut_at_every_write_leaves_one_of_the_whole_configurations(tmp_path: Path) -> None:
    first = check_in_force(enrolled(_folder(tmp_path / "first"))).config.privacy.lot_wh
    outcomes = _cuts(tmp_path, World.begin)
    assert len(outcomes) > 30
    assert {lot_wh for lot_wh, _ in outcomes} <= {first, 250, 500, 1_000}
    floors = [floor for _, floor in outcomes]
    assert floors == sorted(floors), "whatever is cut, the floor only rises"
    assert {250, 500} <= {lot_wh for lot_wh, _ in outcomes}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


# -- anything in any order ---------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Offers, illness, restarts, power cuts and full disks in any order."""

    folders: Any = None

    @initialize()
    def start(self) -> None:
        self.world = World(next(self.folders))
        self.version = 0
        self.floor = (0, 0)
        self.lots = {self.world.lot_wh}

    @rule(lot_wh=st.sampled_from([250, 500, 1_000]), older=st.integers(0, 3))
    def offer(self, lot_wh: int, older: int) -> None:
        self.version += 1
        self.lots.add(lot_wh)
        self.world.offer(lot(max(1, self.version - older), lot_wh))

    @rule(problem=st.sampled_from(["", "", "", "it cannot be"]))
    def apply(self, problem: str) -> None:
        self.world.settle(problem)

    @rule(seconds=st.integers(1, 30), problem=st.sampled_from(["", "", "ill"]))
    def live(self, seconds: int, problem: str) -> None:
        self.world.live(seconds, problem)

    @rule()
    def restart(self) -> None:
        self.world.begin()

    @rule(cut=st.integers(0, 12), lot_wh=st.sampled_from([250, 500]))
    def cut(self, cut: int, lot_wh: int) -> None:
        self.world.files.left = cut
        try:
            self.offer(lot_wh, 0)
            self.world.settle()
            self.world.live(12)
        except Cut:
            pass
        self.world.begin()

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def one_whole_configuration_is_in_force_and_the_floor_never_falls(self) -> None:
        assert self.world.lot_wh in self.lots
        kept = memory_of(self.world.path)
        assert kept is not None
        assert kept.floor >= self.floor
        self.floor = kept.floor

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.begin()
            self.world.settle()
            self.world.live(120)
            assert self.world.steward.memory.phase is Phase.SETTLED


def test_whatever_happens_in_whatever_order(tmp_path: Path) -> None:
    def folders() -> Any:
        number = 0
        while True:
            number += 1
            yield _folder(tmp_path / str(number))

    Life.folders = folders()
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
