"""One board in QEMU: switched on, looked at, reset, cut off."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testbed.qemu.counting import Counter
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import Machine
from testbed.qemu.qmp import Qmp, QmpError

_END_S: Final = 150.0
_KILL_S: Final = 10.0
_BLINK_S: Final = 0.005


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
        meter_port: int = 0,
        counter: Counter | None = None,
        more: tuple[str, ...] = (),
    ) -> None:
        """Nothing happens yet.

        Args:
            machine: which one.
            card: image; what the board writes stays in it.
            boot: see `Machine.command`.
            folder: of console and log.
            page_port: of the loopback interface, leads to the board's status page.
            meter_port: of the loopback interface: a meter that answers there hangs on the board's adapter, which is
                plugged in as long as it does; 0 for no adapter.
            counter: of instructions.
            more: further words for QEMU.
        """
        self.card = card
        self.page_port = page_port
        self.console = folder / "console.log"
        self.log = folder / "qemu.log"
        # Not in `folder`: the name of a socket has 108 bytes at most.
        self._control = Path(tempfile.mkdtemp(prefix="gridlight-board-")) / "qmp"
        self._process: subprocess.Popen[bytes] | None = None
        self._machine, self._counter = machine, counter
        self._written_before = 0
        """By earlier lives."""
        self.words = machine.command(card, boot, page_port)
        """The emulator's command line."""
        # Appended: a console tells of every start.
        self.words += [
            "-chardev",
            f"file,id=console,path={self.console},append=on",
            "-serial",
            "chardev:console",
        ]
        self.words += ["-qmp", f"unix:{self._control},server=on,wait=off"]
        if meter_port:
            self.words += [
                "-chardev",
                f"socket,id=meter,host=127.0.0.1,port={meter_port},reconnect=1",
                "-device",
                "usb-serial,chardev=meter,serial=1",
            ]
        if counter is not None:
            self.words += counter.words
        self.words += more

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the emulator; None while it is off."""
        return None if self._process is None else self._process.pid

    @property
    def instructions(self) -> int | None:
        """That it has carried out since it was switched on last; None if nobody counts."""
        return None if self._counter is None else self._counter.read()

    def switch_on(self) -> None:
        """Start it.

        Raises:
            BoardError: QEMU is not installed, or ends at once.
        """
        if shutil.which(self.words[0]) is None:
            raise BoardError("qemu-system-arm is not installed: apt-get install qemu-system-arm")
        if self.is_on:
            raise BoardError("the board is on already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
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
        if self._process is None:
            return
        if self.is_on:
            with contextlib.suppress(QmpError):
                self._written_before = self.written_bytes()
        self._kill(self._process)

    def cut_while_writing(self, patience_s: float) -> bool:
        """Cut its power as soon as it writes to its card, in the middle of that; False if it did not write in time."""
        process = self._process
        if process is None:
            return False
        until_s, writing = time.monotonic() + patience_s, False
        with contextlib.suppress(QmpError), self.qmp() as qmp:
            before = last = _written_by(qmp)
            while not writing and time.monotonic() < until_s:
                time.sleep(_BLINK_S)
                last = _written_by(qmp)
                writing = last > before
            self._written_before += last
            process.kill()
        self._kill(process)
        return writing

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait(_KILL_S)
        self._process = None
        self._control.unlink(missing_ok=True)

    def switch_off(self) -> bool:
        """Press its power button and wait; False if it had to be cut off, as any that has none."""
        if self._process is None:
            return True
        clean = False
        if self._machine.button:
            with contextlib.suppress(QmpError, subprocess.TimeoutExpired):
                self._written_before = self.written_bytes()
                with self.qmp() as qmp:
                    qmp.ask("system_powerdown")
                self._process.wait(_END_S)
                clean = True
        self.cut()
        return clean

    def link(self, *, up: bool) -> None:
        """Plug its network cable in, or out.

        Raises:
            QmpError: it is off.
        """
        with self.qmp() as qmp:
            qmp.ask("set_link", name="net", up=up)

    def discard(self) -> None:
        """Cut it off and remove what it had outside its folder."""
        self.cut()
        shutil.rmtree(self._control.parent, ignore_errors=True)

    def written_bytes(self) -> int:
        """What was written to the card in all lives, by the drive's own counter.

        Raises:
            QmpError: the emulator does not answer.
        """
        if not self.is_on:
            return self._written_before
        with self.qmp() as qmp:
            return self._written_before + _written_by(qmp)

    def console_text(self) -> str:
        """What it has said so far."""
        try:
            return self.console.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def _written_by(qmp: Qmp) -> int:
    """What all drives of an emulator were made to write; a board has one."""
    return sum(int(device["stats"]["wr_bytes"]) for device in qmp.ask("query-blockstats"))
