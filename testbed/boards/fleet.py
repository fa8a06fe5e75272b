"""A fleet of boards as guests of a live run: switched on before its clock, broken by the script, asked, ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from firmware_app.runtime.clock import Clock
from testbed.boards.faults import LETHAL, BoardFault, FleetScript, Kind, midnight_ms
from testbed.boards.housing import Account, Housing, HousingError, Memory
from testbed.boards.plugged_meters import PluggedMeters
from testbed.boards.sites import Site
from testbed.cast import Cast
from testbed.live.up import Running
from testbed.live.watching import View

_ASK_EVERY_S: Final = 4.0
_WHOLE: Final = "whole solutions"


@dataclass(slots=True, kw_only=True)
class Seen:
    """What is known of one board."""

    site: Site
    status: dict[str, Any] = field(default_factory=dict)
    """What it said last."""
    memory: Memory | None = None
    """The most it ever held."""
    account: Account | None = None
    """What it did over all its lives."""
    is_off: bool = False
    accidents: list[str] = field(default_factory=list)
    code: int | None = None
    """With which it ended."""
    done_at_ms: int | None = None
    """When it was first seen to have verified everything, the run's time."""

    @property
    def height(self) -> int:
        """Of the newest block that it holds for true."""
        return int(self._proof.get("height", 0))

    @property
    def level(self) -> str:
        """How deep it verifies."""
        return str(self._proof.get("level", "nothing"))

    @property
    def _proof(self) -> dict[str, Any]:
        proof = self.status.get("proof")
        return proof if isinstance(proof, dict) else {}

    def has_verified(self, height: int) -> bool:
        """Whether it has verified everything up to a height."""
        return not self.is_off and self.height >= height and self.level == _WHOLE


class Fleet:
    """The boards, their meters, and what is done to them."""

    def __init__(
        self,
        sites: Sequence[Site],
        housing: Housing,
        meters: PluggedMeters,
        script: FleetScript,
        cast: Cast,
    ) -> None:
        self.seen = [Seen(site=site) for site in sites]
        self.failures: list[str] = []
        """What could not be done to a board."""
        self._housing = housing
        self._meters = meters
        self._script = script
        self._cast = cast
        self._work: list[asyncio.Task[None]] = []
        self._asked_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether each board says that only the clock is missing."""
        return all((seen.site.board.folder / "ready").exists() for seen in self.seen)

    async def start(self) -> None:
        """Switch all boards on; they make themselves ready."""
        for seen in self.seen:
            await asyncio.to_thread(self._housing.prepare, seen.site.board)
        for seen in self.seen:
            await asyncio.to_thread(self._housing.switch_on, seen.site.board)

    async def go(self, clock: Clock) -> None:
        """Plug the meters in, hand the clock over, and begin with the script."""
        self._meters.plug_in([seen.site for seen in self.seen], clock)
        facts = {
            "start_real_ms": clock.start_real_ms,
            "start_virtual_ms": clock.start_virtual_ms,
            "speed": clock.speed,
        }
        for seen in self.seen:
            folder = seen.site.board.folder
            fresh = folder / "clock.new"
            fresh.write_text(json.dumps(facts), encoding="utf-8")
            fresh.replace(folder / "clock.json")
        by_home = {seen.site.board.home_id: seen for seen in self.seen}
        self._work = [
            asyncio.create_task(self._play(fault, by_home[fault.home_id], clock))
            for fault in self._script.boards
        ]

    async def look(self, running: Running, view: View) -> bool:
        """Ask the boards every few seconds; return whether all have verified what is final."""
        now_s = time.monotonic()
        if now_s - self._asked_s >= _ASK_EVERY_S:
            await asyncio.gather(
                *(asyncio.to_thread(self._ask, seen) for seen in self.seen if not seen.is_off)
            )
            self._asked_s = time.monotonic()
        height = max((final.height for final in view.finals.values()), default=0)
        is_over = running.clock.now_ms() >= self._cast.end_ms
        for seen in self.seen:
            if is_over and seen.done_at_ms is None and seen.has_verified(height):
                seen.done_at_ms = running.clock.now_ms()
        return all(task.done() for task in self._work) and all(
            seen.done_at_ms is not None for seen in self.seen
        )

    async def stop(self) -> None:
        """End all boards, then their meters, then what they ran in."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        try:
            await asyncio.gather(*(asyncio.to_thread(self._end, seen) for seen in self.seen))
        finally:
            await asyncio.to_thread(self._meters.unplug)
            await asyncio.to_thread(self._housing.close)

    @property
    def lives(self) -> Counter[str]:
        """Board -> how often it was switched on."""
        lost = Counter(
            seen.site.board.name
            for seen in self.seen
            for word in seen.accidents
            if any(f":{kind.value}@" in word for kind in LETHAL)
        )
        return Counter({seen.site.board.name: 1 + lost[seen.site.board.name] for seen in self.seen})

    # -- one board -----------------------------------------------------------------------------------------------------

    async def _play(self, fault: BoardFault, seen: Seen, clock: Clock) -> None:
        midnight, housing = midnight_ms(self._cast), self._housing
        await asyncio.sleep(clock.real_seconds_until(midnight + fault.start_ms))
        seen.accidents.append(str(fault))
        begin, end = {
            Kind.DOWN: (housing.switch_off, housing.switch_on),
            Kind.CUT: (housing.cut, housing.mend),
            Kind.RESET: (housing.reset, None),
        }[fault.kind]
        seen.is_off = fault.kind is Kind.DOWN
        await self._do(begin, seen)
        await asyncio.sleep(clock.real_seconds_until(midnight + fault.end_ms))
        if end is not None:
            await self._do(end, seen)
        seen.is_off = False

    async def _do(self, what: Callable[[Any], None], seen: Seen) -> None:
        try:
            await asyncio.to_thread(what, seen.site.board)
        except HousingError as error:
            self.failures.append(str(error))

    def _ask(self, seen: Seen) -> None:
        """What it says of itself, and how much memory it holds; a board that is busy is asked again later."""
        try:
            status = self._housing.status(seen.site.board)
            memory = self._housing.memory(seen.site.board)
        except HousingError:
            return
        seen.status = status
        if memory is not None and (seen.memory is None or memory.guest > seen.memory.guest):
            seen.memory = memory

    def _end(self, seen: Seen) -> None:
        try:
            seen.code = self._housing.end(seen.site.board)
            seen.account = self._housing.account(seen.site.board)
        except HousingError as error:
            self.failures.append(str(error))
