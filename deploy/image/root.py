"""Makes the root of a board out of Debian packages, the program's wheel and `overlay`; then the image of a slot.

Steps are kept in a cache under a hash of everything that goes into them: a step is done again when, and only when,
something of it has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.image import initramfs, layout
from deploy.image.boards import BOARDS, Board
from deploy.image.tools import ImageError, run

HERE: Final = Path(__file__).parent
RECIPE: Final = HERE.parent / "root"
UNITS: Final = HERE.parent / "systemd"
OVERLAY: Final = HERE / "overlay"
SLOT_IDENTITY: Final = "67726964-6c69-4768-8400-000000000001"
_MIRROR: Final = os.environ.get("MIRROR", "http://deb.debian.org/debian")
_ROOM_PERCENT: Final = 8
"""Free space of a slot's file system, which nobody writes: what its own tables take, and a little."""
_FEATURES: Final = "^metadata_csum_seed,^orphan_file,^has_journal"
_VOLATILE: Final = ("etc/machine-id", "etc/resolv.conf", "etc/hostname", "var/lib/dbus/machine-id")
_GENERATORS: Final = frozenset({"systemd-fstab-generator"})
"""Those that a card needs: each costs half a second of every start, and a card has one table of what is mounted."""
_FLEET: Final = ("gridlight-restart.path",)
"""What lets the device's program start the board from another slot."""
_UNWANTED: Final = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "dev-hugepages.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "getty.target",
    "modprobe@configfs.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-network-generator.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-utmp.service",
    "systemd-user-sessions.service",
)
"""What no meter needs: nobody logs in, nothing is upgraded piece by piece, and every start is quicker without."""
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


def listed(path: Path) -> list[str]:
    """Names of packages in a list with a reason after each."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def digest_of(*things: Path | str) -> str:
    """A short hash of files, folders and words: their names and contents, no times."""
    total = hashlib.sha256()
    for thing in things:
        if isinstance(thing, str):
            total.update(thing.encode("utf-8") + b"\0")
            continue
        files = sorted(path for path in thing.rglob("*") if path.is_file()) if thing.is_dir() else [thing]
        for path in files:
            if "__pycache__" not in path.parts:
                total.update(path.relative_to(thing).as_posix().encode("utf-8") + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def base_tar(cache: Path) -> Path:
    """Debian's packages of a card, as a tape archive; made once for each list of packages.

    Raises:
        ImageError: it cannot be made.
    """
    wanted = listed(HERE / "packages")
    path = cache / f"base-{digest_of(RECIPE / 'packages', RECIPE / 'make-base', *wanted)}.tar"
    if not path.exists():
        fresh = cache / f".fresh-{path.name}"
        run(RECIPE / "make-base", fresh, *wanted)
        fresh.replace(path)
    return path


def boot_files(cache: Path) -> Path:
    """Folder of the unpacked packages of kernel and boot loaders; nothing in it is run, so no emulation slows it down.

    Raises:
        ImageError: it cannot be made.
    """
    wanted = listed(HERE / "boot-packages")
    path = cache / f"loaders-{digest_of(*wanted)}"
    if not path.exists():
        fresh = cache / f".fresh-{path.name}.tar"
        source = f"deb {_MIRROR} trixie main non-free-firmware"
        run(
            "mmdebstrap",
            "--variant=extract",
            "--arch=armhf",
            f"--include={','.join(wanted)}",
            "trixie",
            fresh,
            source,
        )
        unpacked = cache / f".fresh-{path.name}"
        shutil.rmtree(unpacked, ignore_errors=True)
        _extract(fresh, unpacked)
        fresh.unlink()
        run("depmod", "--basedir", unpacked / "usr", kernel_release(unpacked))
        unpacked.rename(path)
    return path


def tree(cache: Path, wheel: Path) -> Path:
    """Folder of the root that all boards share, with program and kernel; made once for each wheel.

    Raises:
        ImageError: it cannot be made.
    """
    device, boot = device_tree(cache, wheel), boot_files(cache)
    made_of = (device.name, boot.name, OVERLAY, HERE / "initramfs.py", HERE / "root.py", HERE / "boards.py")
    path = cache / f"tree-{digest_of(*made_of)}"
    if not path.exists():
        fresh = cache / f".fresh-{path.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        run("cp", "--archive", "--reflink=auto", device, fresh)
        _lay_over(fresh)
        _prepare_boot(fresh, boot)
        _forget(fresh)
        fresh.rename(path)
    return path


def device_tree(cache: Path, wheel: Path) -> Path:
    """Folder of Debian's packages and the program, as a container has them too; under emulation, so kept apart.

    Raises:
        ImageError: it cannot be made.
    """
    base = base_tar(cache)
    path = cache / f"device-{digest_of(base.name, wheel, RECIPE, UNITS)}"
    if not path.exists():
        fresh = cache / f".fresh-{path.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        _extract(base, fresh)
        _install(fresh, wheel)
        fresh.rename(path)
    return path


def slot_image(path: Path, root: Path, board: Board, keyring: Path, release: str, epoch: int) -> None:
    """Write the file system of a slot: the shared root, and what makes it this board's.

    Args:
        keyring: certificates whose owners may sign updates.
        release: name of this release.
        epoch: the newest time that anything in it may have, seconds UTC.

    Raises:
        ImageError: it cannot be made, or does not fit its slot.
    """
    with _particulars(root, board, keyring, release):
        _clamp_times(root, epoch)
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


def _extract(tar: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(tar) as archive:
        # A root needs its owners, devices and modes as they are; Debian's packages in it are signed.
        archive.extractall(folder, filter="fully_trusted", numeric_owner=True)  # noqa: S202


def _install(root: Path, wheel: Path) -> None:
    """Run the one recipe inside the root."""
    inside = root / "deploy"
    shutil.copytree(RECIPE, inside / "root")
    shutil.copytree(UNITS, inside / "systemd")
    shutil.copy(wheel, inside / wheel.name)
    for words in (("user",), ("program", f"/deploy/{wheel.name}"), ("service",), ("trim",)):
        run("chroot", root, "/deploy/root/install", *words)
    shutil.rmtree(inside)


def _lay_over(root: Path) -> None:
    shutil.copytree(OVERLAY, root, dirs_exist_ok=True, symlinks=True)
    for path in OVERLAY.rglob("*"):
        os.chown(root / path.relative_to(OVERLAY), 0, 0)
    (root / "data").mkdir()
    wants = root / "etc/systemd/system/multi-user.target.wants"
    for unit in ("gridlight-first.service", "gridlight-healthy.service", "gridlight-join.service", *_FLEET):
        (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
    early = root / "etc/systemd/system/local-fs.target.wants"
    early.mkdir(parents=True, exist_ok=True)
    (early / "gridlight-reset.service").symlink_to("/usr/lib/systemd/system/gridlight-reset.service")
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for path in (root / "usr/lib/systemd/system-generators").iterdir():
        if path.name not in _GENERATORS:
            (generators / path.name).symlink_to("/dev/null")
    run("systemctl", f"--root={root}", "enable", "systemd-networkd.service", "systemd-resolved.service")
    run("systemctl", f"--root={root}", "set-default", "multi-user.target")
    run("systemctl", f"--root={root}", "mask", *_UNWANTED)


def kernel_release(root: Path) -> str:
    """Name of the kernel's folder of modules.

    Raises:
        ImageError: not exactly one kernel.
    """
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise ImageError(f"{root} has the kernels {found}, expected one")
    return found[0]


def _prepare_boot(root: Path, boot: Path) -> None:
    """Kernel, its modules, first files and device trees, under names that the boot script knows."""
    release = kernel_release(boot)
    modules = Path("usr/lib/modules") / release
    shutil.copytree(boot / modules, root / modules, symlinks=True, copy_function=os.link)
    for link in ("build", "source"):
        (root / modules / link).unlink(missing_ok=True)
    os.link(boot / f"boot/vmlinuz-{release}", root / "boot/vmlinuz")
    (root / "boot/initrd.img").write_bytes(initramfs.of_root(root, release))
    trees = boot / f"usr/lib/linux-image-{release}"
    wanted = {name for board in BOARDS.values() for name in (board.tree_file, *board.trees) if name}
    for name in sorted(wanted):
        os.link(trees / name, root / "boot" / name)


def _forget(root: Path) -> None:
    """Take out what differs from build to build, or would be the same on boards where it must not be."""
    for name in _VOLATILE:
        (root / name).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("", encoding="ascii")
    (root / "etc/hostname").write_text("gridlight\n", encoding="ascii")
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    for folder in (
        "var/cache",
        "var/log",
        "var/lib/apt",
        "var/lib/systemd",
        "tmp",
        "run",
        "vmlinuz",
        "initrd.img",
    ):
        path = root / folder
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
            path.mkdir(mode=0o1777 if folder == "tmp" else 0o755)
            path.chmod(0o1777 if folder == "tmp" else 0o755)
    for name in (
        "etc/passwd-",
        "etc/group-",
        "etc/shadow-",
        "etc/gshadow-",
        "etc/.pwd.lock",
        "etc/ld.so.cache-",
    ):
        (root / name).unlink(missing_ok=True)
    for path in sorted((root / "usr/lib/python3/dist-packages").rglob("test_*.py*")):
        path.unlink()  # a package's own tests, with keys in them
    _lock_passwords(root / "etc/shadow")


def _lock_passwords(shadow: Path) -> None:
    """Nobody can log in by a password, and no account says on which day it was made."""
    lines = (line.split(":") for line in shadow.read_text(encoding="ascii").splitlines())
    locked = (":".join([name, "!*", "0", *rest[2:]]) for name, *rest in lines)
    shadow.write_text("".join(f"{line}\n" for line in locked), encoding="ascii")


@contextmanager
def _particulars(root: Path, board: Board, keyring: Path, release: str) -> Iterator[None]:
    """Have in the shared root for a while what makes it this board's."""
    conf = _COMPATIBLE.format(
        compatible=board.compatible, slot_a=layout.ROOT_A.identity, slot_b=layout.ROOT_B.identity
    )
    files = {
        "etc/rauc/system.conf": conf,
        "etc/rauc/keyring.pem": keyring.read_text(encoding="ascii"),
        "etc/gridlight-release": f"RELEASE={release}\nBOARD={board.name}\n",
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


def _clamp_times(root: Path, epoch: int) -> None:
    """No file is newer than the epoch."""
    for path in (root, *_paths(root)):
        if path.lstat().st_mtime > epoch:
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
