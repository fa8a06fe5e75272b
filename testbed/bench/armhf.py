"""What checking costs on the board: instructions of a Cortex-A8, counted under emulation.

A time in ms beside each count assumes half an instruction per cycle at 1 GHz, as a BeagleBone Black roughly has; the
real ratio lies between 0.35 and 0.7 and depends on the memory. The counts themselves are exact to about one per cent.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from light_client.rules.encoding import encode
from testbed.bench.audit import ledger_of
from testbed.bench.cases import case_of
from testbed.bench.clearing import base_of
from testbed.bench.emulator import Emulator, EmulatorError, missing
from testbed.bench.section import Options, Section, Step
from testbed.solver.errors import NotSolvedError

SUMMARY: Final = "What checking costs on the board's processor, in instructions, counted under emulation."
INSTRUCTIONS_PER_MS: Final = 500_000
"""Half an instruction per cycle at 1 GHz."""
_GUEST: Final = str(Path(__file__).with_name("guest.py"))


class Work(NamedTuple):
    """One thing to count.

    Attributes:
        name: for people.
        what: for the guest.
        fewer, more: how often it is done in two runs, whose difference is the work without its set-up.
    """

    name: str
    what: str
    fewer: int
    more: int


WORKS: Final = (
    Work("import of the light client's rules", "start", 0, 1),
    Work("signature, cryptography (OpenSSL)", "signature:cryptography", 2, 6),
    Work("signature, ecdsa (pure Python)", "signature:ecdsa", 1, 3),
    Work("quorum of 4 (3 signatures), cryptography", "quorum:4:cryptography", 2, 6),
    Work("quorum of 7 (5 signatures), cryptography", "quorum:7:cryptography", 2, 6),
    Work("quorum of 4 (3 signatures), ecdsa", "quorum:4:ecdsa", 1, 3),
)


def steps(options: Options) -> int:
    """How many things are counted."""
    return 0 if missing(options.armhf_root) else len(WORKS) + 2


def measure(options: Options, step: Step) -> Section:
    """Count everything, or say what is missing for it.

    Raises:
        NotSolvedError: the guest failed.
    """
    lacking = missing(options.armhf_root)
    if lacking or options.armhf_root is None:
        return Section(document={"skipped": lacking}, lines=[f"skipped: {lacking}"])
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="gridlight-armhf-") as folder:
        try:
            emulator = Emulator.prepare(options.armhf_root.resolve(), Path(folder))
            emulator.count(
                _GUEST, "start", "1"
            )  # compiles what is imported, as an installed package is compiled
            for work in WORKS:
                step(work.name)
                rows.append(_row(work.name, _counted(emulator, work)))
            for priced in (False, True):
                name = f"audit of a {'priced' if priced else 'uniform'} day from ledger bytes"
                step(name)
                path = Path(folder) / "ledger.bin"
                offers = _write_ledger(options, path, priced=priced)
                work = Work(name, "audit", 0, 1)
                rows.append(_row(f"{name} ({offers} offers)", _counted(emulator, work, str(path))))
        except EmulatorError as error:
            raise NotSolvedError(str(error)) from None
    lines = ["million instructions, and ms at half an instruction per cycle of 1 GHz"]
    lines += [f"{row['work']:<58} {row['instructions'] / 1e6:>10,.2f} {row['ms']:>10,.1f}" for row in rows]
    return Section(document={"works": rows, "instructions_per_ms": INSTRUCTIONS_PER_MS}, lines=lines)


def _row(name: str, instructions: int) -> dict[str, Any]:
    return {"work": name, "instructions": instructions, "ms": round(instructions / INSTRUCTIONS_PER_MS, 1)}


def _counted(emulator: Emulator, work: Work, *more: str) -> int:
    """Count a work without its set-up. A first run compiles what is imported, as an installed package is compiled."""
    emulator.count(_GUEST, work.what, str(work.more), *more)
    few, many = (emulator.count(_GUEST, work.what, str(times), *more) for times in (work.fewer, work.more))
    return (many - few) // (work.more - work.fewer)


def _write_ledger(options: Options, path: Path, *, priced: bool) -> int:
    """Write a day as the guest reads it; return its number of offers."""
    case = case_of(base_of(options), copies=1, priced=priced, limited=False, day=True)
    ledger = ledger_of(case)
    blocks = tuple((header.to_wire(), body) for header, body in ledger.blocks)
    path.write_bytes(encode((ledger.genesis.to_wire(), blocks)))
    return len(case.columns)
