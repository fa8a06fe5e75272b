"""Who holds a device, as far as we may look."""

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def holders(device: Path, proc: Path = PROC) -> list[str]:
    """Name the other processes that have this device open, such as `mbusd (1234)`.

    Without privileges only our own user's processes can be seen, so an empty list proves nothing.
    """
    real = str(device.resolve())
    others = sorted(
        (process for process in proc.glob("[0-9]*") if int(process.name) != os.getpid()),
        key=lambda process: int(process.name),
    )
    return [f"{_name(process)} ({process.name})" for process in others if _holds(process, real)]


def _holds(process: Path, real: str) -> bool:
    try:
        return any(str(handle.readlink()) == real for handle in (process / "fd").iterdir())
    except OSError:  # not ours to see, or gone meanwhile
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip() or "a process"
    except OSError:
        return "a process"
