"""Makes the file system of a slot: the shared root, what makes it one board's, and the release's time on every file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.boards import Board
from deploy.image.tools import run

SLOT_IDENTITY: Final = "67726964-6c69-4768-8400-000000000001"
HEALTHY_WITHIN_S: Final = 600
_ROOM_PERCENT: Final = 8
"""Free space of a slot's file system, which nobody writes: what its own tables take, and a little."""
_FEATURES: Final = "^metadata_csum_seed,^orphan_file,^has_journal"
_COMPATIBLE: Final = """\
[system]
compatible={compatible}
bootloader=uboot
bundle-formats=verity
data-directory=/data/rauc
mountprefix=/run/rauc

# A board may not know the time when it must judge an update: a certificate counts at the time of the signature.
[keyring]
path=/etc/rauc/keyring.pem
use-bundle-signing-time=true

[slot.rootfs.0]
device=/dev/disk/by-partuuid/{slot_a}
type=raw
bootname=A

[slot.rootfs.1]
device=/dev/disk/by-partuuid/{slot_b}
type=raw
bootname=B
"""


def slot_image(path: Path, root: Path, board: Board, keyring: Path, release: str, epoch: int) -> None:
    """Write the file system of a slot: the shared root, and what makes it this board's.

    Args:
        keyring: certificates whose owners may sign updates.
        release: name of this release.
        epoch: the time of everything in it, seconds UTC.

    Raises:
        ImageError: it cannot be made, or does not fit its slot.
    """
    with _particulars(root, board, keyring, release):
        _set_times(root, epoch)
        size = _size_mib(root)
        path.unlink(missing_ok=True)
        # By the root's own mke2fs: it takes its times from the epoch, which Debian 12's does not (change times). Both
        # folders are bound into it for this one process, so that it sees the root without what is bound there.
        program = (
            f"mount --bind {root} {root}/mnt && mount --bind {path.parent} {root}/media && exec chroot {root} "
            f"/sbin/mke2fs -q -F -t ext4 -m 0 -L gridlight -U {SLOT_IDENTITY} -O {_FEATURES} "
            f"-E hash_seed={SLOT_IDENTITY},lazy_itable_init=0,root_owner=0:0 -d /mnt /media/{path.name} {size}M"
        )
        run("unshare", "--mount", "--propagation", "private", "sh", "-c", program, epoch=epoch)


def release_file(board: str, release: str, *, healthy_within_s: int = HEALTHY_WITHIN_S) -> str:
    """What a release says of itself, in the form that shells read.

    Args:
        healthy_within_s: how long a start may take until the meter is read, before the board goes back.
    """
    return f"RELEASE={release}\nBOARD={board}\nHEALTHY_WITHIN_S={healthy_within_s}\n"


@contextmanager
def _particulars(root: Path, board: Board, keyring: Path, release: str) -> Iterator[None]:
    """Have in the shared root for a while what makes it this board's."""
    conf = _COMPATIBLE.format(
        compatible=board.compatible, slot_a=layout.ROOT_A.identity, slot_b=layout.ROOT_B.identity
    )
    files = {
        "etc/rauc/system.conf": conf,
        "etc/rauc/keyring.pem": keyring.read_text(encoding="ascii"),
        "etc/gridlight-release": release_file(board.name, release),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    try:
        yield
    finally:
        for name in files:
            (root / name).unlink()


def _paths(root: Path) -> Iterable[Path]:
    return sorted(root.rglob("*"))


def _set_times(root: Path, epoch: int) -> None:
    """Every file has the time of the release: that of a checkout, a package or a step tells of the build alone."""
    for path in (root, *_paths(root)):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _size_mib(root: Path) -> int:
    """Room for every file in whole blocks, for its inode, and a little more."""
    blocks, inodes = 0, 0
    for path in _paths(root):
        inodes += 1
        if not path.is_symlink():
            blocks += -(-path.lstat().st_size // 4_096) + path.is_dir()
    need = blocks * 4_096 + inodes * 512
    return -(-need * (100 + _ROOM_PERCENT) // 100 // layout.MIB) + 8
