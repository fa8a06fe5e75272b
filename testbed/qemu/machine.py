"""What QEMU is told for each machine that can start a card, and what each of them cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.image import layout

METER_PORT: Final = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_1-if00-port0"
"""What a board calls the emulated adapter: it looks like an FTDI chip on a USB port."""
HOST: Final = "10.0.2.2"
"""What a board calls this machine."""
BY_INSTRUCTIONS: Final = ("-icount", "shift=1,sleep=on")
"""Words for QEMU that let a board's time follow its instructions, 2 ns each, whatever this machine is doing."""
_USER_NET: Final = "user,id=net,net=10.0.2.0/24,dns=10.0.2.9"
"""Nobody answers at the address of the name server: a board reaches this machine and nothing else by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of QEMU.

    Attributes:
        name: QEMU's.
        board: whose card it starts.
        processor: for people.
        arguments: machine, processor, memory, and how network and USB are wired.
        disk: how the card is wired.
        button: whether it has a power button, at which systemd ends everything and switches it off.
        loader: whether U-Boot is started, which chooses the slot; else QEMU starts slot A's kernel itself.
        tree: device tree for a kernel that QEMU starts, in the kernel's package.
        network: node of that it that a loader writes the hardware address of the network into; empty if none is needed.
        console: for a kernel that QEMU starts.
        without: modules that such a kernel must not load: they wait for ever for parts that QEMU does not have.
        cannot: what is not as on a board, one sentence each.
    """

    name: str
    board: str
    processor: str
    arguments: tuple[str, ...]
    disk: tuple[str, ...]
    button: bool
    loader: bool
    tree: str = ""
    network: str = ""
    console: str = "ttyAMA0"
    without: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()

    def command(self, card: Path, boot: Mapping[str, Path], forward: int) -> list[str]:
        """The emulator's command line, without serial lines and control.

        Args:
            card: image of the card; a power of two in size where the machine has a slot for cards.
            boot: `u-boot`, or `kernel`, `initrd` and `tree`.
            forward: port of this machine's loopback interface that leads to the board's status page.
        """
        net = f"{_USER_NET},hostfwd=tcp:127.0.0.1:{forward}-:8480"
        words = ["qemu-system-arm", *self.arguments, "-display", "none", "-no-user-config", "-nodefaults"]
        words += ["-netdev", net, *(word.replace("CARD", str(card)) for word in self.disk)]
        if self.loader:
            return [*words, "-bios", str(boot["u-boot"])]
        line = f"root=PARTUUID={layout.ROOT_A.identity} ro rauc.slot=A panic=10 quiet console={self.console}"
        if self.without:
            line += f" module_blacklist={','.join(self.without)}"
        words += ["-kernel", str(boot["kernel"]), "-initrd", str(boot["initrd"]), "-append", line]
        return [*words, "-dtb", str(boot["tree"])] if self.tree else words


MACHINES: Final[Mapping[str, Machine]] = {
    machine.name: machine
    for machine in (
        Machine(
            name="virt",
            board="virt",
            processor="Cortex-A7",
            arguments=(
                "-M", "virt,highmem=off", "-cpu", "cortex-a7", "-m", "512",
                "-device", "virtio-net-device,netdev=net", "-device", "qemu-xhci,id=usb",
                "-device", "virtio-rng-device",
            ),
            disk=("-drive", "if=none,id=card,format=raw,file=CARD", "-device", "virtio-blk-device,drive=card"),
            button=True,
            loader=True,
            cannot=("no firmware of a board runs: QEMU starts U-Boot out of flash",),
        ),
        Machine(
            name="cubieboard",
            board="virt",
            processor="Cortex-A8, as on a BeagleBone Black",
            arguments=("-M", "cubieboard,usb=on", "-m", "512", "-net", "nic,netdev=net"),
            disk=("-drive", "if=sd,format=raw,file=CARD"),
            button=False,
            loader=False,
            tree="sun4i-a10-cubieboard.dtb",
            network="/soc/ethernet@1c0b000",
            console="ttyS0",
            without=("sun4i_ss",),
            cannot=(
                "QEMU starts the kernel itself, so slots and fall-back are not exercised",
                "it cannot power itself off",
                "its card does not count what is written",
            ),
        ),
        Machine(
            name="raspi2b",
            board="virt",
            processor="4 Cortex-A7, as on a Raspberry Pi 2",
            arguments=("-M", "raspi2b", "-device", "usb-net,netdev=net"),
            disk=("-drive", "if=sd,format=raw,file=CARD"),
            button=False,
            loader=False,
            tree="bcm2836-rpi-2-b.dtb",
            console="ttyAMA0,115200",
            cannot=(
                "QEMU starts the kernel itself: the firmware of the Raspberry Pi does not run",
                "its network hangs on the emulated USB controller",
                "it cannot power itself off",
                "its card does not count what is written",
            ),
        ),
    )
}  # fmt: skip
