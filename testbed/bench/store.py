"""What the device's storage costs: bytes to the flash in a day, beside a commit for each row and TinyDB's own storage.

The workload of a day: two meters, a reading of each every ten seconds, interval energies every quarter of an hour, six
offers, trades and verdicts, a header every five minutes, twelve messages that are delivered an hour later. Bytes are
those that the kernel counts for a process (`write_bytes` of /proc/self/io), in whole blocks as they go to the disk, so
each contender runs in a process of its own, in the present folder. TinyDB writes its whole file with every row: a part
of a day is measured, and what it says of a whole day is a lower bound.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from testbed.bench.section import DisagreementError, Options, Section, Step, at_least, at_most
from testbed.bench.store_writer import CONTENDERS, OURS

SUMMARY: Final = (
    "Storage: bytes written in a day, rows a second, memory, beside a commit for each row and TinyDB."
)
ASKED_BYTES: Final = 5_000_000
_ASKED_RATIO: Final = 10
_ASKED_KB: Final = 12_000
"""What the store, with all that it imports, may add to the memory of a bare Python."""
_BARE: Final = (
    "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))"
)
_ROWS: Final = (1_500, 17_280)
_TINYDB_ROWS: Final = (300, 1_500)
_LIMIT_S: Final = 1_800


def steps(options: Options) -> int:  # noqa: ARG001 - as many, whatever is chosen
    """How many contenders there are."""
    return len(CONTENDERS)


def measure(options: Options, step: Step) -> Section:
    """Let each contender write the same readings.

    Raises:
        DisagreementError: a contender did not keep what it was given.
    """
    runs: dict[str, dict[str, Any]] = {}
    for name in CONTENDERS:
        step(name)
        rows = (_TINYDB_ROWS if name == "tinydb" else _ROWS)[not options.quick]
        runs[name] = _run(name, rows)
    for name, run in runs.items():
        if run["kept"] != run["rows"]:
            raise DisagreementError(f"{name} kept {run['kept']} of {run['rows']} readings")
    return _section(runs, int(_output("-c", _BARE)))


def _run(name: str, rows: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_output("-m", "testbed.bench.store_writer", name, str(rows)))
    return found


def _output(*words: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["silently"])[-1]
        raise DisagreementError(f"{' '.join(words[:3])} failed: {why}")
    return done.stdout


def _section(runs: dict[str, dict[str, Any]], bare_kb: int) -> Section:
    ours, naive = runs[OURS], runs["each row"]
    rows = []
    for name, run in runs.items():
        per_row = run["written_bytes"] / run["rows"]
        rows.append(
            {
                "store": name,
                "rows": run["rows"],
                "written_bytes_per_day": round(per_row * _ROWS[-1]),
                "rows_per_s": round(run["rows"] / run["wall_s"], 1),
                "resident_kb": run["resident_kb"],
            }
        )
    aims = []
    if all(run["written_bytes"] for run in runs.values()):
        daily = ours["written_bytes"] / ours["rows"] * _ROWS[-1]
        ratio = naive["written_bytes"] / naive["rows"] / (ours["written_bytes"] / ours["rows"])
        aims = [
            at_most(
                "flash written by the store in a day", "bytes of a day", asked=ASKED_BYTES, measured=daily
            ),
            at_least(
                "a commit for each row writes", "times what we write", asked=_ASKED_RATIO, measured=ratio
            ),
        ]
    aims.append(
        at_most(
            "memory that the store adds",
            "kB",
            asked=_ASKED_KB,
            measured=ours["resident_kb"] - bare_kb,
        )
    )
    lines = [
        f"{row['store']:<16} {row['written_bytes_per_day'] / 1e6:>10,.2f} MB a day of {_ROWS[-1]:,} readings"
        f" {row['rows_per_s']:>10,.0f} rows/s {row['resident_kb']:>8,} kB"
        for row in rows
    ]
    if not aims[:-1]:
        lines.append("the kernel counts no bytes here (a memory disk?): nothing is said about flash")
    lines.append("tinydb: measured while its file is small; it grows with the square of the rows")
    return Section(document={"stores": rows}, lines=lines, aims=aims)
