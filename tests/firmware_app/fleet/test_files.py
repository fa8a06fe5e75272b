"""What the agent keeps on the disk, and what it is handed on a stick."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES
from firmware_app.fleet.folder import MAX_FILES, read_folder
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.store.files import Files
from light_client.store.errors import StoreDamagedError, StoreError
from tests.firmware_app.fleet.world import Driver, bundle, memory, next_key_set, signed


class FullDisk(Files):
    """Takes no byte more."""

    def write(self, descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")


def test_nothing_is_there_before_the_first_save(tmp_path: Path) -> None:
    file = MemoryFile(tmp_path / "memory")
    assert file.load() is None
    file.save(memory())
    assert file.load() == memory()


def test_a_disk_that_lost_the_newest_still_has_the_one_before(tmp_path: Path) -> None:
    driver, file = Driver(), MemoryFile(tmp_path / "memory")
    file.save(driver.disk)
    driver.offer(signed(bundle(1)))
    file.save(driver.disk)
    assert file.load() == driver.disk
    raw = bytearray((tmp_path / "memory").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "memory").write_bytes(raw)
    assert file.load() == memory()
    (tmp_path / "memory.previous").write_bytes(b"")
    with pytest.raises(StoreDamagedError):
        file.load()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    MemoryFile(tmp_path / "memory").save(memory())
    driver = Driver()
    driver.offer(signed(bundle(1)))
    with pytest.raises(StoreError):
        MemoryFile(tmp_path / "memory", FullDisk()).save(driver.disk)
    assert MemoryFile(tmp_path / "memory").load() == memory()


def test_a_stick_does_what_the_broker_does_whatever_else_lies_on_it(tmp_path: Path) -> None:
    _, key_set = next_key_set()
    (tmp_path / "a-bundle").write_bytes(signed(bundle(1, key_set=2)))
    (tmp_path / "b-keys").write_bytes(key_set)
    (tmp_path / "c-holiday.jpg").write_bytes(b"\xff\xd8" + bytes(2 * MAX_ENVELOPE_BYTES))
    (tmp_path / ".hidden").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    driver = Driver()
    found = read_folder(tmp_path)
    assert [each.name for each in found] == ["a-bundle", "b-keys", "c-holiday.jpg"]
    for each in found:
        driver.offer(each.raw)
    assert driver.running["privacy"]["lot_wh"] == 250
    assert driver.state["refused"] == {"FLT-01": 1}


def test_no_folder_is_no_error_and_a_full_one_is_not_read_to_its_end(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "nowhere") == ()
    for number in range(MAX_FILES + 5):
        (tmp_path / f"{number:02}").write_bytes(b"x")
    assert len(read_folder(tmp_path)) == MAX_FILES
