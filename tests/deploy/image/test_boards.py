"""What differs from board to board: complete, and without a word that was not replaced."""

import re
from pathlib import Path

import pytest

import deploy.image
from deploy.image import layout
from deploy.image.boards import BOARDS, Board

_ALL = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
_OVERLAY = Path(deploy.image.__file__).parent / "overlay"


@_ALL
def test_every_word_of_the_script_is_replaced(board: Board) -> None:
    script = board.boot_script()
    assert "@" not in script
    for slot, part in layout.SLOTS.items():
        assert f"setenv part {part.number}" in script
        assert part.identity in script
        assert f"setenv slot {slot}" in script
    assert all(f"console={console}" in script for console in board.consoles)


@_ALL
def test_the_attempt_is_counted_before_the_kernel_is_started(board: Board) -> None:
    script = board.boot_script()
    assert script.index("${devtype} write") < script.index("bootz"), "else a slot that hangs is never left"
    assert script.rstrip().endswith("reset"), "what does not start is tried again, and counted"


@_ALL
def test_a_device_tree_comes_from_the_slot_or_from_the_firmware(board: Board) -> None:
    assert bool(board.tree_file) == (
        f"/boot/{board.tree_file}" in board.boot_script() and board.tree_file != ""
    )


def test_updates_of_one_board_do_not_fit_another() -> None:
    assert len({board.compatible for board in BOARDS.values()}) == len(BOARDS)


def test_the_overlay_speaks_of_the_same_partitions() -> None:
    identities = {part.identity for part in layout.PARTITIONS}
    named = set()
    for path in _OVERLAY.rglob("*"):
        if path.is_file():
            named |= set(re.findall(r"67726964-\d\d", path.read_text(encoding="utf-8")))
    assert named <= identities
    assert {layout.BOOT.identity, layout.DATA.identity} <= named


def test_linux_writes_the_boot_state_where_the_boot_loader_reads_it() -> None:
    (line,) = (
        line
        for line in (_OVERLAY / "etc/fw_env.config").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    _, offset, size = line.split()
    assert int(offset, 16) == layout.STATE_SECTOR * layout.SECTOR
    assert int(size, 16) == layout.STATE_BYTES
