"""Fuzz the meter parsers: `python -m tests.fuzz.meters --seconds 600` or `make fuzz-meters ARGS='--runs 1000000'`.

Coverage-guided by atheris where it is installed (`pip install gridlight[fuzz]`), otherwise by mutation alone. Inputs
that reach something new are kept in `out/fuzz`, and every run goes on from there; `out/fuzz/meters.json` adds up what
was done. An input that fails is written beside it, and `--target NAME --replay FILE` runs it again.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.fuzz.mutation import inputs

OUT: Final = Path(__file__).resolve().parents[2] / "out" / "fuzz"
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_BATCH: Final = 2_000


def names() -> list[str]:
    """Return the targets."""
    from tests.fuzz.targets import TARGETS

    return list(TARGETS)


def fuzz_by_mutation(
    target: str, *, runs: int, seconds: float, seed: int, out: Path
) -> tuple[int, Path | None]:
    """Run a target on mutated seeds until one limit is reached; return how many, and the file of a failing input."""
    from tests.fuzz.targets import SEEDS, TARGETS

    until = time.monotonic() + seconds
    done = 0
    while done < runs and time.monotonic() < until:
        for data in inputs(SEEDS[target], min(_BATCH, runs - done), seed=seed):
            done += 1
            try:
                TARGETS[target](data)
            except Exception:  # noqa: BLE001 - whatever it is, it is a finding
                traceback.print_exc()
                return done, _write_failure(out, target, data)
        seed += 1
    return done, None


def _write_failure(out: Path, target: str, data: bytes) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{target}-failure.bin"
    path.write_bytes(data)
    return path


def fuzz_by_coverage(target: str, *, runs: int, seconds: float, out: Path) -> tuple[int, Path | None]:
    """Run a target under libFuzzer in a process of its own, from the kept corpus on."""
    from tests.fuzz.targets import SEEDS

    corpus = out / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(SEEDS[target]):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.meters", "--target", target, "--in-process", str(corpus)]
    command += [
        f"-max_total_time={max(1, round(seconds))}",
        "-max_len=4096",
        "-timeout=20",
        "-rss_limit_mb=1024",
    ]
    command += ["-print_final_stats=1", f"-artifact_prefix={out}/{target}-", f"-runs={runs}"]
    before = set(out.glob(f"{target}-*"))
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    executed = _EXECUTED.search(ended.stderr)
    failed = sorted(set(out.glob(f"{target}-*")) - before)
    if ended.returncode:
        sys.stderr.write(ended.stderr[-4_000:])
        failed = failed or [_write_failure(out, target, b"")]
    return int(executed[1]) if executed else 0, failed[0] if ended.returncode else None


def _in_process(target: str, rest: Sequence[str]) -> None:
    """Become libFuzzer; does not return."""
    import atheris

    with atheris.instrument_imports(include=["meter_io", "firmware_app"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *rest], TARGETS[target])
    atheris.Fuzz()


def _add_up(out: Path, target: str, executed: int, seconds: float) -> dict[str, Any]:
    """Add a run to the record of all runs and return the record."""
    path = out / "meters.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    entry = record.setdefault(target, {"inputs": 0, "seconds": 0.0})
    entry["inputs"] += executed
    entry["seconds"] = round(entry["seconds"] + seconds, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(record, indent=2) + "\n")
    beside.replace(path)
    return record


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.meters", description=__doc__)
    parser.add_argument("--target", action="append", help="one or more; all if not given")
    parser.add_argument("--runs", type=int, default=1_000_000_000, help="inputs for each target")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for each target")
    parser.add_argument("--engine", choices=("coverage", "mutation"), help="coverage needs atheris")
    parser.add_argument("--seed", type=int, default=1, help="of the mutation engine")
    parser.add_argument("--out", type=Path, default=OUT, help="corpus, failures, and the record of all runs")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz, print the throughput of each target and the total of all runs; 1 if an input fails."""
    args, rest = _parser().parse_known_args(argv)
    if args.in_process:
        _in_process(args.target[0], rest)
    known = names()
    targets = args.target or known
    if rest or not set(targets) <= set(known):
        _say(f"unknown: {rest or sorted(set(targets) - set(known))}; targets are {', '.join(known)}")
        return 2
    if args.replay:
        from tests.fuzz.targets import TARGETS

        TARGETS[targets[0]](args.replay.read_bytes())
        _say(f"{args.replay} passes")
        return 0
    engine = args.engine or ("coverage" if importlib.util.find_spec("atheris") else "mutation")
    for target in targets:
        began = time.monotonic()
        if engine == "coverage":
            done, failed = fuzz_by_coverage(target, runs=args.runs, seconds=args.seconds, out=args.out)
        else:
            done, failed = fuzz_by_mutation(
                target, runs=args.runs, seconds=args.seconds, seed=args.seed, out=args.out
            )
        taken = time.monotonic() - began
        record = _add_up(args.out, target, done, taken)
        total = sum(entry["inputs"] for entry in record.values())
        rate = done / max(taken, 0.001)
        _say(f"{target:<16} {done:>10,} inputs  {rate:>8,.0f}/s  {total:>12,} in all runs")
        if failed:
            _say(f"FAILED: python -m tests.fuzz.meters --target {target} --replay {failed}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
