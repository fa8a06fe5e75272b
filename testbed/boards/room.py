"""How many boards of a mode fit on this machine: by its memory, and by the time that an interval leaves for the work.

The costs are measured (docs/containers.md says how), and rounded up. They decide about a refusal only: a run that is
still too fast for its machine says so at the end.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.boards.housing import Mode

_KIB: Final = 1_024
_MEMINFO: Final = Path("/proc/meminfo")
_TIER_MB: Final = 900
"""Four miners, a solver and the DSO."""
_TIER_CPU_MS: Final = 1_000
"""What they work in one interval."""
_BUSY_PERCENT: Final = 85
"""Of the processors' time that may be planned with."""
_MOST_INTERVAL_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one board takes.

    Attributes:
        memory_mb: with whatever emulates it.
        cpu_ms: in one interval: its meter, its share of the market, all its checks.
    """

    memory_mb: int
    cpu_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is.

    Attributes:
        memory_mb: free, or to be had.
        cores: that this process may use.
    """

    memory_mb: int
    cores: int

    @classmethod
    def here(cls) -> Machine:
        """This machine."""
        text = _MEMINFO.read_text(encoding="ascii")
        (available,) = (line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable:"))
        return cls(memory_mb=int(available) // _KIB, cores=len(os.sched_getaffinity(0)))


COSTS: Final = {
    Mode.INPROCESS: Cost(memory_mb=3, cpu_ms=0),
    Mode.PROCESS: Cost(memory_mb=60, cpu_ms=120),
    Mode.CONTAINER: Cost(memory_mb=110, cpu_ms=600),
    Mode.QEMU: Cost(memory_mb=1_400, cpu_ms=4_000),
}
"""In virtual time nothing is ever late, so a fleet in one process has no cost in time."""


def refusal(
    mode: Mode, boards: int, *, interval_s: int, speed: int, machine: Machine, emulated: int = 0
) -> str:
    """Say why a fleet does not fit and what would, in one sentence; an empty string if it fits.

    Args:
        emulated: whole computers beside the boards of this mode.
    """
    cost, computer = COSTS[mode], COSTS[Mode.QEMU]
    tier_mb = (_TIER_MB if cost.cpu_ms else 0) + emulated * computer.memory_mb
    tier_cpu_ms = _TIER_CPU_MS + emulated * computer.cpu_ms
    beside = f" beside {emulated} whole computers" if emulated else ""
    by_memory = max(0, machine.memory_mb - tier_mb) // cost.memory_mb
    if boards > by_memory:
        return (
            f"{boards} meters take {boards * cost.memory_mb + tier_mb:,} MB in mode {mode.value}{beside}, "
            f"and {machine.memory_mb:,} MB are free: {by_memory:,} would fit"
        )
    if not cost.cpu_ms:
        return ""
    budget_ms = interval_s * 1_000 * machine.cores * _BUSY_PERCENT // (100 * speed)
    by_time = max(0, budget_ms - tier_cpu_ms) // cost.cpu_ms
    if boards <= by_time:
        return ""
    work_ms = boards * cost.cpu_ms + tier_cpu_ms
    slower = interval_s * 1_000 * machine.cores * _BUSY_PERCENT // (100 * work_ms)
    sentence = (
        f"{boards} meters work {work_ms / 1e3:.1f} s in an interval in mode {mode.value}{beside}, "
        f"and {machine.cores} cores have {budget_ms / 1e3:.1f} s at speed {speed}: {by_time:,} would fit"
    )
    return (
        f"{sentence}, or --speed {slower}" if slower >= max(1, interval_s // _MOST_INTERVAL_S) else sentence
    )
