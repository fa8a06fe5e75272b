r"""Counts the instructions of a program on the board's processor: a Cortex-A8 emulated by QEMU, in a Debian armhf root.

Instructions, not seconds: they are the same on every machine and under any load. Needed are `qemu-arm` (Debian:
qemu-user), a C compiler for the counting plugin, and a root made by

    mmdebstrap --arch=armhf --variant=minbase trixie ROOT \
        --include=python3,python3-cryptography,python3-ecdsa,python3-serial,python3-tinydb,python3-zmq
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("instructions.c")
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_COUNT: Final = re.compile(r"^instructions (\d+)$", re.MULTILINE)
_LIMIT_S: Final = 600


class EmulatorError(Exception):
    """The emulator, its root or the program in it is not usable; one sentence."""


def missing(root: Path | None) -> str:
    """Return what is missing to count in a root, one sentence; an empty string if nothing is."""
    if root is None:
        return "no armhf root was given: --armhf-root ROOT"
    if not (root / "usr/bin/python3").exists():
        return f"{root} has no usr/bin/python3: it is no armhf root with Python"
    for tool, package in (("qemu-arm", "qemu-user"), ("cc", "gcc")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: apt-get install {package}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """One armhf root under emulation."""

    root: Path
    plugin: Path

    @classmethod
    def prepare(cls, root: Path, folder: Path) -> Emulator:
        """Compile the plugin into a folder.

        Raises:
            EmulatorError: it does not compile.
        """
        return cls(root=root, plugin=compile_plugin(folder))

    def count(self, *words: str) -> int:
        """Return the instructions of `python3 WORDS...` in the root, from its first to its last.

        Raises:
            EmulatorError: it failed, or took over ten minutes.
        """
        python = self.root / "usr/bin/python3"
        command = ["qemu-arm", "-cpu", "cortex-a8", "-L", str(self.root), "-plugin", str(self.plugin)]
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(_REPOSITORY),
            "PYTHONHASHSEED": "0",
        }
        environment |= {
            "PYTHONHOME": str(self.root / "usr"),
            "PYTHONPYCACHEPREFIX": str(self.plugin.parent / "pyc"),
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                [*command, str(python.resolve()), *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_S,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise EmulatorError(f"python3 {words[0]} took over {_LIMIT_S} s under emulation") from None
        found = _COUNT.search(done.stderr)
        if done.returncode or found is None:
            said = [line for line in done.stderr.splitlines() if line and not _COUNT.match(line)]
            last = said[-1] if said else f"exit code {done.returncode}"
            raise EmulatorError(f"python3 {' '.join(words)[:80]} failed under emulation: {last[:300]}")
        return int(found[1])


def compile_plugin(folder: Path) -> Path:
    """Compile the plugin that counts, into a folder.

    Raises:
        EmulatorError: there is no compiler, or it does not compile.
    """
    plugin = folder / "instructions.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(plugin), str(_SOURCE)]
    if shutil.which(command[0]) is None:
        raise EmulatorError("cc is not installed: apt-get install gcc")
    done = subprocess.run(  # noqa: S603 - our own file
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise EmulatorError(f"the counting plugin does not compile: {done.stderr.strip()[:300]}")
    return plugin
