"""Who writes firmware into the slot that is idle: the port, and RAUC behind it (`deploy/image/README.md`).

The service is not root. RAUC's own service is, and lets this user install and mark by a rule of D-Bus; to start the
board anew a file is laid into the runtime folder, which a unit of systemd looks for. Where there is no RAUC, or the
board has one system alone, no slot is known, and bundles with a firmware are refused.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

INSTALL_S: Final = 3_600
_ASK_S: Final = 60
_COMMAND_LINE: Final = Path("/proc/cmdline")
_SLOT: Final = re.compile(r"(?:^|\s)rauc\.slot=([A-Za-z0-9._-]{1,32})(?:\s|$)")
_RUNTIME: Final = "/run/gridlight"
RESTART: Final = "restart"
_REASON: Final = 200


class UpdaterError(Exception):
    """The boot loader's choice could not be changed; one clause."""


class Updater(Protocol):
    """What the agent needs of a board with two systems."""

    def slot(self) -> str:
        """Of the system that runs; empty where there is one alone."""

    def install(self, firmware: Path) -> str:
        """Write a firmware into the other slot, to be started next; why it was not, or nothing. Takes minutes."""

    def confirm(self) -> None:
        """The system that runs is to be kept.

        Raises:
            UpdaterError: nobody could be told.
        """

    def restart(self, back_to: str) -> None:
        """Start the board anew: from this slot, the running one being bad; or if empty from the installed one.

        Raises:
            UpdaterError: it cannot.
        """


class Rauc:
    """By RAUC's command line."""

    def __init__(
        self,
        program: str = "rauc",
        *,
        command_line: Path = _COMMAND_LINE,
        runtime: Path | None = None,
    ) -> None:
        self._program = _found(program)
        self._command_line = command_line
        self._runtime = runtime or Path(os.environ.get("RUNTIME_DIRECTORY") or _RUNTIME)

    def slot(self) -> str:
        """As the boot script told the kernel."""
        try:
            found = _SLOT.search(self._command_line.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError):
            return ""
        return found[1] if found and self._program else ""

    def install(self, firmware: Path) -> str:
        """`rauc install`: it asks for the signature and for the kind of board by itself."""
        return self._problem(("install", str(firmware)), INSTALL_S)

    def confirm(self) -> None:
        """`rauc status mark-good`."""
        self._told("mark-good", "booted")

    def restart(self, back_to: str) -> None:
        """The other slot is marked active and this one bad, where it has to go back; then the board starts anew."""
        if back_to:
            self._told("mark-active", "other")
            self._told("mark-bad", "booted")
        try:
            (self._runtime / RESTART).touch()
        except OSError as error:
            raise UpdaterError(f"the board cannot be started anew: {error.strerror}") from None

    def _told(self, *words: str) -> None:
        problem = self._problem(("status", *words), _ASK_S)
        if problem:
            raise UpdaterError(f"rauc {words[0]}: {problem}")

    def _problem(self, words: Sequence[str], wait_s: int) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - RAUC, with words of ours
                [self._program, *words],
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=wait_s,
            )
        except OSError as error:
            return error.strerror or "RAUC cannot be run"
        except subprocess.TimeoutExpired:
            return f"RAUC did not end within {wait_s} s"
        if done.returncode == 0:
            return ""
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:_REASON] if lines else f"RAUC ended with {done.returncode}"


def _found(program: str) -> str:
    """Where a program is; empty where it is not. As `shutil.which`, whose module brings archives along."""
    places = (Path(folder) / program for folder in os.get_exec_path())
    return next((str(place) for place in places if place.is_file() and os.access(place, os.X_OK)), "")
