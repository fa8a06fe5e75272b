"""What QEMU is told: every machine whole, the loopback interface alone, and a missing QEMU in one sentence."""

from pathlib import Path

import pytest

from deploy.image import layout
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import MACHINES, Machine

_BOOT = {
    "u-boot": Path("u-boot.bin"),
    "kernel": Path("vmlinuz"),
    "initrd": Path("initrd"),
    "tree": Path("board.dtb"),
}
_ALL = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


@_ALL
def test_a_machine_gets_the_card_a_network_and_something_to_start(machine: Machine) -> None:
    words = machine.command(Path("/cards/one.img"), _BOOT, 28_480)
    assert words[0] == "qemu-system-arm"
    assert sum("file=/cards/one.img" in word for word in words) == 1
    assert not any("CARD" in word for word in words)
    assert any("hostfwd=tcp:127.0.0.1:28480-:8480" in word for word in words), (
        "and on the loopback interface alone"
    )
    assert ("-bios" in words) == machine.loader
    if not machine.loader:
        line = words[words.index("-append") + 1]
        assert f"root=PARTUUID={layout.ROOT_A.identity}" in line
        assert "rauc.slot=A" in line
        assert ("-dtb" in words) == bool(machine.tree)


@_ALL
def test_what_a_machine_cannot_do_is_said(machine: Machine) -> None:
    assert machine.cannot
    assert all(sentence == sentence.strip(".") for sentence in machine.cannot)


def test_only_u_boot_exercises_slots() -> None:
    assert [name for name, machine in MACHINES.items() if machine.loader] == ["virt"]


def test_who_has_no_power_button_is_said_to_have_none() -> None:
    for machine in MACHINES.values():
        assert machine.button != any("power itself off" in sentence for sentence in machine.cannot)


def test_a_meter_hangs_on_the_adapter_as_long_as_it_answers(tmp_path: Path) -> None:
    board = EmulatedBoard(
        MACHINES["virt"], tmp_path / "card", _BOOT, folder=tmp_path, page_port=28_480, meter_port=20_001
    )
    words = board.words
    assert "socket,id=meter,host=127.0.0.1,port=20001,reconnect=1" in words
    assert any(word.startswith("usb-serial,chardev=meter") for word in words)
    board.discard()


def test_a_missing_emulator_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    board = EmulatedBoard(MACHINES["virt"], tmp_path / "card", _BOOT, folder=tmp_path, page_port=28_480)
    with pytest.raises(BoardError, match="apt-get install qemu-system-arm"):
        board.switch_on()
    assert not board.is_on
    board.discard()
