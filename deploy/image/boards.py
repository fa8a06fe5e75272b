"""What differs from board to board: a boot loader, a device tree, a console. Everything else is one and the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.image import layout

_SCRIPT: Final = Path(__file__).with_name("boot.cmd")
_FIRMWARE: Final = "usr/lib/raspi-firmware"
_LOADERS: Final = "usr/lib/u-boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One kind of board.

    Attributes:
        name: on the command line and in the names of files.
        title: for people.
        consoles: kernel's names of serial consoles, the one that shows the start last.
        tree: where U-Boot finds the device tree.
        tree_file: file name of the device tree in the kernel's package, which is copied into the slot; empty if the
            firmware or the machine hands one over.
        loader: file on the boot partition -> file in the unpacked packages of boot loaders.
        texts: file on the boot partition -> what is in it.
        trees: device trees of the kernel that the firmware wants on the boot partition.
    """

    name: str
    title: str
    consoles: tuple[str, ...]
    tree: str
    tree_file: str = ""
    loader: Mapping[str, str]
    texts: Mapping[str, str]
    trees: tuple[str, ...] = ()

    @property
    def compatible(self) -> str:
        """What an update must say that it is for, word for word."""
        return f"gridlight-{self.name}"

    def boot_script(self) -> str:
        """What U-Boot does."""
        consoles = " ".join(f"console={console}" for console in self.consoles)
        load_tree = "true"
        if self.tree_file:
            load_tree = f"load ${{devtype}} ${{devnum}}:${{part}} {self.tree} /boot/{self.tree_file}"
        words = {
            "TRIES": layout.TRIES,
            "STATE_SECTOR": hex(layout.STATE_SECTOR),
            "STATE_BYTES": hex(layout.STATE_BYTES),
            "PART_A": layout.ROOT_A.number,
            "PART_B": layout.ROOT_B.number,
            "UUID_A": layout.ROOT_A.identity,
            "UUID_B": layout.ROOT_B.identity,
            "ARGUMENTS": f"quiet {consoles}",
            "LOAD_TREE": load_tree,
            "TREE": self.tree,
        }
        text = _SCRIPT.read_text(encoding="ascii")
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        return text


BEAGLEBONE: Final = Board(
    name="beaglebone",
    title="BeagleBone Black",
    consoles=("ttyS0,115200n8",),
    tree="${fdt_addr_r}",
    tree_file="am335x-boneblack.dtb",
    loader={
        "MLO": f"{_LOADERS}/am335x_boneblack/MLO",
        "u-boot.img": f"{_LOADERS}/am335x_boneblack/u-boot.img",
    },
    texts={},
)

_CONFIG_TXT: Final = """\
# Read by the firmware of the Raspberry Pi: start U-Boot, which chooses a slot (boot.scr).
arm_64bit=0
enable_uart=1
disable_splash=1
gpu_mem=16
[pi2]
kernel=u-boot-pi2.bin
[pi3]
kernel=u-boot-pi3.bin
[pi4]
kernel=u-boot-pi4.bin
[all]
"""

RASPBERRY_PI: Final = Board(
    name="raspberrypi",
    title="Raspberry Pi 2, 3 and 4 (32 bit)",
    consoles=("ttyS1,115200n8", "ttyAMA0,115200n8"),
    tree="${fdt_addr}",  # the firmware's: it knows memory, serial number and overlays
    loader={
        **{
            name: f"{_FIRMWARE}/{name}"
            for name in ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
        },
        "u-boot-pi2.bin": f"{_LOADERS}/rpi_2/u-boot.bin",
        "u-boot-pi3.bin": f"{_LOADERS}/rpi_3_32b/u-boot.bin",
        "u-boot-pi4.bin": f"{_LOADERS}/rpi_4_32b/u-boot.bin",
    },
    texts={"config.txt": _CONFIG_TXT},
    trees=(
        "bcm2836-rpi-2-b.dtb",
        "bcm2837-rpi-3-a-plus.dtb",
        "bcm2837-rpi-3-b.dtb",
        "bcm2837-rpi-3-b-plus.dtb",
        "bcm2711-rpi-4-b.dtb",
    ),
)

VIRT: Final = Board(
    name="virt",
    title="QEMU's machine `virt`: no board, but the same card, slots and updates",
    consoles=("ttyAMA0,115200n8",),
    tree="${fdtcontroladdr}",
    loader={},  # the machine starts U-Boot out of its flash: `-bios`
    texts={},
    trees=(
        "sun4i-a10-cubieboard.dtb",
        "bcm2836-rpi-2-b.dtb",
    ),  # of machines whose kernel QEMU starts by itself
)

BOARDS: Final[Mapping[str, Board]] = {board.name: board for board in (VIRT, BEAGLEBONE, RASPBERRY_PI)}
