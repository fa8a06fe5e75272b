"""Agent, disk and device joined: cut at any write, one of two whole configurations is run by, and it goes on."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from firmware_app.config.load import ConfigError
from firmware_app.fleet.document import read_toml
from firmware_app.fleet.events import DidApply, Health, Started, Tick
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.management import steward as steward_module
from firmware_app.management.in_force import check_in_force, memory_file, memory_of, refreshed
from firmware_app.management.steward import RETRY_MS, board_name, enter, facts_of
from firmware_app.store.files import Files
from tests.firmware_app.fleet.world import bundle, delta, signed
from tests.firmware_app.management.kit import enrolled
from tests.firmware_app.management.world import PLAN, World, lot


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
    assert board_name(tmp_path / "missing") == platform.machine()
    config = check_in_force(enrolled(tmp_path)).config
    facts = facts_of(config, "x")
    assert (facts.name, facts.board, facts.feeder) == ("meter-0101", "x", config.market.feeder)


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


def test_events_of_another_life_change_nothing(world: World) -> None:
    before = world.steward.memory
    for event in (DidApply(), Started(), Health(), Tick(), DidApply(problem="late")):
        world.steward.take(event)
    assert world.steward.memory == before
    assert steward_module.RETRY_MS == RETRY_MS


class LateFile(MemoryFile):
    """A broken one: it writes each memory when the next one comes, after the device was told to run by it."""

    late: Memory | None = None

    def save(self, memory: Memory) -> None:
        before, self.late = self.late, memory
        if before is not None:
            super().save(before)


def test_a_steward_that_applies_before_it_keeps_runs_by_what_no_start_would_find(world: World) -> None:
    first = world.lot_wh
    world.steward._file = LateFile(world.found.folder / "fleet" / "memory")
    world.offer(lot(1, 250))
    assert world.steward.wanted is not None
    assert world.steward.wanted["privacy"]["lot_wh"] == 250, "the device is told to run by it"
    assert world.lot_wh == first, "and after a power cut it would run by another, with its floor forgotten"
    world.begin()
    assert world.steward.memory.floor == (0, 0)
