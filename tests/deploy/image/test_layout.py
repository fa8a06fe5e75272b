"""The card's table and boot state: read by other programs than ours, so checked by other programs than ours."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.image import layout

_WORDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789 ", min_size=1, max_size=12)


def test_partitions_follow_each_other_on_whole_mebibytes() -> None:
    end = layout.STATE_SECTOR * layout.SECTOR + layout.STATE_BYTES
    for part in layout.PARTITIONS:
        assert part.offset >= end, "nothing overlaps, the boot state neither"
        end = part.offset + part.size
    assert end == layout.CARD_BYTES
    assert layout.ROOT_A.size == layout.ROOT_B.size


def test_sfdisk_reads_the_table(tmp_path: Path) -> None:
    sfdisk = shutil.which("sfdisk") or shutil.which("sfdisk", path="/usr/sbin:/sbin")
    if sfdisk is None:
        pytest.skip("sfdisk (package fdisk) is not installed")
    card = tmp_path / "card.img"
    with card.open("wb") as out:
        out.write(layout.partition_table())
        out.truncate(layout.CARD_BYTES)
    said = subprocess.run([sfdisk, "--json", card], capture_output=True, text=True, check=True).stdout
    table = json.loads(said)["partitiontable"]
    assert table["id"] == f"{layout.DISK_ID:#010x}"
    assert [(each["start"], each["size"], int(each["type"], 16)) for each in table["partitions"]] == [
        (part.offset // layout.SECTOR, part.size // layout.SECTOR, part.kind) for part in layout.PARTITIONS
    ]
    assert [each.get("bootable", False) for each in table["partitions"]] == [True, False, False, False]


def test_a_fresh_card_starts_slot_a() -> None:
    assert layout.read_state(layout.state()) == dict(layout.FRESH_STATE)


@given(st.dictionaries(_WORDS, _WORDS, min_size=1, max_size=6))
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    assert layout.read_state(layout.state(values)) == values


@given(st.integers(0, layout.STATE_BYTES - 1), st.integers(1, 255))
def test_a_damaged_state_is_none(place: int, flip: int) -> None:
    sector = bytearray(layout.state())
    sector[place] ^= flip
    assert layout.read_state(bytes(sector)) is None


def test_a_state_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 508"):
        layout.state({"BOOT_ORDER": "A" * 600})
