"""One board in QEMU: switched on, looked at, reset, cut off."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testbed.qemu.machine import Machine
from testbed.qemu.qmp import Qmp, QmpError

_END_S: Final = 60.0
_KILL_S: Final = 10.0


class BoardError(Exception):
    """A board cannot be emulated, or does not do what it must; one sentence."""


class EmulatedBoard:
    """A card in a machine. Whoever makes one ends it with `cut`."""

    def __init__(
        self,
        machine: Machine,
        card: Path,
        boot: Mapping[str, Path],
        *,
        folder: Path,
        page_port: int,
        meter: str = "",
        more: tuple[str, ...] = (),
    ) -> None:
        """Nothing happens yet.

        Args:
            machine: which one.
            card: image; what the board writes stays in it.
            boot: see `Machine.command`.
            folder: of console and log.
            page_port: of the loopback interface, leads to the board's status page.
            meter: a serial line of this machine that the board's adapter is wired to; empty for none.
            more: further words for QEMU.
        """
        self.card = card
        self.page_port = page_port
        self.console = folder / "console.log"
        self.log = folder / "qemu.log"
        # Not in `folder`: the name of a socket has 108 bytes at most.
        self._control = Path(tempfile.mkdtemp(prefix="gridlight-board-")) / "qmp"
        self._process: subprocess.Popen[bytes] | None = None
        self._words = machine.command(card, boot, page_port)
        # Appended: a console tells of every start.
        self._words += [
            "-chardev",
            f"file,id=console,path={self.console},append=on",
            "-serial",
            "chardev:console",
        ]
        self._words += ["-qmp", f"unix:{self._control},server=on,wait=off"]
        if meter:
            self._words += [
                "-chardev",
                f"serial,id=meter,path={meter}",
                "-device",
                "usb-serial,chardev=meter",
            ]
        self._words += more

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def switch_on(self) -> None:
        """Start it.

        Raises:
            BoardError: QEMU is not installed, or ends at once.
        """
        if shutil.which(self._words[0]) is None:
            raise BoardError("qemu-system-arm is not installed: apt-get install qemu-system-arm")
        if self.is_on:
            raise BoardError("the board is on already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            Qmp(self._control).close()
        except QmpError as error:
            self.cut()
            said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise BoardError(f"QEMU does not start: {said[-1] if said else error}") from None

    def qmp(self) -> Qmp:
        """Its control; one at a time.

        Raises:
            QmpError: it is off.
        """
        return Qmp(self._control, patience_s=5)

    def reset(self) -> None:
        """Pull its reset line: nothing is told beforehand."""
        with self.qmp() as qmp:
            qmp.ask("system_reset")

    def cut(self) -> None:
        """Cut its power: the emulator is killed, whatever it is writing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_KILL_S)
            self._process = None
        self._control.unlink(missing_ok=True)

    def cut_and_restore(self) -> None:
        """Cut its power, and give it power again.

        Raises:
            BoardError: QEMU does not start again.
        """
        self.cut()
        self.switch_on()

    def switch_off(self) -> bool:
        """Press its power button and wait; False if it had to be cut off."""
        if self._process is None:
            return True
        try:
            with self.qmp() as qmp:
                qmp.ask("system_powerdown")
            self._process.wait(_END_S)
            clean = True
        except (QmpError, subprocess.TimeoutExpired):
            clean = False
        self.cut()
        return clean

    def discard(self) -> None:
        """Cut it off and remove what it had outside its folder."""
        self.cut()
        shutil.rmtree(self._control.parent, ignore_errors=True)

    def written_bytes(self) -> int:
        """What was written to the card since it was switched on, by the drive's own counter."""
        with self.qmp() as qmp:
            return sum(
                int(device["stats"]["wr_bytes"])
                for device in qmp.ask("query-blockstats")
                if device.get("device") == "card" or "sd" in str(device.get("qdev", ""))
            )

    def console_text(self) -> str:
        """What it has said so far."""
        try:
            return self.console.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
