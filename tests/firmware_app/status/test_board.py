"""The board as the kernel's files tell it; a file that is missing or strange is a reason, not an end."""

from pathlib import Path

import pytest

from firmware_app.status.board import board_view
from firmware_app.status.snapshot import Absent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a small board."""
    files = {
        "etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\n',
        "proc/self/status": "Name:\tgridlight\nVmRSS:\t   41200 kB\n",
        "proc/meminfo": "MemTotal: 500000 kB\nMemAvailable:  207031 kB\n",
        "proc/self/mounts": "sysfs /sys sysfs rw 0 0\n/dev/mmcblk0p2 / ext4 ro,relatime 0 0\n",
        "sys/class/thermal/thermal_zone0/temp": "48300\n",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_a_small_board(root: Path) -> None:
    board = board_view(root, root=root)
    assert board.title.startswith("Debian 13 ")
    assert (board.resident_bytes, board.memory_free_bytes) == (41_200 * 1_024, 207_031 * 1_024)
    assert (board.root_read_only, board.temperature_mc) == (True, 48_300)
    assert isinstance(board.disk_free_bytes, int)


def test_what_is_missing_or_strange_is_absent_with_a_reason(root: Path) -> None:
    (root / "sys/class/thermal/thermal_zone0/temp").unlink()
    (root / "proc/meminfo").write_text("MemAvailable:\n")
    (root / "proc/self/status").write_text("nonsense")
    (root / "proc/self/mounts").write_text("")
    (root / "etc/os-release").unlink()
    board = board_view(root / "none", root=root)
    assert board.temperature_mc == Absent("temp: no such file or directory")
    assert board.memory_free_bytes == Absent("meminfo does not tell")
    assert board.resident_bytes == Absent("status does not tell")
    assert board.root_read_only == Absent("no root among the mounts")
    assert isinstance(board.disk_free_bytes, Absent)
    assert board.title.startswith("Linux ")


def test_a_root_that_was_mounted_again_counts_as_it_is_now(root: Path) -> None:
    (root / "proc/self/mounts").write_text("/dev/a / ext4 ro 0 0\n/dev/a / ext4 rw,noatime 0 0\n")
    assert board_view(root, root=root).root_read_only is False
