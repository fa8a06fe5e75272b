"""The few files between the kernel and the slot: modules of card and file system, and a script that mounts the slot.

Put together here rather than by `update-initramfs`, which takes twenty minutes under emulation; and every byte of it
follows from the root, so that two builds are the same.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = (
    "crc32c_generic",
    "libcrc32c",
    "ext4",
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "mmc_block",
    "sdhci_omap",
    "omap_hsmmc",
    "sdhci_iproc",
    "bcm2835",
    "bcm2835_dma",
    "regulator_gpio",
    "sunxi_mmc",
)
"""The file system, then cards of all boards; one root serves all of them. Those that a kernel has built in, or
has not, are passed over."""

INIT: Final = """\
#!/bin/busybox sh
# Mounts the slot that the boot loader chose, and hands over to the system in it.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /slot
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for word in $($b cat /proc/cmdline); do
    case $word in root=PARTUUID=*) wanted=${word#root=PARTUUID=} ;; esac
done
# The card is known by the number in its partition table: Linux tells it by itself only from 6.13 on.
mount_slot() {
    for device in /sys/class/block/*; do
        name=${device##*/}
        case $name in loop* | ram* | *boot[01]) continue ;; esac
        [ ! -e "$device/partition" ] || continue
        [ "$($b hexdump -s 440 -n 4 -e '1/4 "%08x"' "/dev/$name" 2>/dev/null)" = "${wanted%-*}" ] || continue
        for part in "$device/$name"*; do
            [ "$($b cat "$part/partition")" -eq $((0x${wanted#*-})) ] || continue
            $b mount -t ext4 -o ro,noatime "/dev/${part##*/}" /slot && return 0
        done
    done
    return 1
}
# A module after the other until the slot is there: most boards have one kind of card.
while read -r module; do
    mount_slot && break
    $b modprobe -q "$module"
done </etc/gridlight-modules
tries=0
while [ ! -x /slot/sbin/init ] && [ $tries -lt 150 ]; do
    mount_slot && break
    $b usleep 200000
    tries=$((tries + 1))
done
if [ ! -x /slot/sbin/init ]; then
    echo "gridlight: no system in slot $wanted; restarting" >/dev/console
    $b reboot -f
fi
for folder in proc sys dev; do $b mount --move /$folder /slot/$folder; done
exec $b switch_root /slot /sbin/init
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or node of the archive."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def archive(entries: Iterator[Entry]) -> bytes:
    """Write entries as a `newc` archive, compressed; the same bytes for the same entries.

    Source: Linux documentation, driver-api/early-userspace/buffer-format.
    """
    packed = bytearray()
    for number, entry in enumerate(entries, 1):
        _append(packed, entry, number)
    _append(packed, Entry("TRAILER!!!", 0), 0)
    return gzip.compress(bytes(packed), compresslevel=6, mtime=0)


def _append(packed: bytearray, entry: Entry, number: int) -> None:
    name = entry.name.encode("ascii") + b"\0"
    fields = [
        number,
        entry.mode,
        0,  # owner
        0,  # group
        1,  # links
        0,  # time
        len(entry.data),
        0,
        0,
        *entry.device,
        len(name),
        0,
    ]
    packed += b"070701" + b"".join(b"%08X" % field for field in fields) + name
    packed += b"\0" * (-len(packed) % 4) + entry.data
    packed += b"\0" * (-len(packed) % 4)


def of_root(root: Path, release: str) -> bytes:
    """The archive for a root's kernel.

    Args:
        root: of the system, with `busybox-static` and the kernel's modules.
        release: of the kernel, as its folder of modules is called.
    """
    return archive(_entries(root, release))


def _entries(root: Path, release: str) -> Iterator[Entry]:
    folder = Path("lib/modules") / release
    modules = root / "usr" / folder
    wanted = _with_needed(modules)
    for name in ("bin", "dev", "etc", "lib", "lib/modules", str(folder)):
        yield Entry(name, stat.S_IFDIR | 0o755)
    yield Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    yield Entry("init", stat.S_IFREG | 0o755, INIT.encode("ascii"))
    yield Entry("bin/busybox", stat.S_IFREG | 0o755, (root / "usr/bin/busybox").read_bytes())
    names = "".join(f"{_module_name(path)}\n" for path in wanted)
    yield Entry("etc/gridlight-modules", stat.S_IFREG | 0o644, names.encode("ascii"))
    for parent in sorted({str(up) for path in wanted for up in Path(path).parents if str(up) != "."}):
        yield Entry(f"{folder}/{parent}", stat.S_IFDIR | 0o755)
    for path in wanted:
        yield Entry(f"{folder}/{path}", stat.S_IFREG | 0o644, (modules / path).read_bytes())
    kept = "".join(f"{line}\n" for line in _lines(modules) if line.partition(":")[0] in wanted)
    yield Entry(f"{folder}/modules.dep", stat.S_IFREG | 0o644, kept.encode("ascii"))


def _lines(modules: Path) -> list[str]:
    return (modules / "modules.dep").read_text(encoding="ascii").splitlines()


def _module_name(path: str) -> str:
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def _with_needed(modules: Path) -> list[str]:
    """Paths of all wanted modules after those that they need, as `modules.dep` has them."""
    needs = {path: rest.split() for path, _, rest in (line.partition(":") for line in _lines(modules))}
    by_name = {_module_name(path): path for path in sorted(needs)}
    ordered: dict[str, None] = {}
    for name in MODULES:
        if name in by_name:
            path = by_name[name]
            ordered |= dict.fromkeys((*reversed(needs[path]), path))
    return list(ordered)
