"""Whole cards, as `gridlight-image build` left them in GRIDLIGHT_IMAGES: judged by programs that are not ours."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.image import layout
from deploy.image.boards import BOARDS, Board
from deploy.image.sbom import paragraphs
from deploy.image.secrecy import secrets_in
from tests.deploy.image.card_kit import (
    at,
    check_boot,
    check_script,
    check_systems,
    check_table,
    copied_by_bmap,
    said_by,
)

_FOLDER = os.environ.get("GRIDLIGHT_IMAGES", "")
_CARDS = sorted(Path(_FOLDER).glob("gridlight-*.img")) if _FOLDER else []

pytestmark = [
    pytest.mark.slow,
    pytest.mark.system,
    pytest.mark.skipif(not _CARDS, reason="GRIDLIGHT_IMAGES names no folder of built cards"),
]


@pytest.fixture(params=_CARDS, ids=lambda path: path.stem)
def image(request: pytest.FixtureRequest) -> Path:
    """A card."""
    path: Path = request.param
    return path


@pytest.fixture
def board(image: Path) -> Board:
    """Whose it is."""
    return BOARDS[image.name.split("-")[1]]


@pytest.fixture
def root(image: Path, tmp_path: Path) -> Iterator[Path]:
    """The root in slot A, taken out."""
    if os.geteuid() != 0:
        pytest.skip("files of a root belong to root")
    out = tmp_path / "root"
    out.mkdir()
    said_by("debugfs", "-R", f"rdump / {out}", at(image, layout.ROOT_A))
    yield out
    said_by("rm", "-rf", out)


def test_the_card_is_whole(image: Path, board: Board, tmp_path: Path) -> None:
    check_table(image)
    check_boot(image, board)
    check_script(image, board, tmp_path)
    check_systems(image)
    listed = said_by("debugfs", "-R", "ls -p /boot", at(image, layout.ROOT_A))
    names = {line.split("/")[5] for line in listed.splitlines() if line.count("/") >= 6}
    assert {"vmlinuz", "initrd.img", *filter(None, [board.tree_file])} <= names


def test_files_beside_the_card_are_those_that_were_summed_up(image: Path) -> None:
    lines = image.with_suffix(".sha256").read_text(encoding="ascii").splitlines()
    told = {name: digest for digest, name in (line.split() for line in lines)}
    assert set(told) == {image.name, image.with_suffix(".raucb").name, image.with_suffix(".cdx.json").name}
    for name, digest in told.items():
        with (image.parent / name).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == digest, name


def test_bmaptool_writes_the_same_card(image: Path, tmp_path: Path) -> None:
    assert copied_by_bmap(image, image.with_suffix(".bmap"), tmp_path / "written.img")


def test_rauc_takes_the_update_for_this_board_alone(image: Path, board: Board, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.pem"
    keyring.write_text(said_by("debugfs", "-R", "cat /etc/rauc/keyring.pem", at(image, layout.ROOT_A)))
    words = ["info", "--output-format=shell", f"--keyring={keyring}"]
    said = said_by("rauc", *words, image.with_suffix(".raucb"))
    assert f"RAUC_MF_COMPATIBLE='{board.compatible}'" in said
    conf = said_by("debugfs", "-R", "cat /etc/rauc/system.conf", at(image, layout.ROOT_A))
    assert f"compatible={board.compatible}\n" in conf


def test_the_update_holds_the_root_that_is_on_the_card(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "update"
    said_by("unsquashfs", "-q", "-n", "-d", out, image.with_suffix(".raucb"), "root.img")
    size = (out / "root.img").stat().st_size
    with image.open("rb") as card, (out / "root.img").open("rb") as root:
        card.seek(layout.ROOT_A.offset)
        while size > 0:
            chunk = root.read(1 << 22)
            assert card.read(len(chunk)) == chunk
            size -= len(chunk)


def test_the_bill_names_every_package_and_every_wheel(image: Path, root: Path) -> None:
    bill = json.loads(image.with_suffix(".cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    named = {(one["name"], one["version"]) for one in bill["components"]}
    status = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    installed = {
        (each["Package"], each["Version"])
        for each in paragraphs(status)
        if each.get("Status", "").endswith(" installed")
    }
    assert len(installed) > 100
    assert installed <= named
    owned = {
        line
        for path in (root / "var/lib/dpkg/info").glob("*.list")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    wheels = {
        tuple(path.name.removesuffix(".dist-info").rsplit("-", 1))
        for path in (root / "usr/lib/python3/dist-packages").glob("*.dist-info")
        if f"/{path.relative_to(root)}" not in owned
    }
    assert {name for name, _ in wheels} == {"gridlight"}
    assert wheels <= named
    kernels = [path.name for path in (root / "usr/lib/modules").iterdir()]
    assert any(name == f"linux-image-{kernel}" for kernel in kernels for name, _ in named)
    loaders = {
        "raspberrypi": {"raspi-firmware", "u-boot-rpi"},
        "beaglebone": {"u-boot-omap"},
        "virt": {"u-boot-qemu"},
    }
    assert loaders[image.name.split("-")[1]] <= {name for name, _ in named}
    assert all(re.fullmatch(r"pkg:(deb/debian|pypi)/\S+", one["purl"]) for one in bill["components"])


def test_no_secret_is_in_the_root(root: Path) -> None:
    assert secrets_in(root) == []


def test_debian_s_compiled_files_are_taken(root: Path) -> None:
    """No compiled file of the standard library names the time of its source: on a card that time is another."""
    compiled = sorted((root / "usr/lib/python3.13").rglob("__pycache__/*.pyc"))
    assert len(compiled) > 100
    assert {path.read_bytes()[4] for path in compiled} == {1}


def test_every_time_is_that_of_the_release(image: Path, root: Path) -> None:
    times = {path.lstat().st_mtime for path in root.rglob("*") if not path.is_symlink()}
    assert len(times) == 1, "rdump keeps them"
    shown = subprocess.run(
        ["date", "-u", "-d", f"@{int(times.pop())}"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip()
