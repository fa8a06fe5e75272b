"""Makes the root of a board out of Debian packages, the program's wheel and `overlay`.

Steps are kept in a cache under a hash of everything that goes into them: a step is done again when, and only when,
something of it has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path
from typing import Final

from deploy.image import bytecode, initramfs
from deploy.image.boards import BOARDS
from deploy.image.tools import ImageError, run

HERE: Final = Path(__file__).parent
RECIPE: Final = HERE.parent / "root"
UNITS: Final = HERE.parent / "systemd"
OVERLAY: Final = HERE / "overlay"
_MIRROR: Final = os.environ.get("MIRROR", "http://deb.debian.org/debian")
_VOLATILE: Final = ("etc/machine-id", "etc/resolv.conf", "etc/hostname", "var/lib/dbus/machine-id")
_TREE_MODULES: Final[tuple[str, ...]] = ("initramfs", "root", "boards", "bytecode")
"""What makes the shared root out of the device's."""
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
    "systemd-journal-catalog-update.service",
    "systemd-journal-flush.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-done.service",
    "systemd-update-utmp.service",
    "systemd-user-sessions.service",
)
"""What no meter needs: nobody logs in, nothing is upgraded piece by piece, and every start is quicker without.

Not the static nodes of /dev: RAUC mounts a bundle through /dev/loop-control, whose module comes when it is opened."""
_RESOLVER: Final = "systemd-resolved.service"


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
    modules = [HERE / f"{name}.py" for name in _TREE_MODULES]
    path = cache / f"tree-{digest_of(device.name, boot.name, OVERLAY, *modules)}"
    if not path.exists():
        fresh = cache / f".fresh-{path.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        run("cp", "--archive", "--reflink=auto", device, fresh)
        _lay_over(fresh)
        _prepare_boot(fresh, boot)
        _forget(fresh)
        bytecode.free_of_sources(fresh / "usr/lib")
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
    for path in (OVERLAY, *OVERLAY.rglob("*")):
        laid = root / path.relative_to(OVERLAY)
        os.chown(laid, 0, 0)
        # A checkout keeps of a file's mode whether it can be run, and no more.
        laid.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
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
    _names_may_come_later(root)
    run("systemctl", f"--root={root}", "enable", "systemd-networkd.service", _RESOLVER)
    run("systemctl", f"--root={root}", "set-default", "multi-user.target")
    run("systemctl", f"--root={root}", "mask", *_UNWANTED)


def _names_may_come_later(root: Path) -> None:
    """Let nothing at a start wait for the resolver, as everything does by Debian's unit: the meter needs no names."""
    unit = root / "usr/lib/systemd/system" / _RESOLVER
    own = unit.read_text(encoding="utf-8").replace("Before=sysinit.target ", "Before=")
    own = own.replace("WantedBy=sysinit.target", "WantedBy=multi-user.target")
    if "sysinit.target" in own:
        raise ImageError(f"{unit} names sysinit.target in another way than expected")
    (root / "etc/systemd/system" / _RESOLVER).write_text(own, encoding="utf-8")
    (root / "etc/systemd/system/sysinit.target.wants" / _RESOLVER).unlink(missing_ok=True)


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
        "etc/.resolv.conf.systemd-resolved.bak",  # whom the machine that builds asks for names
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
