"""Updates to play with: each is what it says, as RAUC and other programs see it. No emulator."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.image import layout
from deploy.image.boards import BEAGLEBONE, VIRT
from deploy.image.bundle import KEYRING, make_keys
from deploy.image.tools import lacking, run
from testbed.qemu.errors import BoardError
from testbed.updates import play
from testbed.updates.releases import Kind, Kit, slot_of, sticks
from testbed.updates.sticks import LABEL, make_stick

_NEEDED = ("rauc", "mksquashfs", "openssl", "mkfs.vfat", "mcopy", "mke2fs", "debugfs")
_MODULES = "usr/lib/modules/6.12.0-armmp/kernel/drivers/usb/serial"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A card with a small root in its slot."""
    if missing := lacking(_NEEDED):
        pytest.skip(f"not installed: {' '.join(missing)}")
    folder = tmp_path_factory.mktemp("kit")
    root, slot, card = folder / "root", folder / "slot.ext4", folder / "card.img"
    for name in (f"{_MODULES}/ftdi_sio.ko.xz", "usr/lib/systemd/systemd", "etc/gridlight-release"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="ascii")
    (root / "usr/bin").mkdir()
    (root / "usr/bin/program").write_bytes(os.urandom(100_000))
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, slot, "4M", epoch=1)
    with card.open("wb") as out:
        out.seek(layout.ROOT_A.offset)
        out.write(slot.read_bytes())
        out.truncate(layout.CARD_BYTES)
    make_keys(folder / "keys")
    made = folder / "made"
    made.mkdir()
    return Kit(card=card, keys=folder / "keys", folder=made, healthy_within_s=60)


@pytest.fixture(scope="module")
def made(kit: Kit) -> dict[Kind, Path]:
    """A stick of each kind."""
    return sticks(kit, list(Kind), lambda _: None)


def _judged(kit: Kit, kind: Kind) -> tuple[int, str]:
    words = ["rauc", "info", "--output-format=shell", f"--keyring={kit.keys / KEYRING}"]
    done = subprocess.run([*words, kit.folder / f"{kind}.raucb"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.DEAD, Kind.BLIND, Kind.OTHER_BOARD])
def test_these_are_rightly_signed(kit: Kit, made: dict[Kind, Path], kind: Kind) -> None:
    assert kind in made
    code, said = _judged(kit, kind)
    assert code == 0, said
    board = BEAGLEBONE if kind is Kind.OTHER_BOARD else VIRT
    assert f"RAUC_MF_COMPATIBLE='{board.compatible}'" in said
    assert f"RAUC_MF_VERSION='trial-{kind}'" in said


@pytest.mark.parametrize("kind", [Kind.FOREIGN, Kind.CUT_OFF])
def test_these_are_not(kit: Kit, made: dict[Kind, Path], kind: Kind) -> None:
    assert kind in made
    assert _judged(kit, kind)[0] != 0


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [(Kind.GOOD, ""), (Kind.DEAD, "/usr/lib/systemd/systemd"), (Kind.BLIND, f"/{_MODULES}/ftdi_sio.ko.xz")],
)
def test_a_release_lacks_what_makes_it_bad_and_nothing_else(
    kit: Kit, made: dict[Kind, Path], tmp_path: Path, kind: Kind, lacks: str
) -> None:
    assert kind in made
    run("unsquashfs", "-q", "-n", "-d", tmp_path / "out", kit.folder / f"{kind}.raucb", "root.img")
    root = tmp_path / "out/root.img"
    for name in (f"/{_MODULES}/ftdi_sio.ko.xz", "/usr/lib/systemd/systemd"):
        assert (run("debugfs", "-R", f"cat {name}", root) == name[1:]) == (name != lacks)
    assert "HEALTHY_WITHIN_S=60" in run("debugfs", "-R", "cat /etc/gridlight-release", root)


def test_a_stick_is_what_a_board_looks_for(kit: Kit, made: dict[Kind, Path], tmp_path: Path) -> None:
    stick = made[Kind.FOREIGN]
    assert LABEL in run("mlabel", "-s", "-i", stick, "::")
    run("mcopy", "-n", "-i", stick, "::gridlight/update.raucb", tmp_path / "found")
    assert (tmp_path / "found").read_bytes() == (kit.folder / f"{Kind.FOREIGN}.raucb").read_bytes()


def test_a_bundle_that_cannot_be_had_is_one_sentence(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.raucb"):
        make_stick(tmp_path / "stick", tmp_path / "none.raucb")
    (tmp_path / "card.img").write_bytes(bytes(layout.ROOT_A.offset + 4_096))
    with pytest.raises(BoardError, match="holds no ext4"):
        slot_of(tmp_path / "card.img", tmp_path / "slot")
    assert kit.card.exists()


def test_every_act_has_an_update_and_the_last_one_changes_the_slot() -> None:
    assert set(Kind) == {kind for _, kind in play.ACTS.values()}
    assert list(play.ACTS)[-1] == "good"
    assert play.wanted(["good", "power", "foreign"]) == ["foreign", "power", "good"]
