"""Counts the instructions of an emulated board by the same plugin that counts those of a program.

The count lies in a file that the emulator maps, so it can be read while the board runs, and after it was cut off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testbed.bench.emulator import EmulatorError, compile_plugin
from testbed.qemu.errors import BoardError

_BYTES: Final = 8


class Counter:
    """One board's count."""

    def __init__(self, folder: Path) -> None:
        """Compile the plugin.

        Args:
            folder: existing; for plugin and count.

        Raises:
            BoardError: there is no compiler.
        """
        self._count = folder / "instructions.count"
        try:
            self._plugin = compile_plugin(folder)
        except EmulatorError as error:
            raise BoardError(str(error)) from None

    @property
    def words(self) -> list[str]:
        """For the emulator. One thread for all processors: they would count into one place at once."""
        return ["-accel", "tcg,thread=single", "-plugin", f"file={self._plugin},count={self._count}"]

    def read(self) -> int | None:
        """Instructions since the emulator was started last; None if it never was."""
        try:
            return int.from_bytes(self._count.read_bytes()[:_BYTES], "little")
        except FileNotFoundError:
            return None
