"""The model of a disk: what was synced stays, what was not may end in any way, and names are a matter of their own."""

from random import Random

from testbed.powercut.log import Create, Rename, Sync, SyncFolder, Truncate, Unlink, Write
from testbed.powercut.states import KEPT, LOST, RUBBISH, SECTOR_BYTES, ZEROS, Contents, Disk


def _everything(disk: Disk, samples: int = 50) -> list[Contents]:
    chance = Random(1)
    return [disk.cut(names, pieces, chance) for names, pieces in disk.ways(chance, samples)]


def test_synced_bytes_under_a_synced_name_are_always_there() -> None:
    disk = Disk()
    for operation in (Create("a", 0), Write(0, 0, b"old"), Sync(0), SyncFolder()):
        disk.take(operation)
    assert _everything(disk) == [{"a": b"old"}]


def test_an_unsynced_name_may_be_missing_even_where_the_bytes_are_synced() -> None:
    disk = Disk()
    for operation in (Create("a", 0), Write(0, 0, b"old"), Sync(0)):
        disk.take(operation)
    assert {} in _everything(disk)
    assert {"a": b"old"} in _everything(disk)


def test_each_sector_of_each_unsynced_write_meets_a_fate_of_its_own() -> None:
    disk = Disk.holding({"a": b"."})
    disk.take(Write(0, SECTOR_BYTES - 2, b"aabb"))
    disk.take(Write(0, SECTOR_BYTES - 2, b"AABB"))
    assert len(disk.pieces) == 4
    ends = {contents["a"][SECTOR_BYTES - 2 :] for contents in _everything(disk)}
    assert {b"", b"aabb", b"AABB", b"AAbb", b"aaBB", b"AA", b"\0\0BB", b"\0\0bb"} <= ends
    assert all(contents["a"][:1] == b"." for contents in _everything(disk))


def test_pieces_may_turn_into_zeros_or_rubbish_but_harm_nothing_beside_them() -> None:
    disk = Disk.holding({"a": b"abcdef"})
    disk.take(Write(0, 2, b"XY"))
    assert disk.cut((), (ZEROS,), Random(0))["a"] == b"ab\0\0ef"
    rubbish = disk.cut((), (RUBBISH,), Random(0))["a"]
    assert (rubbish[:2], rubbish[4:]) == (b"ab", b"ef")
    assert rubbish[2:4] != b"XY"


def test_a_size_is_as_uncertain_as_bytes() -> None:
    disk = Disk.holding({"a": b"abcdef"})
    disk.take(Truncate(0, 2))
    assert {contents["a"] for contents in _everything(disk)} == {b"ab", b"abcdef"}
    disk.take(Sync(0))
    assert _everything(disk) == [{"a": b"ab"}]


def test_renames_and_deletions_happen_in_any_combination_until_the_folder_is_synced() -> None:
    disk = Disk.holding({"a": b"1", "b": b"2", "c": b"3"})
    disk.take(Rename("a", "b", 0))
    disk.take(Unlink("c"))
    found = _everything(disk)
    for contents in (
        {"a": b"1", "b": b"2", "c": b"3"},
        {"b": b"1", "c": b"3"},
        {"a": b"1", "b": b"2"},
        {"b": b"1"},
    ):
        assert contents in found
    disk.take(SyncFolder())
    assert _everything(disk) == [{"b": b"1"}]


def test_a_later_rename_may_be_there_without_the_earlier_one() -> None:
    disk = Disk.holding({"new": b"n", "now": b"p"})
    disk.take(Rename("now", "previous", 1))
    disk.take(Rename("new", "now", 0))
    assert disk.cut((LOST, KEPT), (), Random(0)) == {"now": b"n"}
    assert disk.cut((KEPT, LOST), (), Random(0)) == {"new": b"n", "previous": b"p"}


def test_many_pieces_are_sampled_and_the_telling_ways_are_among_them() -> None:
    disk = Disk.holding({"a": b""})
    disk.take(Write(0, 0, bytes(range(1, 11)) * SECTOR_BYTES))
    count = len(disk.pieces)
    assert count == 10
    ways = {pieces for _, pieces in disk.ways(Random(2), 20)}
    assert {(LOST,) * count, (KEPT,) * count, (LOST,) * (count - 1) + (KEPT,)} <= ways
    assert len(ways) > 20
