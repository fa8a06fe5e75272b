"""Updates as RAUC itself judges them: whole and signed by ours, or refused."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.image.boards import BEAGLEBONE, VIRT
from deploy.image.bundle import KEYRING, make_bundle, make_keys
from deploy.image.tools import ImageError, lacking

_EPOCH = 1_763_769_600


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of one maker of boards."""
    if missing := lacking(["rauc", "mksquashfs", "openssl"]):
        pytest.skip(f"not installed: {' '.join(missing)}")
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
def update(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An update for QEMU's board, with a root of random bytes."""
    folder = tmp_path_factory.mktemp("update")
    (folder / "slot.img").write_bytes(os.urandom(300_000))
    make_bundle(folder / "update.raucb", VIRT, folder / "slot.img", keys, folder, release="2.0", epoch=_EPOCH)
    return folder / "update.raucb"


def _judged(bundle: Path, keyring: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["rauc", "info", "--output-format=shell", f"--keyring={keyring}", bundle],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_update_says_for_which_board_it_is_and_which_release(update: Path, keys: Path) -> None:
    code, said = _judged(update, keys / KEYRING)
    assert code == 0, said
    assert f"RAUC_MF_COMPATIBLE='{VIRT.compatible}'" in said
    assert BEAGLEBONE.compatible not in said
    assert "RAUC_MF_VERSION='2.0'" in said, (
        "what the board's own script reads to tell whether it runs already"
    )


def test_an_update_signed_by_others_is_refused(update: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "others")
    code, said = _judged(update, tmp_path / "others" / KEYRING)
    assert code != 0
    assert "signature" in said


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(update: Path, keys: Path, tmp_path: Path, share: float) -> None:
    raw = update.read_bytes()
    cut = tmp_path / "cut.raucb"
    cut.write_bytes(raw[: int(len(raw) * share)])
    assert _judged(cut, keys / KEYRING)[0] != 0


def test_a_changed_manifest_is_refused(update: Path, keys: Path, tmp_path: Path) -> None:
    raw = update.read_bytes()
    place = raw.rindex(VIRT.compatible.encode("ascii"))
    forged = tmp_path / "forged.raucb"
    forged.write_bytes(raw[:place] + b"gridlight-viru" + raw[place + len(VIRT.compatible) :])
    assert _judged(forged, keys / KEYRING)[0] != 0


def test_keys_are_never_replaced(keys: Path) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    with pytest.raises(ImageError, match="never replaced"):
        make_keys(keys)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys.iterdir() if path.suffix == ".key")
