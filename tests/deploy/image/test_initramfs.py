"""The archive before the root: what cpio reads of it, what it leaves out, and that it is always the same."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.image import initramfs

_RELEASE = "6.12.0-test"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a handful of modules that need each other, and one that nobody wants."""
    modules = tmp_path / "usr/lib/modules" / _RELEASE
    needs = {
        "kernel/fs/ext4/ext4.ko.xz": ["kernel/fs/jbd2/jbd2.ko.xz", "kernel/lib/crc16.ko.xz"],
        "kernel/fs/jbd2/jbd2.ko.xz": [],
        "kernel/lib/crc16.ko.xz": [],
        "kernel/drivers/block/virtio_blk.ko.xz": [],
        "kernel/drivers/mmc/host/sdhci-omap.ko.xz": ["kernel/drivers/mmc/host/sdhci.ko.xz"],
        "kernel/drivers/mmc/host/sdhci.ko.xz": [],
        "kernel/sound/snd.ko.xz": [],
    }
    for path in needs:
        (modules / path).parent.mkdir(parents=True, exist_ok=True)
        (modules / path).write_bytes(path.encode("ascii"))
    lines = "".join(f"{path}: {' '.join(more)}\n" for path, more in needs.items())
    (modules / "modules.dep").write_text(lines, encoding="ascii")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/busybox").write_bytes(b"\x7fELF")
    return tmp_path


def test_it_is_the_same_every_time(root: Path) -> None:
    assert initramfs.of_root(root, _RELEASE) == initramfs.of_root(root, _RELEASE)


def test_cpio_unpacks_it_with_what_is_wanted_and_needed(root: Path, tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed")
    raw = gzip.decompress(initramfs.of_root(root, _RELEASE))
    out = tmp_path / "unpacked"
    out.mkdir()
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--make-directories", "--nonmatching", "dev/console"],
        input=raw, cwd=out, check=True,
    )  # fmt: skip
    assert (out / "init").read_text(encoding="ascii") == initramfs.INIT
    assert (out / "init").stat().st_mode & 0o111
    modules = out / "lib/modules" / _RELEASE
    found = {path.relative_to(modules).as_posix() for path in modules.rglob("*.ko.xz")}
    assert "kernel/sound/snd.ko.xz" not in found
    assert {
        "kernel/fs/ext4/ext4.ko.xz",
        "kernel/lib/crc16.ko.xz",
        "kernel/drivers/mmc/host/sdhci.ko.xz",
    } <= found
    kept = (modules / "modules.dep").read_text(encoding="ascii").splitlines()
    assert {line.partition(":")[0] for line in kept} == found, "modprobe is told of nothing that is not there"


def test_modules_are_loaded_after_those_that_they_need(root: Path) -> None:
    raw = gzip.decompress(initramfs.of_root(root, _RELEASE)).decode("latin-1")
    names = raw[raw.index("etc/gridlight-modules") :]
    assert names.index("jbd2\n") < names.index("ext4\n")
    assert names.index("sdhci\n") < names.index("sdhci_omap\n")
