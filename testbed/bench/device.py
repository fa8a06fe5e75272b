"""What a whole board costs in a day of trading: bytes to the flash by file, commits, memory, CPU.

A simulated village trades for a day. One of its homes is the device as `gridlight run` builds it: meter read every ten
seconds, forecast, bidder, trader, both stores. What it is told is put on a tape and played to the same board in a
process of its own with real files, where the kernel counts. Sockets and serial lines are not in it: what the whole
program holds is told by `joined.py`, joined to a broker, and of a week by `gridlight-testbed week`. With
`--armhf-root` a part of the day is played on the board's processor as well, emulated, and instructions are counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TextIO

from light_client.rules.encoding import encode
from light_client.session.actor import Actor, Effect, Event, PeerName, Storage
from testbed.bench import joined
from testbed.bench.armhf import INSTRUCTIONS_PER_MS
from testbed.bench.device_board import Board, BoardSpec
from testbed.bench.device_day import write_event, write_spec
from testbed.bench.emulator import Emulator, EmulatorError, missing
from testbed.bench.section import DisagreementError, Options, Section, Step, at_most
from testbed.cast import DSO, Cast
from testbed.network.simulator import Simulator
from testbed.scenarios import catalogue
from testbed.scenarios.model import HomeDay
from testbed.scenarios.part import part_of
from testbed.simulation.day import METER_LINK, TIER_LINK, cast_of

SUMMARY: Final = (
    "A whole board for a day of trading: bytes written by file, commits, memory, CPU; joined to a broker."
)
_DAY: Final = 96
_QUICK: Final = (44, 8)
"""Intervals left out, and traded, of the quick case: around noon, when most is sold."""
_ASKED_BYTES: Final = 5_000_000
_ASKED_KB: Final = 50_000
JOINED: Final = "memory of the whole program in a fleet, over TLS"
_ASKED_CPU: Final = 0.02
_LIMIT_S: Final = 900
_EMULATED: Final = (1, 5)
"""Intervals that are played on the emulated processor in two runs, whose difference is the work without the start."""


def steps(options: Options) -> int:
    """How many cases there are."""
    return 2 + (not missing(options.armhf_root)) + (not joined.lacking())


def measure(options: Options, step: Step) -> Section:
    """Record a day, play it again.

    Raises:
        DisagreementError: the board did not trade, or not the second time.
    """
    file = catalogue.find("village")
    scenario = catalogue.build(file, seed=1)
    if options.quick:
        skip, intervals = _QUICK
        scenario = part_of(scenario, skip=skip, intervals=intervals)
    cast = cast_of(file, scenario, 1)
    length_ms = scenario.interval_s * 1_000
    from_ms = scenario.first_interval * length_ms
    to_ms = (scenario.last_interval + 1) * length_ms
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-tape-") as folder:
        tape = Path(folder) / "tape.jsonl"
        step("the day of a simulated village")
        recorded = record(cast, tape, Path(folder), to_ms + 60_000)
        step("the board's day again, with real files")
        played = _played(tape, from_ms, to_ms)
        in_fleet = _joined(step)
        instructions = _instructions(options, step, tape, (from_ms + to_ms) // 2, length_ms)
    if not recorded or played["trades"] != recorded:
        raise DisagreementError(f"the board made {recorded} trades, and {played['trades']} the second time")
    section = _section(played, (to_ms - from_ms) // length_ms, (to_ms - from_ms) / 1_000, instructions)
    return _with_joined(section, in_fleet)


class _Recorded:
    """A board with a tape."""

    def __init__(self, board: Board, tape: TextIO) -> None:
        self.name = board.name
        self._board = board
        self._tape = tape

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        write_event(self._tape, event, now_ms)
        return self._board.handle(event, now_ms)


def record(cast: Cast, tape: Path, folder: Path, until_ms: int) -> int:
    """Let the grid live with a real board in it; return how many final trades that board has."""
    name, home = _sunniest(cast)
    spec = _spec_of(cast, name, home)
    boards: list[Board] = []
    simulator = Simulator(seed=1, start_ms=cast.start_ms, link=TIER_LINK)
    simulator.on_report = lambda _: None
    with tape.open("w", encoding="ascii") as file:
        write_spec(file, spec)

        def board(storage: Storage) -> Actor:
            boards.append(Board(spec, folder, storage))
            return _Recorded(boards[-1], file)

        for miner in cast.miner_names:
            simulator.add(miner, partial(cast.miner, miner))
        for solver in cast.solver_names:
            simulator.add(solver, partial(cast.solver, solver))
        simulator.add(DSO, cast.operator)
        for meter in cast.meter_names:
            simulator.add(meter, board if meter == name else partial(cast.meter, meter))
            for other in (*cast.miner_names, DSO):
                simulator.set_link(meter, other, METER_LINK)
                simulator.set_link(other, meter, METER_LINK)
        simulator.run(until_ms)
    (ours,) = boards
    ours.store.close()
    return sum(len(order.trades) for order in ours.device.trader.orders())


def _sunniest(cast: Cast) -> tuple[PeerName, HomeDay]:
    """The home without a battery that has most to sell."""
    homes = {home.home_id: home for home in cast.scenario.homes if home.battery is None}
    names = {name: homes[home_id] for name, home_id in cast.meter_names.items() if home_id in homes}
    return max(names.items(), key=lambda item: sum(item[1].pv_j) - sum(item[1].load_j))


def _spec_of(cast: Cast, name: PeerName, home: HomeDay) -> BoardSpec:
    whole = next(
        each
        for each in catalogue.build(catalogue.find("village"), seed=1).homes
        if each.home_id == home.home_id
    )
    return BoardSpec(
        name=name,
        genesis=encode(cast.genesis.to_wire()).hex(),
        identity=cast.secret("meter", home.home_id).hex(),
        seed=sha256(cast.secret("wallet", home.home_id)).hexdigest(),
        feeder=home.feeder,
        servers=cast.miner_names,
        operator=DSO,
        net_j=tuple(load - sun for load, sun in zip(whole.load_j, whole.pv_j, strict=True)),
        chance=f"bench/{name}",
    )


def _played(tape: Path, from_ms: int, to_ms: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "testbed.bench.device_day", str(tape), str(from_ms), str(to_ms)]
    done = subprocess.run(  # noqa: S603 - our own words
        words, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    if done.returncode:
        raise DisagreementError(
            f"the replay failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}"
        )
    played: dict[str, Any] = json.loads(done.stdout)
    return played


def _instructions(options: Options, step: Step, tape: Path, from_ms: int, length_ms: int) -> int | None:
    """Instructions that an interval in the middle takes the board's processor; None where none can be counted."""
    if missing(options.armhf_root) or options.armhf_root is None:
        return None
    step("a part of the board's day on its processor, emulated")
    with tempfile.TemporaryDirectory(prefix="gridlight-armhf-") as folder:
        try:
            emulator = Emulator.prepare(options.armhf_root.resolve(), Path(folder))

            def count(intervals: int) -> int:
                to_ms = from_ms + intervals * length_ms
                return emulator.count("-m", "testbed.bench.device_day", str(tape), str(from_ms), str(to_ms))

            fewer, more = _EMULATED
            count(fewer)  # compiles what is imported, as an installed package is compiled
            return (count(more) - count(fewer)) // (more - fewer)
        except EmulatorError as error:
            raise DisagreementError(str(error)) from None


def _joined(step: Step) -> dict[str, Any]:
    """What a device in a fleet holds; empty where there is no broker."""
    if joined.lacking():
        return {}
    step("the whole program, joined to a broker")
    return joined.measure()


def _with_joined(section: Section, found: dict[str, Any]) -> Section:
    if not found:
        return replace(section, lines=[*section.lines, f"no joined device: {joined.lacking()}"])
    lines = [f"{name.replace('_', ' '):<30} {value:>14,}" for name, value in found.items()]
    peak = at_most(JOINED, "kB", asked=_ASKED_KB, measured=found["joined_peak_kb"])
    return Section(
        document={**section.document, **found}, lines=section.lines + lines, aims=[*section.aims, peak]
    )


def _section(played: dict[str, Any], intervals: int, seconds: float, instructions: int | None) -> Section:
    days = intervals / _DAY
    row = {
        "intervals": intervals,
        "written_bytes_per_day": round(played["written_bytes"] / days),
        "market_bytes_per_day": round(played["market_bytes"] / days),
        "history_bytes_per_day": round(played["history_bytes"] / days),
        "market_commits_per_interval": round(played["market_commits"] / intervals, 2),
        "history_commits_per_interval": round(played["history_commits"] / intervals, 2),
        "cpu_ms_per_interval": round(1_000 * played["cpu_s"] / intervals, 2),
        "cpu_share": round(played["cpu_s"] / seconds, 6),
        "resident_kb": played["resident_kb"],
        "offers": played["offers"],
        "trades": played["trades"],
    }
    if instructions is not None:
        row["armhf_instructions_per_interval"] = instructions
        row["armhf_cpu_share"] = round(instructions / (INSTRUCTIONS_PER_MS * 1_000 * seconds / intervals), 6)
    lines = [f"{name.replace('_', ' '):<30} {value:>14,}" for name, value in row.items()]
    aims = [
        at_most(
            "memory of the board without its sockets", "kB", asked=_ASKED_KB, measured=row["resident_kb"]
        ),
        at_most("CPU of the board, natively", "of one core", asked=_ASKED_CPU, measured=row["cpu_share"]),
    ]
    if "armhf_cpu_share" in row:
        share = row["armhf_cpu_share"]
        aims.append(
            at_most("CPU of the board, on its processor", "of one core", asked=_ASKED_CPU, measured=share)
        )
    if played["written_bytes"]:
        written = row["written_bytes_per_day"]
        aims.append(at_most("flash of a day of trading", "bytes a day", asked=_ASKED_BYTES, measured=written))
    else:
        lines.append("the kernel counts no bytes here (a memory disk?): nothing is said about flash")
    return Section(document=row, lines=lines, aims=aims)
