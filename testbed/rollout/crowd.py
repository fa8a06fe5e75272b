"""Some meters of a rollout, in one process: boards and their lines, turned by one selector and a heap of times."""

from __future__ import annotations

import heapq
import selectors
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from firmware_app.fleet.events import Moment
from firmware_app.fleet.memory import Phase
from firmware_app.fleet.topics import Topics
from firmware_app.management.backoff import Backoff
from testbed.rollout.board import BEAT_MS, OUT_MS, Board, PowerCutError, Word, moment
from testbed.rollout.fate import Fate
from testbed.rollout.line import Line, Traffic

_KEEP_ALIVE_MS: Final = 60_000
_LONGEST_TURN_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A board with what it needs to connect."""

    board: Board
    tls: ssl.SSLContext


class Crowd:
    """Boards at their lines. Call ``turn`` again and again."""

    def __init__(
        self, seats: Iterable[Seat], topics: Topics, host: str, port: int, *, seed: int, spread_s: float
    ) -> None:
        """Prepare; nobody is switched on yet.

        Args:
            spread_s: over so long the first connections are made.
        """
        self._host, self._port = host, port
        self._chance = Random(seed)  # noqa: S311 - when boards connect, to be drawn again
        self._selector = selectors.DefaultSelector()
        self._times: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._watched: dict[_Member, tuple[int, int]] = {}
        """Descriptor and events."""
        self._dialling: deque[_Member] = deque()
        """Who is to connect, which blocks: one each turn, so that a crowd that comes back starves nobody's beat."""
        self.traffic = Traffic()
        self.lost = 0
        self._members = [_Member(seat, topics, self) for seat in seats]
        for member in self._members:
            if member.board.fate is not Fate.OFFLINE:
                self.later(int(1_000 * spread_s * self._chance.random()), member.switch_on)

    # -- time ----------------------------------------------------------------------------------------------------------

    def later(self, after_ms: int, what: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._times, (now_ms() + after_ms, next(self._numbers), what))

    def turn(self) -> None:
        """Read what has come and do what is due; waits a little where there is nothing."""
        due_ms = self._times[0][0] - now_ms() if self._times else 1_000
        due_ms = 0 if self._dialling else due_ms
        for key, events in self._selector.select(max(0.0, min(_LONGEST_TURN_S, due_ms / 1_000))):
            member: _Member = key.data
            member.serve(events)
        end_ms = now_ms() + int(1_000 * _LONGEST_TURN_S)
        while self._times and self._times[0][0] <= now_ms() < end_ms:
            heapq.heappop(self._times)[2]()
        if self._dialling:
            self._dialling.popleft().connect()

    # -- commands ------------------------------------------------------------------------------------------------------

    def bring_back(self) -> None:
        """Switch on who was away."""
        for member in self._members:
            if not member.board.starts:
                self.later(int(5_000 * self._chance.random()), member.switch_on)

    def close(self) -> None:
        """Let everybody go, with a word to the broker."""
        for member in self._members:
            self.unwatch(member)
            member.line.drop(politely=True)
        self._selector.close()

    # -- what is seen --------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Meters by what they are doing, as they know it themselves."""
        found: Counter[str] = Counter(_standing(member) for member in self._members)
        return dict(found)

    @property
    def connected(self) -> int:
        """Lines that stand."""
        return sum(member.line.is_ready for member in self._members)

    def truths(self) -> Iterator[dict[str, Any]]:
        """How every board really stands."""
        return (member.board.truth() for member in self._members)

    # -- sockets -------------------------------------------------------------------------------------------------------

    def watch(self, member: _Member) -> None:
        """Look after a member's socket."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if member.line.wants_write else 0)
        number = member.line.fileno()
        before = self._watched.get(member)
        if before == (number, wanted):
            return
        if before is not None:
            self.unwatch(member)
        self._selector.register(number, wanted, member)
        self._watched[member] = (number, wanted)

    def watches(self, member: _Member) -> bool:
        """Whether it looks after a member's socket."""
        return member in self._watched

    def unwatch(self, member: _Member) -> None:
        """Look after it no more: its socket is about to be closed, or the library has closed it just now."""
        before = self._watched.pop(member, None)
        if before is not None:
            self._selector.unregister(before[0])

    def queue(self, member: _Member) -> None:
        """Let a member connect as soon as it is its turn."""
        self._dialling.append(member)

    def dial(self, line: Line, will: Word) -> None:
        """Connect a line.

        Raises:
            OSError: it cannot be.
        """
        line.connect(self._host, self._port, will)

    def pause(self) -> Backoff:
        """When a member tries again."""
        return Backoff(self._chance.random)

    def tenth(self) -> float:
        """Some chance, so that beats do not fall together."""
        return 0.95 + 0.1 * self._chance.random()


class _Member:
    """One board at its line."""

    def __init__(self, seat: Seat, topics: Topics, crowd: Crowd) -> None:
        self.board = seat.board
        self._crowd = crowd
        self._pause = crowd.pause()
        self.line = Line(seat.board.facts.name, topics, seat.tls, crowd.traffic, self._hear)
        self._beats = False
        self._greeted = False
        self._dials_again = False

    def switch_on(self) -> None:
        if not self.board.starts:
            self._crowd.later(_KEEP_ALIVE_MS, self._keep_alive)
        self._do(self.board.start)
        self._crowd.queue(self)

    def serve(self, events: int) -> None:
        stands = True
        if events & selectors.EVENT_WRITE:
            stands = self.line.write()
        if stands and events & selectors.EVENT_READ:
            stands = self.line.read()
        self._after(stands=stands)

    def _after(self, *, stands: bool) -> None:
        if not self.board.is_up or self.line.fileno() < 0:
            if not self.board.is_up:
                return
            stands = False
        if not stands:
            self._lose()
            return
        if self.line.is_ready and not self._greeted:
            self._greeted = True
            now = present()
            self.line.say(self.board.birth(now))
            self.line.say(self.board.report())
            self._do(self.board.beat)
        if self.line.fileno() >= 0:
            self._crowd.watch(self)

    def connect(self) -> None:
        self._dials_again = False
        if not self.board.is_up or self.line.fileno() >= 0:
            return
        self._greeted = False
        try:
            self._crowd.dial(self.line, self.board.will(present()))
        except OSError:
            self._lose()
            return
        self._after(stands=True)

    def _lose(self) -> None:
        """The connection broke: begin anew after a pause."""
        if self._dials_again:
            return
        self._dials_again = True
        self._crowd.lost += 1
        self._crowd.unwatch(self)
        self.line.drop()
        self._crowd.later(int(1_000 * self._pause.after(0.0)), self._dial)

    def _dial(self) -> None:
        self._crowd.queue(self)

    def _keep_alive(self) -> None:
        self._crowd.later(_KEEP_ALIVE_MS, self._keep_alive)
        if self.line.fileno() >= 0 and not self.line.keep_alive():
            self._lose()

    def _hear(self, payload: bytes) -> None:
        if self.board.is_up:
            self._do(lambda now: self.board.offer(payload, now))

    def _do(self, what: Callable[[Moment], list[Word]]) -> None:
        try:
            for word in what(present()):
                self.line.say(word)
        except PowerCutError:
            self._crowd.unwatch(self)
            self.line.drop()
            self._beats = False
            self._crowd.later(OUT_MS, self.switch_on)
            return
        if self._crowd.watches(self) and self.line.fileno() < 0:
            self._lose()  # the library closes a socket that it could not write to, and its number is soon another's
        if self.board.wants_beat and not self._beats:
            self._beats = True
            self._crowd.later(int(BEAT_MS * self._crowd.tenth()), self._beat)

    def _beat(self) -> None:
        if self._beats:
            self._beats = False
            self._do(self.board.beat)


def _standing(member: _Member) -> str:
    board = member.board
    if not board.starts:
        return "away"
    if not board.is_up:
        return "without power"
    if board.disk.phase is not Phase.SETTLED:
        return {Phase.ROLLING_BACK: "going back"}.get(board.disk.phase, "on trial")
    if board.disk.failure is not None:
        return "rolled back"
    return "new" if board.disk.current.order[1] else "old"


def now_ms() -> int:
    """Monotonic ms."""
    return time.monotonic_ns() // 1_000_000


def present() -> Moment:
    """Now."""
    return moment(now_ms(), time.time_ns() // 1_000_000)
