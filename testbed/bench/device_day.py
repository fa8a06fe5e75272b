"""A board's day played again in a process of its own, with real files: what it writes, computes and holds.

Usage: python -m testbed.bench.device_day TAPE FROM_MS TO_MS

The tape holds what a board of a simulated grid was told, line by line. Playing it to the same board makes it decide,
sign and write the same, while nothing of the tier is in the process. The modules of a real `gridlight run` are loaded
besides, so that memory is not flattered.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any, Final, TextIO

from firmware_app.store.state import open_state
from firmware_app.store.written import bytes_written
from light_client.session.actor import Event, Received, Started, TimerFired, Write
from light_client.store.batch import Compartment, Store
from light_client.store.holding import Held
from testbed.bench.device_board import Board, BoardSpec
from testbed.bench.store_writer import peak_kb

_WHOLE_PROGRAM: Final = ("firmware_app.run", "firmware_app.device.market_part", "firmware_app.device.windows")


def write_spec(tape: TextIO, spec: BoardSpec) -> None:
    """The first line of a tape."""
    tape.write(json.dumps(asdict(spec)) + "\n")


def write_event(tape: TextIO, event: Event, now_ms: int) -> None:
    """A further line."""
    line: list[object] = [now_ms, "started"]
    match event:
        case Received(peer=peer, message=message):
            line = [now_ms, "received", peer, message.hex()]
        case TimerFired(name=name):
            line = [now_ms, "timer", name]
    tape.write(json.dumps(line) + "\n")


def _events(tape: TextIO) -> Iterator[tuple[int, Event]]:
    for text in tape:
        match json.loads(text):
            case [now_ms, "received", peer, message]:
                yield now_ms, Received(peer=peer, message=bytes.fromhex(message))
            case [now_ms, "timer", name]:
                yield now_ms, TimerFired(name=name)
            case [now_ms, "started"]:
                yield now_ms, Started()


class _Market:
    """The market part's file, driven as the live driver does, and what that costs."""

    def __init__(self, store: Store, owner: str) -> None:
        self.compartment = Compartment(store, owner)
        self._store = store
        self._held = Held()
        self.commits = self.written = 0

    def take(self, writes: list[Write], now_ms: int) -> None:
        due = self._held.due([self.compartment.owned(write) for write in writes], now_ms)
        if due:
            before = bytes_written() or 0
            self._store.commit(due)
            self.commits += 1
            self.written += (bytes_written() or 0) - before


class _Account:
    """What was spent up to a moment."""

    def __init__(self, market: _Market, history_commits: int) -> None:
        self.cpu_s = process_time()
        self.written = bytes_written() or 0
        self.market_written = market.written
        self.market_commits = market.commits
        self.history_commits = history_commits


def play(tape: TextIO, folder: Path, from_ms: int, to_ms: int) -> dict[str, Any]:
    """Play a tape; return what the time from one moment to another cost."""
    fields = json.loads(tape.readline())
    spec = BoardSpec(**{**fields, "servers": tuple(fields["servers"]), "net_j": tuple(fields["net_j"])})
    state = open_state(folder / "market.sqlite", wallets=())
    market = _Market(state.storage, spec.name)
    board = Board(spec, folder, market.compartment)
    history_commits = 0
    begun: _Account | None = None
    ended: _Account | None = None
    for now_ms, event in _events(tape):
        if begun is None and now_ms >= from_ms:
            begun = _Account(market, history_commits)
        if now_ms >= to_ms:
            ended = _Account(market, history_commits)
            break
        before = bytes_written() or 0
        effects = board.handle(event, now_ms)
        history_commits += (bytes_written() or 0) > before
        market.take([effect for effect in effects if isinstance(effect, Write)], now_ms)
    orders = board.device.trader.orders()
    state.storage.close()
    board.store.close()
    if begun is None or ended is None:
        raise ValueError(f"the tape does not reach from {from_ms} to {to_ms}")
    written = ended.written - begun.written
    market_written = ended.market_written - begun.market_written
    return {
        "written_bytes": written,
        "market_bytes": market_written,
        "history_bytes": written - market_written,
        "market_commits": ended.market_commits - begun.market_commits,
        "history_commits": ended.history_commits - begun.history_commits,
        "cpu_s": ended.cpu_s - begun.cpu_s,
        "offers": len([order for order in orders if order.sent_at_ms is not None]),
        "trades": sum(len(order.trades) for order in orders),
        "resident_kb": peak_kb(),
    }


def main(tape: str, from_ms: str, to_ms: str) -> None:
    """Play a tape in a folder below the present one, and print what it cost."""
    for module in _WHOLE_PROGRAM:
        import_module(module)
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-device-") as folder,
        Path(tape).open(encoding="ascii") as file,
    ):
        json.dump(play(file, Path(folder), int(from_ms), int(to_ms)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
