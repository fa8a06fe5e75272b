"""A week of mishaps for one real device beside a live tier: set up, played, and looked at afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from firmware_app.config.check import STORE
from firmware_app.reconcile.sealing import public_seal_key
from firmware_app.store.device_store import FILE_NAME
from testbed.boards.lines import Lines
from testbed.live.deployment import HOST, Deployment, deploy
from testbed.live.staging import Staging
from testbed.live.up import Running, Show, State, run
from testbed.live.watching import View
from testbed.scenarios import catalogue
from testbed.week.board import Board, sunniest
from testbed.week.card import Card, keep_mounts_apart
from testbed.week.left import Left, look
from testbed.week.mishaps import ON_CARD, Kind, Mishap, faults_of
from testbed.week.operator import OperatorsBroker
from testbed.week.promises import Played, Promise, Week, promises

SCENARIO: Final = "village"
BOARD: Final = "board"
"""Whose lines they are."""
_DAY_MS: Final = 86_400_000
_METERS_PER_PROCESS: Final = 26
_ORDERS: Final = b"/orders"
"""Stands in the pages of the orders; the last page with it has the newest ones."""
_CLOCK: Final = "[clock]\njump_ms = 60000\n"
"""See `doubted_time.py`."""


def without_card(mishaps: Iterable[Mishap]) -> tuple[Mishap, ...]:
    """Those of a script that happen to any disk."""
    return tuple(mishap for mishap in mishaps if mishap.kind not in ON_CARD)


@dataclass(slots=True, kw_only=True)
class Player:
    """Watches a run like a display, hands everything on to one, and lets things go wrong."""

    show: Show
    board: Board
    lines: Lines
    mishaps: tuple[Mishap, ...]
    broker: OperatorsBroker | None = None
    """None where it plays no part."""
    missed: list[str] = field(default_factory=list)
    """Mishaps of the broker after which the device has not come back to it, until it does."""
    _seen: int = 0
    played: list[Played] = field(default_factory=list)
    """What is over, in the order in which it ended."""
    died: list[int] = field(default_factory=list)
    """Exit codes of lives that ended by themselves; the device is switched on again, as systemd would."""
    _lasting: dict[Mishap, int] = field(default_factory=dict)
    """What goes wrong at present -> since when."""
    _weigh_ms: int = 0
    """When to look at its memory next, UTC ms."""

    def starting(self, ready: int, total: int) -> None:
        """Some of the processes are ready."""
        self.show.starting(ready, total)

    def begun(self, running: Running) -> None:
        """The clock runs: the board, too."""
        self.show.begun(running)
        self.board.begin(running.clock)

    def progress(self, running: Running, view: View) -> None:
        """Called several times a second."""
        self.show.progress(running, view)
        scenario, now_ms = running.deployment.cast.scenario, running.clock.now_ms()
        length_ms = scenario.interval_s * 1_000
        first_ms = scenario.first_interval * length_ms
        for mishap in self._coming():
            if now_ms >= mishap.begins_ms(first_ms, length_ms):
                self._lasting[mishap] = now_ms
                self._begin(mishap)
        for mishap, begun_ms in [*self._lasting.items()]:
            if now_ms >= mishap.ends_ms(first_ms, length_ms):
                self._end(mishap)
                del self._lasting[mishap]
                self.played.append(Played(mishap, begun_ms, now_ms))
        if self.missed and self.broker is not None and self.broker.seen() > self._seen:
            self.missed.clear()
        if now_ms >= self._weigh_ms:
            self._weigh_ms = now_ms + length_ms
            self.board.weigh(now_ms)
        process = self.board.process
        if process is not None and (code := process.poll()) is not None:
            self.died.append(code)
            self.board.switch_on()

    @property
    def lasting(self) -> tuple[Mishap, ...]:
        """What goes wrong at present."""
        return tuple(self._lasting)

    def _coming(self) -> list[Mishap]:
        over = {played.mishap for played in self.played}
        return [one for one in self.mishaps if one not in over and one not in self._lasting]

    def _begin(self, mishap: Mishap) -> None:
        kind = mishap.kind
        match kind:
            case Kind.POWER_CUT | Kind.PAGE_OF_HISTORY | Kind.PAGE_OF_MARKET:
                self._cut_power(kind)
            case Kind.DISK_FULL | Kind.DISK_DEAD:
                self.board.limit_disk(self.board.shortest_log() if kind is Kind.DISK_FULL else 0)
            case Kind.CARD_FULL:
                self._card.fill()
            case Kind.CARD_FAILED:
                self._card.fail()
            case Kind.CLOCK_AHEAD | Kind.CLOCK_BACK:
                self.board.set_wall_clock(_DAY_MS if kind is Kind.CLOCK_AHEAD else -_DAY_MS)
            case Kind.TIER_GONE:
                self.lines.cut(BOARD)
            case Kind.BROKER_GONE if self.broker is not None:
                self.broker.stop()
            case _:
                pass  # the meter's part stands in its own script, see `faults_of`

    @property
    def _card(self) -> Card:
        if self.board.card is None:
            raise RuntimeError("the board has no card of its own")
        return self.board.card

    def _cut_power(self, kind: Kind) -> None:
        board = self.board
        board.kill()
        match kind:
            case Kind.PAGE_OF_HISTORY:
                board.damage(FILE_NAME)
            case Kind.PAGE_OF_MARKET:
                board.damage(STORE, _ORDERS)
            case _:
                board.tear(STORE)
                board.tear(FILE_NAME)
        board.switch_on()

    def _end(self, mishap: Mishap) -> None:
        match mishap.kind:
            case Kind.DISK_FULL | Kind.DISK_DEAD:
                self.board.limit_disk(None)
            case Kind.CARD_FULL:
                self._card.drain()
            case Kind.CARD_FAILED:
                self.board.kill()
                self._card.repair()
                self.board.switch_on()
            case Kind.CLOCK_AHEAD | Kind.CLOCK_BACK:
                self.board.set_wall_clock(0)
            case Kind.TIER_GONE:
                self.lines.mend(BOARD)
            case Kind.BROKER_GONE if self.broker is not None:
                self._seen = self.broker.seen()
                self.missed.append(str(mishap))
                self.broker.start()
            case _:
                pass  # was over at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be played.

    Attributes:
        seed: of the scenario.
        skip: intervals of the first day before the run begins.
        intervals: of the run.
        speed: virtual seconds in a real one.
        mishaps: what goes wrong.
    """

    seed: int
    skip: int
    intervals: int
    speed: int
    mishaps: tuple[Mishap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """How it went."""

    state: State
    board: Board
    week: Week
    left: Left
    promises: tuple[Promise, ...]
    lives: int
    died: tuple[int, ...]
    """Exit codes of lives that ended by themselves."""

    @property
    def broken(self) -> int:
        """How often a promise was broken."""
        return sum(len(promise.broken) for promise in self.promises)


async def live_through(plan: Plan, folder: Path, show: Show) -> Lived:
    """Play it in an empty folder, and look at what is left.

    Raises:
        CardError: the script needs a card of the board's own, and there can be none.
        NoBrokerError: the script needs mosquitto, and there is none.
        SupervisorError: a process of the tier cannot run.
        InterruptedRunError: a signal came before it had begun.
    """
    deployment, board = _set_up(plan, folder)
    lines = Lines()
    seal_key = public_seal_key(deployment.cast.secret("seal")).hex()
    with_card = any(mishap.kind in ON_CARD for mishap in plan.mishaps)
    if with_card:
        keep_mounts_apart()
    board.write(
        _laid(lines, deployment),
        extra=f"{_CLOCK}[report]\noperator_key = '{seal_key}'\n",
        with_card=with_card,
    )
    broker = _broker_for(plan, folder, board)
    player = Player(show=show, board=board, lines=lines, mishaps=plan.mishaps, broker=broker)
    code = -1
    try:
        outcome = await run(deployment, player)
    finally:
        code = board.end()
        lines.close()
        if broker is not None:
            broker.stop()
    scenario = deployment.cast.scenario
    week = Week(
        first=scenario.first_interval,
        last=scenario.last_interval,
        interval_s=scenario.interval_s,
        mishaps=tuple(player.played),
        code=code,
        missed=tuple(player.missed),
    )
    left = look(board, deployment, None if broker is None else broker.reports())
    if board.card is not None:
        board.card.take_out()
    return Lived(
        state=outcome.state,
        board=board,
        week=week,
        left=left,
        promises=promises(left, week),
        lives=board.lives,
        died=tuple(player.died),
    )


def _broker_for(plan: Plan, folder: Path, board: Board) -> OperatorsBroker | None:
    """A broker that the board belongs to, running, where it plays a part."""
    if all(mishap.kind is not Kind.BROKER_GONE for mishap in plan.mishaps):
        return None
    broker = OperatorsBroker(folder / "broker")
    broker.take_in(board.document)
    broker.start()
    return broker


def _laid(lines: Lines, deployment: Deployment) -> dict[str, int]:
    """A line from the board to each server -> the port at which it begins."""
    ends = {name: urlsplit(address.endpoint) for name, address in deployment.servers.items()}
    return {name: lines.lay(BOARD, end.hostname or HOST, end.port or 0) for name, end in ends.items()}


def _set_up(plan: Plan, folder: Path) -> tuple[Deployment, Board]:
    """Write everything down, for tier and board."""
    file = catalogue.find(SCENARIO)
    day = catalogue.build(file, seed=plan.seed)
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=plan.seed,
        skip=plan.skip,
        intervals=plan.intervals,
        days=-(-(plan.skip + plan.intervals) // day.intervals),
        miners=file.tier.miners,
        solvers=file.tier.solvers,
        speed=plan.speed,
    )
    home = sunniest(day)
    deployment = deploy(
        folder, file, staging, meters_per_process=_METERS_PER_PROCESS, elsewhere={home.home_id}
    )
    cast = deployment.cast
    length_ms = cast.scenario.interval_s * 1_000
    first_ms = cast.scenario.first_interval * length_ms
    faults = faults_of(plan.mishaps, first_ms=first_ms, length_ms=length_ms, plugged_ms=cast.start_ms)
    (folder / "device").mkdir()
    board = Board(
        folder=folder / "device", deployment=deployment, home=home, day=day, faults=faults, doubts_clock=True
    )
    return deployment, board
