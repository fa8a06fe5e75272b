"""The boot script under U-Boot itself, in QEMU, on a card without systems: every start fails, and is counted."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.image import card, layout
from deploy.image.boards import VIRT
from deploy.image.tools import lacking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.system,
    pytest.mark.skipif(
        not os.environ.get("GRIDLIGHT_BOARDS"),
        reason="many starts of U-Boot in QEMU: make test-boards runs them",
    ),
]

_LOADER = Path("/usr/lib/u-boot/qemu_arm/u-boot.bin")
_LIMIT_S = 240


@pytest.fixture
def blank_card(tmp_path: Path) -> Path:
    """A card as it is made, but for systems in its slots."""
    missing = lacking(["mkfs.vfat", "mcopy", "mkimage", "mke2fs"])
    if not _LOADER.exists():
        missing.append("u-boot-qemu")
    if shutil.which("qemu-system-arm") is None:
        missing.append("qemu-system-arm")
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    slot = tmp_path / "slot.img"
    slot.write_bytes(bytes(4_096))
    image = tmp_path / "card.img"
    card.make_card(image, replace(VIRT, trees=()), slot, Path("/"), tmp_path, 1_763_769_600)
    return image


def _states(image: Path, folder: Path) -> Iterator[dict[str, str] | None]:
    """Every boot state that the card has in turn, while U-Boot starts again and again."""
    words = [
        "qemu-system-arm",
        "-M",
        "virt",
        "-cpu",
        "cortex-a7",
        "-m",
        "512",
        "-display",
        "none",
        "-nodefaults",
    ]
    words += ["-no-user-config", "-bios", str(_LOADER), "-device", "virtio-blk-device,drive=card"]
    words += [
        "-drive",
        f"if=none,id=card,format=raw,file={image}",
        "-serial",
        f"file:{folder / 'console.log'}",
    ]
    emulator = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    seen: dict[str, str] | None = {}
    until_s = time.monotonic() + _LIMIT_S
    try:
        while time.monotonic() < until_s and emulator.poll() is None:
            with image.open("rb") as file:
                file.seek(layout.STATE_SECTOR * layout.SECTOR)
                now = layout.read_state(file.read(layout.STATE_BYTES))
            if now != seen:
                seen = now
                yield now
            time.sleep(0.1)
    finally:
        emulator.kill()
        emulator.wait(10)


def _set(image: Path, sector: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(layout.STATE_SECTOR * layout.SECTOR)
        file.write(sector)


def _left(state: dict[str, str] | None) -> tuple[int, int]:
    assert state is not None
    return int(state["BOOT_A_LEFT"]), int(state["BOOT_B_LEFT"])


def test_a_slot_that_fails_is_left_for_the_other_and_nobody_is_locked_out(
    blank_card: Path, tmp_path: Path
) -> None:
    _set(blank_card, layout.state({"BOOT_ORDER": "B A", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "2"}))
    states = _states(blank_card, tmp_path)
    got = [_left(next(states)) for _ in range(5)]
    assert got == [(1, 2), (1, 1), (1, 0), (0, 0), (3, 3)]
    states.close()  # type: ignore[attr-defined]


def test_a_damaged_state_is_taken_for_a_fresh_one(blank_card: Path, tmp_path: Path) -> None:
    _set(blank_card, b"\xa5" * layout.STATE_BYTES)
    states = _states(blank_card, tmp_path)
    assert next(states) is None
    assert _left(next(states)) == (2, 3), "slot A is started, with all attempts but this one"
    states.close()  # type: ignore[attr-defined]
