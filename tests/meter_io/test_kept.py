"""A kept line: beside it nothing is touched, and no file is too large to be refused."""

from pathlib import Path

import pytest

from meter_io.errors import MeterError
from meter_io.kept import MAX_BYTES, KeptText


def kept(path: Path) -> KeptText:
    return KeptText(path, what="the text", hint="delete it")


@pytest.mark.parametrize("name", ["total", "total.new", "total.old", ".total"])
def test_a_file_is_replaced_whatever_its_name_is(name: str, tmp_path: Path) -> None:
    neighbour = tmp_path / "total.neighbour"
    neighbour.write_text("mine\n")
    path = tmp_path / name
    kept(path).save("first")
    inode = path.stat().st_ino
    kept(path).save("second")
    assert path.stat().st_ino != inode, "written in place: a power cut would leave half of it"
    assert kept(path).load() == "second"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([name, neighbour.name])


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MeterError, match="expected one whole line"):
        kept(path).load()


def test_the_longest_line_comes_back_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_text("7" * (MAX_BYTES - 1) + "\n")
    assert kept(path).load() == "7" * (MAX_BYTES - 1)
    path.write_text("7" * MAX_BYTES + "\n")
    with pytest.raises(MeterError, match="expected one whole line"):
        kept(path).load()


def test_the_line_end_of_any_editor_will_do_and_what_is_no_text_is_shown_in_hex(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"12\r\n")
    assert kept(path).load() == "12"
    path.write_bytes(b"\xff\xfe1\n")
    with pytest.raises(MeterError, match=r"holds ff fe 31 0a, expected one line of text"):
        kept(path).load()
