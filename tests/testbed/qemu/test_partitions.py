"""Files on cards: written with owner and mode, read back, taken away; a card without a file system is refused."""

from pathlib import Path

import pytest

from deploy.image import layout
from deploy.image.tools import run
from testbed.qemu import cards
from testbed.qemu.errors import BoardError
from testbed.qemu.partitions import File, place_of, put, repair, taken
from tests.testbed.qemu.card_kit import empty_card, need_tools


@pytest.fixture
def card(tmp_path: Path) -> Path:
    need_tools()
    return empty_card(tmp_path)


def test_what_is_put_is_there_with_owner_and_mode(card: Path, tmp_path: Path) -> None:
    put(
        card, layout.DATA, [File(path="/state/deep/secret", content=b"\0\xff" * 5_000, mode=0o600, owner=850)]
    )
    assert taken(card, layout.DATA, "/state/deep/secret") == b"\0\xff" * 5_000
    said = run("debugfs", "-R", "stat /state/deep/secret", place_of(card, layout.DATA))
    assert "Mode:  0600" in said
    assert "User:   850   Group:   850" in said
    assert taken(card, layout.ROOT_A, "/state/deep/secret") is None, "the other partition has not got it"
    out = cards.data_of(card, tmp_path)
    assert (out / "state/deep/secret").read_bytes() == b"\0\xff" * 5_000


def test_a_file_is_replaced_and_another_removed(card: Path) -> None:
    put(card, layout.DATA, [File(path="/a", content=b"old and long"), File(path="/b", content=b"gone")])
    put(card, layout.DATA, [File(path="/a", content=b"new")], remove=["/b", "/never/was/there"])
    assert taken(card, layout.DATA, "/a") == b"new"
    assert taken(card, layout.DATA, "/b") is None
    repair(card, layout.DATA)
    assert taken(card, layout.DATA, "/a") == b"new"


def test_a_journal_that_was_left_open_is_played_back(card: Path, tmp_path: Path) -> None:
    put(card, layout.DATA, [File(path="/kept", content=b"kept")])
    script = tmp_path / "script"
    (tmp_path / "block").write_bytes(b"\0" * 4_096)
    script.write_text(f"jo\njw -b 60000 {tmp_path}/block\njc\n", encoding="ascii")
    run("debugfs", "-w", "-f", script, place_of(card, layout.DATA))
    before = run("debugfs", "-R", "features", place_of(card, layout.DATA))
    assert "needs_recovery" in before
    repair(card, layout.DATA)
    assert "needs_recovery" not in run("debugfs", "-R", "features", place_of(card, layout.DATA))
    assert taken(card, layout.DATA, "/kept") == b"kept"


def test_what_cannot_be_written_is_told(card: Path) -> None:
    put(card, layout.DATA, [File(path="/file", content=b"in the way")])
    with pytest.raises(BoardError, match="cannot be written into partition 4"):
        put(card, layout.DATA, [File(path="/file/below", content=b"x")])


def test_a_partition_without_a_file_system_is_no_silent_success(card: Path) -> None:
    with pytest.raises(BoardError):
        put(card, layout.ROOT_B, [File(path="/a", content=b"x")])
    with pytest.raises(BoardError):
        repair(card, layout.ROOT_B)


def test_a_card_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="there is no card"):
        cards.card_of(tmp_path / "no.img", tmp_path, "virt", print)
