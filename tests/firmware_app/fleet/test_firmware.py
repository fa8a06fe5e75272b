"""A bundle that brings a firmware: installed, started, kept if the board is well, and else gone back from by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.attachment import MOST_BYTES, Attachment, Use
from firmware_app.fleet.bundle import Bundle, Delta, bundle_from_bytes
from firmware_app.fleet.events import Confirm, Withdrawn
from firmware_app.fleet.key_set import KeySet, Role, key_set_from_bytes
from firmware_app.fleet.memory import Configuration, Memory, Phase, memory_from_bytes
from firmware_app.fleet.takeover import TRANSITIONS, Turn
from light_client.rules.crypto import HASH_BYTES
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from tests.firmware_app.fleet.two_slots import TwoSlots
from tests.firmware_app.fleet.world import (
    ANNA,
    BERT,
    CLEO,
    DORA,
    KEY_SET,
    ORDINARY,
    bundle,
    delta,
    example,
    signed,
    signers,
)

WITH_FIRMWARE = KeySet(roles=(*KEY_SET.roles, signers(2, CLEO, DORA)))
FLEET = WITH_FIRMWARE.fleet_id
NEW = Attachment(use=Use.FIRMWARE, root=bytes([7]) * HASH_BYTES, size=100_000)
ALL = (ANNA, CLEO, DORA)


def upgrade(version: int = 1, content: Delta = ORDINARY, **fields: Any) -> Bundle:
    """A bundle with a firmware."""
    return bundle(version, content, **({"fleet": FLEET, "attachments": (NEW,)} | fields))


def board(**fields: Any) -> TwoSlots:
    """One that believes in the firmware keys, and has fetched the firmware."""
    made = TwoSlots(firmware=NEW.root, **fields)
    made.disk = Memory(key_set=WITH_FIRMWARE, current=Configuration(document=example()))
    made.boot()
    made.here.add(NEW.root)
    return made


def lot_of(board: TwoSlots) -> int:
    """250 with the bundle, something else without."""
    return int(board.running["privacy"]["lot_wh"])


OLD_LOT = lot_of(board())


def test_a_firmware_is_installed_started_and_kept_with_its_configuration() -> None:
    meter = board()
    meter.offer(signed(upgrade(), ALL))
    assert (meter.booted, meter.disk.phase, meter.boots) == ("B", Phase.TRIAL, 3)
    assert "B" not in meter.good, "not before it has shown that it is well"
    meter.live(12)
    assert (meter.holds["B"], lot_of(meter), meter.is_settled) == (NEW.root, 250, True)
    assert meter.good >= {"B"}
    meter.boot()
    assert (meter.booted, lot_of(meter)) == ("B", 250)


def test_a_firmware_alone_needs_no_change() -> None:
    meter = board()
    meter.offer(signed(upgrade(content=Delta(changes=())), ALL))
    meter.live(12)
    assert (meter.booted, lot_of(meter), meter.disk.current.order) == ("B", OLD_LOT, (1, 1))
    with pytest.raises(RuleViolation, match="FLT-02"):
        bundle(1, Delta(changes=()))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"is_bad": True}, "not well within 60 s"),
        ({"is_dead": True}, "did not stay with the firmware"),
    ],
)
def test_what_does_not_get_well_or_does_not_start_is_gone_back_from(
    fault: dict[str, bool], reason: str
) -> None:
    meter = board(**fault)
    meter.offer(signed(upgrade(), ALL))
    meter.live(70)
    assert (meter.booted, lot_of(meter), meter.is_settled) == ("A", OLD_LOT, True)
    assert meter.disk.failure is not None
    assert reason in meter.disk.failure.reason
    meter.offer(signed(upgrade(), ALL))
    assert meter.is_settled, "it does not try again by itself"


def test_what_the_installer_refuses_changes_nothing() -> None:
    meter = board()
    meter.cannot_install = "signature verification failed"
    meter.offer(signed(upgrade(), ALL))
    assert (meter.booted, meter.boots, lot_of(meter), meter.is_settled) == ("A", 2, OLD_LOT, True)
    assert meter.disk.failure is not None
    assert meter.disk.failure.reason == "cannot be installed: signature verification failed"


def steps_of(**fault: bool) -> int:
    """How many things are done from the offer to the end."""
    meter = board(**fault)
    meter.steps = 0
    meter.offer(signed(upgrade(), ALL))
    meter.live(70)
    return meter.steps


@pytest.mark.parametrize("fault", [{}, {"is_bad": True}, {"is_dead": True}])
def test_whenever_the_power_goes_the_board_ends_with_one_or_the_other_whole(fault: dict[str, bool]) -> None:
    for step in range(1, steps_of(**fault) + 1):
        meter = board(**fault)
        meter.steps, meter.cut_at = 0, step
        meter.offer(signed(upgrade(), ALL))
        for _ in range(3):
            meter.live(70)
            meter.offer(signed(upgrade(), ALL))  # the retained message comes again with each connection
        assert meter.is_settled, step
        assert meter.steps > step
        is_new = not fault
        assert (meter.booted == "B", lot_of(meter) == 250) == (is_new, is_new), (step, meter.notes)
        assert meter.booted in meter.good, "what runs is what the boot loader keeps"
        assert (meter.disk.failure is None) == is_new


class KeepsUnconfirmed(Agent):
    """Never tells the boot loader."""

    def _commit(self, *args: Any) -> None:
        super()._commit(*args)
        self._effects = [effect for effect in self._effects if not isinstance(effect, Confirm)]


def test_a_device_that_does_not_confirm_comes_apart_from_its_firmware() -> None:
    meter = board(kind=KeepsUnconfirmed)
    meter.offer(signed(upgrade(), ALL))
    meter.live(12)
    for _ in range(3):
        meter.boot()
    assert (meter.booted, lot_of(meter)) == ("A", 250), "the new configuration on the old system"


def test_a_board_that_restarts_again_and_again_while_it_installs_gives_up() -> None:
    meter = board()
    meter.steps, meter.cut_at = 0, 3
    for _ in range(5):
        meter.offer(signed(upgrade(), ALL))
        meter.cut_at = meter.steps + 3
    assert meter.disk.failure is not None or meter.disk.following is not None
    meter.cut_at = None
    meter.live(70)
    assert meter.is_settled


def test_it_is_waited_for_and_forgotten_when_it_is_taken_back() -> None:
    meter = board()
    meter.here.clear()
    meter.offer(signed(upgrade(), ALL))
    assert (meter.wanted, meter.is_settled, meter.booted) == ((NEW,), True, "A")
    meter.tell(Withdrawn())
    assert not meter.wanted
    meter.here.add(NEW.root)
    meter.live(120)
    assert (meter.booted, meter.disk.floor) == ("A", (0, 0))


def test_what_expires_while_it_is_fetched_is_fetched_no_further() -> None:
    meter = board()
    meter.here.clear()
    soon = upgrade()
    meter.offer(signed(replace(soon, expires_ms=soon.issued_ms + 20_000), ALL))
    assert meter.wanted == (NEW,)
    meter.live(65)
    assert not meter.wanted
    assert any("FLT-10" in note for note in meter.notes)


@pytest.mark.parametrize(
    ("secrets", "rule"),
    [((ANNA,), "FLT-23"), ((ANNA, CLEO), "FLT-23"), ((CLEO, DORA), "FLT-06"), (ALL, "")],
)
def test_firmware_needs_its_own_keys_besides(secrets: tuple[bytes, ...], rule: str) -> None:
    meter = board()
    meter.offer(signed(upgrade(), secrets))
    assert (not meter.is_settled) == (not rule)
    assert any(rule in note for note in meter.notes) == bool(rule) or not rule


def test_a_fleet_without_firmware_keys_has_no_firmware() -> None:
    meter = board()
    meter.disk = replace(meter.disk, key_set=KEY_SET)
    meter.boot()
    meter.offer(signed(upgrade(fleet=KEY_SET.fleet_id), ALL))
    assert meter.is_settled
    assert any("FLT-23" in note for note in meter.notes)


def test_a_board_with_one_system_refuses_firmware_and_takes_everything_else() -> None:
    meter = board()
    meter.booted = meter.next = ""
    meter.boot = lambda: None  # type: ignore[method-assign]
    meter._agent._slot = ""
    meter.offer(signed(upgrade(), ALL))
    assert meter.is_settled
    assert any("FLT-16" in note for note in meter.notes)
    meter.offer(signed(upgrade(attachments=())))
    meter.live(12)
    assert lot_of(meter) == 250


@pytest.mark.parametrize("use", list(Use))
@pytest.mark.parametrize("size", [0, -1])
def test_what_is_too_large_is_not_even_named(use: Use, size: int) -> None:
    most = MOST_BYTES[use]
    assert Attachment(use=use, root=bytes(32), size=most).size == most
    with pytest.raises(RuleViolation, match="FLT-22") if size == 0 else pytest.raises(RuleViolation):
        Attachment(use=use, root=bytes(32), size=size)
    with pytest.raises(RuleViolation, match="FLT-22"):
        Attachment(use=use, root=bytes(32), size=most + 1)


def test_forms_come_back_as_they_went() -> None:
    file = Attachment(use=Use.FILE, root=bytes([1]) * 32, size=5)
    made = upgrade(attachments=(file, NEW))
    assert bundle_from_bytes(made.encode()) == made
    assert key_set_from_bytes(WITH_FIRMWARE.encode()) == WITH_FIRMWARE
    assert len(WITH_FIRMWARE.signers(Role.FIRMWARE).keys) == 2
    meter = board()
    meter.cut_at = None
    meter.offer(signed(upgrade(), ALL))
    assert memory_from_bytes(meter.disk.encode()) == meter.disk
    plain = decode(bundle(1).encode(), max_bytes=4_096)
    assert isinstance(plain, tuple)
    assert len(plain) == 9, "a bundle without attachments is as it was before there were any"
    with pytest.raises(RuleViolation, match="FLT-02"):
        bundle_from_bytes(encode((*plain, ())))
    for twice in ((file, file), (NEW, replace(NEW, root=bytes(32)))):
        with pytest.raises(RuleViolation, match="FLT-02"):
            upgrade(attachments=twice)


def test_a_genesis_needs_the_grid_keys_since_it_is_named_in_market() -> None:
    file = Attachment(use=Use.FILE, root=bytes([1]) * 32, size=5)
    naming = delta(("market.genesis", f"attachment:{file.root.hex()}"))
    meter = board()
    meter.here.add(file.root)
    meter.offer(signed(upgrade(content=naming, attachments=(file,)), (ANNA,)))
    assert any("FLT-08" in note for note in meter.notes)
    meter.offer(signed(upgrade(content=naming, attachments=(file,)), (ANNA, BERT, CLEO)))
    assert meter.disk.floor == (1, 1)


def test_every_turn_of_a_firmware_is_in_the_table() -> None:
    used = {turn for _, turn in TRANSITIONS}
    assert used == set(Turn)
