"""What can be told of the device without its service: board, clock, configuration and the store's file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from firmware_app.clock import sources
from firmware_app.clock.gate import Sync
from firmware_app.status.board import board_view
from firmware_app.status.checks import Check
from firmware_app.status.snapshot import Absent, Board, ClockView, ConfigView, Device, Life, Maybe, Snapshot
from firmware_app.version import VERSION

LIMIT_S: Final = 5.0
"""Longest that one look may take, seconds."""
NOT_RUNNING: Final = "not running"
"""The word that stands in place of a lifecycle state."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How to look: exchanged in tests, and by the composition root."""

    board: Callable[[], Board]
    clock: Callable[[], Sync]
    config: Callable[[], Maybe[ConfigView]]
    utc_ms: Callable[[], int]
    closely: Callable[[], Mapping[str, Callable[[], Iterator[Check]]]] = dict
    """Makes looks at what the configuration names: id of a check -> what does it; none where it cannot be used."""


def looks(
    store: Path,
    config: Callable[[], Maybe[ConfigView]],
    closely: Callable[[], Mapping[str, Callable[[], Iterator[Check]]]] = dict,
) -> Looks:
    """Looks at this board.

    Args:
        store: where the store is, or will be.
        config: reads the configuration as deeply as that is possible without opening a port.
        closely: makes looks at what the configuration names.
    """
    return Looks(
        board=lambda: board_view(store),
        clock=lambda: sources.ask(sources.libc_adjtimex()),
        config=config,
        utc_ms=lambda: time.time_ns() // 1_000_000,
        closely=closely,
    )


def snapshot(why: str, looking: Looks, *, limit_s: float = LIMIT_S) -> Snapshot:
    """Look at everything at once; what takes too long or fails is absent, with the reason.

    Args:
        why: the service is not asked, one clause.
        looking: how.
        limit_s: for all of it, seconds: nobody waits for a doctor that hangs.
    """
    gone = Absent(why)
    pool = ThreadPoolExecutor(max_workers=3, thread_name_prefix="look")
    try:
        board, clock, config = (pool.submit(look) for look in (looking.board, looking.clock, looking.config))
        end_s = time.monotonic() + limit_s
        seen_board: Maybe[Board] = _result(board, end_s, limit_s)
        sync: Maybe[Sync] = _result(clock, end_s, limit_s)
        seen_config: Maybe[ConfigView] = _result(config, end_s, limit_s)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    believed = isinstance(sync, Sync) and sync.synchronised
    return Snapshot(
        made_utc_ms=looking.utc_ms() if believed else Absent("the clock is not synchronised"),
        made_monotonic_ms=time.monotonic_ns() // 1_000_000,
        zone_offset_s=time.localtime().tm_gmtoff,
        device=Device(name="this board", version=VERSION, up_ms=0, feeder=gone, genesis=gone),
        life=Life(state=NOT_RUNNING, since_ago_ms=0, sentence=f"{why[:1].upper()}{why[1:]}."),
        board=seen_board if isinstance(seen_board, Absent) else replace(seen_board, resident_bytes=gone),
        clock=_clock_view(sync),
        config=seen_config,
        meters=gone,
        market=gone,
        proof=gone,
        links=gone,
        forecast=gone,
        store=gone,
        slots=gone,
        parts=gone,
        day=gone,
    )


def _result(future: Any, end_s: float, limit_s: float) -> Any:
    try:
        return future.result(timeout=max(0.0, end_s - time.monotonic()))
    except TooLateError:
        return Absent(f"no answer within {limit_s:g} s")
    except Exception as error:  # noqa: BLE001 - one look that fails must not hide the others
        return Absent(f"{type(error).__name__}: {error}")


def _clock_view(sync: Maybe[Sync]) -> Maybe[ClockView]:
    """The system's clock as its time service sees it; the gate is the service's and is not there."""
    if isinstance(sync, Absent):
        return sync
    why = Absent(sync.reason or f"not told by {sync.source}")
    view = ClockView(
        state="trusted" if sync.synchronised else "untrusted",
        since_ago_ms=0,
        source=sync.source,
        offset_us=why,
        error_us=why,
        stratum=why,
        floor_utc_ms=Absent("the service is not running"),
        synchronised_ago_ms=0 if sync.synchronised else why,
        reason=sync.reason,
    )
    if sync.offset_us is not None:
        view = replace(view, offset_us=sync.offset_us)
    if sync.stratum is not None:
        view = replace(view, stratum=sync.stratum)
    return view
