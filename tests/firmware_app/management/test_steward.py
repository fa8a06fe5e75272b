"""Agent, disk and device joined: cut at any write, one of two whole configurations is run by, and it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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

from firmware_app.config.load import ConfigError
from firmware_app.fleet.document import read_toml
from firmware_app.fleet.events import DidApply, Health, Offered, Started, Tick
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.verification import Clock
from firmware_app.management import steward as steward_module
from firmware_app.management.in_force import check_in_force, memory_file, memory_of, refreshed
from firmware_app.management.steward import RETRY_MS, board_name, enter, facts_of
from firmware_app.store.files import Files
from tests.firmware_app.fleet.world import NOW_MS, bundle, delta, signed
from tests.firmware_app.management.kit import enrolled

PLAN = RolloutPlan(window_ms=60_000, hold_ms=10_000)


class Cut(Exception):
    """The power is gone."""


class CutFiles(Files):
    """A disk whose power is cut before a given system call; what was not synced may be there or not."""

    def __init__(self) -> None:
        self.left: int | None = None

    def _step(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Cut
            self.left -= 1

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self._step()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self._step()
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


class World:
    """A device's folder, and the lives of the program on it."""

    def __init__(self, folder: Path) -> None:
        self.path = enrolled(folder)
        self.now_ms = 0
        self.files = CutFiles()
        self.begin()

    def begin(self) -> None:
        """The program starts."""
        self.files.left = None
        self.found, steward = enter(self.path, monotonic_ms=lambda: self.now_ms, board="test-board")
        assert steward is not None
        self.steward = steward
        steward._file = MemoryFile(self.found.folder / "fleet" / "memory", self.files)
        steward._clock = lambda: Clock(utc_ms=NOW_MS + self.now_ms)

    def offer(self, raw: bytes) -> None:
        self.now_ms += 1_000
        self.steward.take(Offered(raw=raw))

    def settle(self, problem: str = "") -> None:
        """The device runs by what is wanted; as `gridlight run` does, by beginning anew."""
        while self.steward.wanted is not None:
            self.steward.applied(problem)
            problem = ""

    def live(self, seconds: int, problem: str = "") -> None:
        for _ in range(seconds):
            self.now_ms += 1_000
            self.steward.take(Health(problem=problem))
            self.steward.take(Tick())
            self.settle()

    @property
    def lot_wh(self) -> int:
        """What tells the configurations apart: of the one that a start now would run by."""
        return check_in_force(self.path).config.privacy.lot_wh


def lot(version: int, lot_wh: int) -> bytes:
    """A bundle that sets it."""
    return signed(bundle(version, delta(("privacy.lot_wh", lot_wh)), plan=PLAN))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_bundle_is_applied_proven_and_found_again_after_a_restart(world: World) -> None:
    first = world.lot_wh
    world.offer(lot(1, 250))
    assert world.steward.wanted is not None
    assert world.lot_wh == 250, "a start now would run by the staged one"
    world.settle()
    assert world.steward.memory.phase is Phase.TRIAL
    world.live(15)
    assert (world.steward.memory.phase, world.lot_wh) == (Phase.SETTLED, 250)
    world.begin()
    assert (world.steward.memory.current.order, world.lot_wh, world.found.config.privacy.lot_wh) == (
        (1, 1),
        250,
        250,
    )
    assert first != 250


def test_one_that_cannot_be_applied_and_one_that_makes_ill_are_rolled_back(world: World) -> None:
    first = world.lot_wh
    world.offer(lot(1, 250))
    world.settle("no such thing")
    assert (world.steward.memory.phase, world.lot_wh) == (Phase.SETTLED, first)
    assert "no such thing" in world.steward.reported()["failed"]["reason"]
    world.offer(lot(2, 500))
    world.settle()
    world.live(70, "the meter is silent")
    assert (world.steward.memory.phase, world.lot_wh) == (Phase.SETTLED, first)
    assert "the meter is silent" in world.steward.reported()["failed"]["reason"]


def test_a_crash_loop_ends_with_the_old_configuration(world: World) -> None:
    first = world.lot_wh
    world.offer(lot(1, 250))
    for _ in range(4):
        world.begin()
    assert (world.steward.memory.phase, world.lot_wh, world.found.config.privacy.lot_wh) == (
        Phase.SETTLED,
        first,
        first,
    )
    assert "restarted" in world.steward.reported()["failed"]["reason"]


def test_a_trial_that_cannot_be_read_any_more_is_rolled_back_at_the_start(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text("no profile at all", encoding="utf-8")
    first = world.lot_wh
    (tmp_path / "genesis2.cbor").write_bytes((tmp_path / "genesis.cbor").read_bytes())
    change = delta(("market.genesis", "genesis2.cbor"), ("privacy.lot_wh", 250))
    from tests.firmware_app.fleet.world import ANNA, BERT, CLEO

    world.offer(signed(bundle(1, change, plan=PLAN), (ANNA, BERT, CLEO)))
    assert world.lot_wh == 250
    (tmp_path / "genesis2.cbor").unlink()
    world.begin()
    assert (world.steward.memory.phase, world.lot_wh) == (Phase.SETTLED, first)
    assert "genesis2.cbor" in world.steward.reported()["failed"]["reason"]


def test_what_only_this_board_can_tell_is_asked(world: World, tmp_path: Path) -> None:
    world.offer(signed(bundle(1, delta(("meter.house.port", "/dev/nowhere")), plan=PLAN)))
    assert world.steward.reported()["refused"] == {"FLT-16": 1}
    world.offer(signed(bundle(2, delta(("meter.house.profile", "no-such-meter")), plan=PLAN)))
    assert world.steward.reported()["refused"] == {"FLT-16": 2}
    (tmp_path / "port").touch()
    world.offer(signed(bundle(3, delta(("meter.house.port", str(tmp_path / "port"))), plan=PLAN)))
    assert world.steward.wanted is not None
    world.settle()
    world.offer(signed(bundle(4, delta(("meter.house.port", "tcp://192.0.2.7")), plan=PLAN)))
    world.live(15)
    assert world.steward.memory.current.order == (1, 3)


def test_a_port_that_was_missing_before_keeps_nobody_from_another_change(world: World) -> None:
    assert not Path("/dev/ttyUSB9").exists()
    world.offer(lot(1, 250))
    assert world.steward.wanted is not None


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


class ForgetfulFile(MemoryFile):
    """A broken one: it keeps memory in memory."""

    def save(self, memory: Memory) -> None:
        self.kept = memory


def test_a_steward_that_does_not_keep_loses_the_floor(world: World) -> None:
    world.steward._file = ForgetfulFile(world.found.folder / "fleet" / "memory")
    world.offer(lot(5, 250))
    world.settle()
    world.live(15)
    assert world.steward.memory.floor == (1, 5)
    world.begin()
    assert world.steward.memory.floor == (0, 0), "and an older bundle would be taken up"


def test_what_cannot_be_written_is_not_applied_and_is_tried_again(world: World) -> None:
    class Full(Files):
        def create(self, path: Path) -> int:
            raise OSError(28, "No space left on device")

    first = world.lot_wh
    good = world.steward._file
    world.steward._file = MemoryFile(world.found.folder / "fleet" / "memory", Full())
    world.offer(lot(1, 250))
    assert (world.steward.wanted, world.lot_wh) == (None, first)
    assert world.steward.memory.floor == (0, 0)
    world.steward._file = good
    world.offer(lot(1, 250))
    assert world.steward.wanted is None, "not before a minute has passed"
    world.now_ms += RETRY_MS
    world.offer(lot(1, 250))
    assert world.steward.wanted is not None


# -- which configuration is in force -----------------------------------------------------------------------------------


def test_the_file_counts_until_a_bundle_comes_and_then_only_for_what_is_the_device_s_own(
    world: World,
) -> None:
    text = world.path.read_text(encoding="utf-8")
    world.path.write_text(text + "[log]\nburst = 33\n", encoding="utf-8")
    assert check_in_force(world.path).config.log.burst == 33
    world.begin()
    world.offer(lot(1, 250))
    world.settle()
    world.live(15)
    edited = text.replace("[device]\n", "[device]\nlabels = ['site=north']\n") + "[log]\nburst = 44\n"
    world.path.write_text(edited, encoding="utf-8")
    config = check_in_force(world.path).config
    assert (config.log.burst, config.privacy.lot_wh, config.device.labels) == (33, 250, ("site=north",))
    world.begin()
    assert world.steward._agent._facts.labels == {"site": "north"}


def test_without_a_memory_the_file_is_all_there_is(tmp_path: Path) -> None:
    path = enrolled(tmp_path)
    (tmp_path / "data" / "fleet" / "memory").unlink()
    assert memory_of(path) is None
    found, steward = enter(path, monotonic_ms=lambda: 0)
    assert steward is None
    assert found.config.device.name == "meter-0101"


def test_a_memory_of_which_nothing_can_be_read_ends_the_program_with_the_next_step(tmp_path: Path) -> None:
    path = enrolled(tmp_path)
    (tmp_path / "data" / "fleet" / "memory").write_bytes(b"\0" * 100)
    with pytest.raises(ConfigError, match="enroll --ticket"):
        enter(path, monotonic_ms=lambda: 0)


def test_the_broker_of_a_ticket_stays_where_the_file_names_none(tmp_path: Path) -> None:
    path = enrolled(tmp_path)
    memory = memory_file(tmp_path / "data").load()
    assert memory is not None
    tree = read_toml(path.read_text(encoding="utf-8"), "device")
    tree.pop("fleet")
    assert refreshed(memory, tree).current.document["fleet"] == memory.current.document["fleet"]


def test_a_board_says_what_it_is(tmp_path: Path) -> None:
    model = tmp_path / "compatible"
    model.write_bytes(b"ti,am335x-bone-black\0ti,am335x-bone\0")
    assert board_name(model) == "ti,am335x-bone-black"
    assert board_name(tmp_path / "missing") == __import__("platform").machine()
    config = check_in_force(enrolled(_folder(tmp_path / "device"))).config
    facts = facts_of(config, "x")
    assert (facts.name, facts.board, facts.feeder) == ("meter-0101", "x", config.market.feeder)


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


def test_events_of_another_life_change_nothing(world: World) -> None:
    before = world.steward.memory
    for event in (DidApply(), Started(), Health(), Tick(), DidApply(problem="late")):
        world.steward.take(event)
    assert world.steward.memory == before
    assert steward_module.RETRY_MS == RETRY_MS
