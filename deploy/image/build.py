"""From a wheel to cards and updates: the steps in their order, each kept until something that it is made of changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.image import bundle, card, root, sbom
from deploy.image import slot as slots
from deploy.image.boards import VIRT, Board
from deploy.image.compare import digest_of
from deploy.image.secrecy import secrets_in
from deploy.image.tools import ImageError, lacking, run

_CHECKOUT: Final = Path(__file__).parents[2]
_PROGRAMS: Final = (
    "mmdebstrap", "mkfs.vfat", "mcopy", "mkimage", "mke2fs", "rauc", "mksquashfs", "openssl", "bmaptool", "depmod",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is built.

    Attributes:
        name: of the release, as bundles and boards say it.
        epoch: its time, seconds UTC: of every file on a card.
        wheel: of the program.
        keys: folder of the keys of updates, see `bundle.make_keys`.
    """

    name: str
    epoch: int
    wheel: Path
    keys: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build has made for one board; all in one folder."""

    board: Board
    card: Path
    bundle: Path
    bmap: Path
    sbom: Path
    digests: dict[str, str]
    """File name -> SHA-256."""


def why_not() -> str:
    """Why nothing can be built here, one sentence; empty if it can."""
    if os.geteuid() != 0:
        return "images are made as root: their files belong to root and to other users of the board"
    packages = lacking(_PROGRAMS)
    if packages:
        return f"missing here: apt-get install {' '.join(packages)} qemu-user-static binfmt-support arch-test"
    return ""


def source_epoch() -> int:
    """The time of the sources: SOURCE_DATE_EPOCH, or that of the newest commit, seconds UTC.

    Raises:
        ImageError: there is neither.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given or run("git", "-C", _CHECKOUT, "log", "-1", "--format=%ct").strip())


def make_wheel(folder: Path, epoch: int) -> Path:
    """Build the program's wheel; the same bytes for the same sources.

    Raises:
        ImageError: it cannot be built.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        raise ImageError(f"the wheel cannot be built: {done.stderr.strip()[-300:]}")
    return found[0]


def build(board: Board, release: Release, out: Path, cache: Path, say: Callable[[str], None]) -> Built:
    """Make a card, the update that brings the same, and what describes both.

    Args:
        out: where they go.
        cache: where steps are kept.
        say: told what is being done.

    Raises:
        ImageError: something is missing or fails.
    """
    before = os.umask(0o022)  # else modes on the card would be those of whoever builds
    try:
        return _build(board, release, out, cache, say)
    finally:
        os.umask(before)


def _build(board: Board, release: Release, out: Path, cache: Path, say: Callable[[str], None]) -> Built:
    out.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    work = cache / "work"
    work.mkdir(exist_ok=True)
    say("packages (the first time some minutes under emulation)")
    loaders = root.boot_files(cache)
    tree = root.tree(cache, release.wheel)
    if found := secrets_in(tree):
        raise ImageError(f"a card must hold no secret: {'; '.join(found[:5])}")
    say(f"slot for {board.title}")
    slot = work / f"slot-{board.name}.img"
    keyring = release.keys / bundle.KEYRING
    slots.slot_image(slot.resolve(), tree.resolve(), board, keyring, release.name, release.epoch)
    stem = f"gridlight-{board.name}-{release.name}"
    image, update = out / f"{stem}.img", out / f"{stem}.raucb"
    say("card")
    card.make_card(image, board, slot, loaders, work, release.epoch)
    if board is VIRT:
        shutil.copyfile(loaders / "usr/lib/u-boot/qemu_arm/u-boot.bin", image.with_suffix(".u-boot.bin"))
    say("update")
    bundle.make_bundle(update, board, slot, release.keys, work, release=release.name, epoch=release.epoch)
    bmap, bill = out / f"{stem}.bmap", out / f"{stem}.cdx.json"
    run("bmaptool", "create", "--output", bmap, image)
    materials = sbom.document(
        tree, loaders, release.wheel, board=board.name, release=release.name, epoch=release.epoch
    )
    bill.write_text(json.dumps(materials, indent=1) + "\n", encoding="utf-8")
    files = (image, update, bill)
    digests = {path.name: digest_of(path) for path in files}
    (out / f"{stem}.sha256").write_text(
        "".join(f"{digest}  {name}\n" for name, digest in digests.items()), encoding="ascii"
    )
    return Built(board=board, card=image, bundle=update, bmap=bmap, sbom=bill, digests=digests)
