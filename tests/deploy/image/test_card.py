"""Cards with a small root in their slot: what other programs find on them, and that they are always the same."""

import os
import re
from pathlib import Path

import pytest

from deploy.image import card, layout
from deploy.image.boards import BOARDS, Board
from deploy.image.tools import ImageError, lacking, run
from tests.deploy.image.card_kit import (
    at,
    check_boot,
    check_script,
    check_systems,
    check_table,
    copied_by_bmap,
    said_by,
)

_EPOCH = 1_763_769_600
_NEEDED = ("mkfs.vfat", "mcopy", "mkimage", "mke2fs", "debugfs")
_ALL = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The image of a small root, and a folder that stands for the unpacked packages of boot loaders."""
    if missing := lacking(_NEEDED):
        pytest.skip(f"not installed: {' '.join(missing)}")
    folder = tmp_path_factory.mktemp("parts")
    root, slot, loaders = folder / "root", folder / "slot.img", folder / "loaders"
    (root / "boot").mkdir(parents=True)
    (root / "boot/vmlinuz").write_bytes(b"a kernel")
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, slot, "2M", epoch=_EPOCH)
    for board in BOARDS.values():
        names = [
            *board.loader.values(),
            *(f"usr/lib/linux-image-6.12.0-armmp/{name}" for name in board.trees),
        ]
        for name in names:
            (loaders / name).parent.mkdir(parents=True, exist_ok=True)
            (loaders / name).write_bytes(name.encode("ascii") * 100)
    return slot, loaders


def _card(board: Board, parts: tuple[Path, Path], folder: Path) -> Path:
    folder.mkdir()
    image = folder / "card.img"
    card.make_card(image, board, *parts, folder, _EPOCH)
    return image


@_ALL
def test_other_programs_find_what_a_board_needs(
    board: Board, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    image = _card(board, parts, tmp_path / "made")
    check_table(image)
    check_boot(image, board)
    check_script(image, board, tmp_path)
    check_systems(image)
    said = said_by("debugfs", "-R", "stats", at(image, layout.DATA))
    assert re.search(r"^Block size:\s+1024$", said, re.MULTILINE), "as a page of the program's files has"
    assert said_by("debugfs", "-R", "cat /boot/vmlinuz", at(image, layout.ROOT_A)) == "a kernel"
    with image.open("rb") as file:
        file.seek(layout.STATE_SECTOR * layout.SECTOR)
        assert layout.read_state(file.read(layout.STATE_BYTES)) == dict(layout.FRESH_STATE)
        file.seek(layout.ROOT_B.offset)
        assert not any(file.read(1 << 20)), "nothing is in the other slot"


def test_a_card_made_in_another_folder_is_the_same(parts: tuple[Path, Path], tmp_path: Path) -> None:
    board = BOARDS["beaglebone"]
    one, two = (_card(board, parts, tmp_path / name) for name in ("one", "two"))
    assert run("cmp", one, two) == ""


def test_bmaptool_writes_the_whole_card_and_skips_its_holes(parts: tuple[Path, Path], tmp_path: Path) -> None:
    if missing := lacking(["bmaptool"]):
        pytest.skip(f"not installed: {missing[0]}")
    image = _card(BOARDS["virt"], parts, tmp_path / "made")
    said_by("bmaptool", "create", "--output", tmp_path / "card.bmap", image)
    assert copied_by_bmap(image, tmp_path / "card.bmap", tmp_path / "written.img")
    assert (tmp_path / "written.img").stat().st_blocks * 512 < layout.CARD_BYTES // 4


def test_a_root_that_is_too_large_is_refused(parts: tuple[Path, Path], tmp_path: Path) -> None:
    large = tmp_path / "large.img"
    with large.open("wb") as out:
        os.truncate(out.fileno(), layout.ROOT_A.size + layout.MIB)
    with pytest.raises(ImageError, match="expected at most 640"):
        card.make_card(tmp_path / "card.img", BOARDS["virt"], large, parts[1], tmp_path, _EPOCH)
    assert not (tmp_path / "card.img").exists()
