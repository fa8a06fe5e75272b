"""The owner of one port: a state machine without I/O that says what to send and when.

    CLOSED   --time-->      OPENING    (Open)
    OPENING  --Opened-->    RESTING    until the delay after opening is over
    OPENING  --Lost-->      CLOSED     (Broken) 0.5 s, doubling to 30 s
    RESTING  --bytes-->     RESTING    nobody was asked: thrown away, or heard by the listener; the gap starts again
    RESTING  --time-->      ASKING     (Send) if a slave is due
    ASKING   --answer-->    RESTING    (Send later) the round's next question, or (Round)
    ASKING   --garbled-->   RESTING    the same question once more, then (Failed)
    ASKING   --time-->      RESTING    (Failed) and the slave backs off
    RESTING  --time-->      TALKING    (Send, Speed) if a slave is due that keeps its own time
    TALKING  --any-->       TALKING    (Send, Speed) until its end: RESTING, and (Round) or (Failed)
    any      --Lost-->      CLOSED     (Broken) the round under way is dropped, no slave is blamed

Which slave is due is the business of `roster`.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from meter_io.bus.dialogue import Ask, Dialogue, Said, Send, Speed, Step, Talk
from meter_io.bus.events import (
    Broken,
    Close,
    Effect,
    Event,
    Failed,
    Open,
    Opened,
    Received,
    Round,
    Time,
)
from meter_io.bus.roster import Roster
from meter_io.bus.slave import Poll, Pushing, Slave
from meter_io.bus.timing import REOPEN_FIRST_MS, REOPEN_LAST_MS, BusTiming, doubled_ms
from meter_io.errors import GarbledReply, MeterError, NoReply

_CHATTER_MS: Final = 500
"""Longest that bytes nobody asked for may keep us from asking: a longest frame at 9600 baud takes 300."""


class _State(Enum):
    CLOSED = auto()
    OPENING = auto()
    RESTING = auto()
    ASKING = auto()
    TALKING = auto()


class Bus:
    """All meters of one port.

    Attributes:
        wake_ms: when `Time` is wanted, if nothing happens before.
    """

    def __init__(
        self,
        polls: Sequence[Poll],
        *,
        timing: BusTiming,
        now_ms: int,
        pushing: Pushing | None = None,
    ) -> None:
        """Plan the first rounds.

        Raises:
            ValueError: two polls of one meter, or nothing to do.
        """
        if not polls and pushing is None:
            raise ValueError("a bus without a meter")
        self._timing = timing
        self._pushing = pushing
        self._heard_ms, self._silences = now_ms, 0
        self._roster = Roster(polls, timing=timing, now_ms=now_ms)
        self._state = _State.CLOSED
        self._breaks = 0
        self._rest_until_ms = self._chatter_until_ms = now_ms
        self._current: Slave | None = None
        self._previous: Slave | None = None
        self._dialogue: Dialogue | None = None
        self._talk: Talk | None = None
        self._next: Ask | None = None
        self._repeated = False
        self._began_ms = self._asked_ms = self._sent_size = 0
        self.wake_ms = now_ms

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; return what to do, in order."""
        effects: list[Effect]
        match event:
            case Time():
                effects = self._time(now_ms)
            case Received(data):
                effects = self._received(data, now_ms)
            case Opened():
                effects = self._opened(now_ms)
            case _:
                effects = self._lost(event.error, now_ms)
        self._plan_wake(now_ms)
        return effects

    # --- the port ---------------------------------------------------------------------------------------------

    def _opened(self, now_ms: int) -> list[Effect]:
        if self._state is _State.OPENING:
            self._breaks = 0
            self._heard_ms = now_ms  # nobody was silent while there was no port to hear them
            self._rest(now_ms, self._timing.post_open_ms)
        return []

    def _lost(self, error: MeterError, now_ms: int) -> list[Effect]:
        self._breaks += 1
        self._state = _State.CLOSED
        self._forget_round()
        self._rest_until_ms = now_ms + doubled_ms(self._breaks, REOPEN_FIRST_MS, REOPEN_LAST_MS)
        return [Close(), Broken(error=error, retry_ms=self._rest_until_ms)]

    # --- time -------------------------------------------------------------------------------------------------

    def _time(self, now_ms: int) -> list[Effect]:
        if self._state is _State.CLOSED and now_ms >= self._rest_until_ms:
            self._state = _State.OPENING
            return [Open()]
        if self._state is _State.ASKING and now_ms >= self._deadline_ms():
            return self._expired(now_ms)
        if self._state is _State.TALKING and self._talk is not None:
            return self._carry_on(self._talk.elapse(now_ms), now_ms)
        if self._state is _State.RESTING and now_ms >= self._rest_until_ms:
            return self._silence(now_ms) + self._ask(now_ms)
        return []

    def _silence(self, now_ms: int) -> list[Effect]:
        """Report a pushing meter that says nothing, once for each stretch of silence."""
        pushing = self._pushing
        if pushing is None or now_ms - self._heard_ms < pushing.silence_ms:
            return []
        self._heard_ms = now_ms
        self._silences += 1
        error = NoReply(
            f"no telegram came in {pushing.silence_ms // 1000} s",
            hint="check the cable and the meter's data output: gridlight doctor --port PORT",
        )
        retry_ms = now_ms + pushing.silence_ms
        return [Failed(meter=pushing.meter, error=error, failures=self._silences, retry_ms=retry_ms)]

    def _ask(self, now_ms: int) -> list[Effect]:
        """Go on with the round under way, or begin one."""
        if self._next is None:
            slave = self._roster.choose(now_ms)
            if slave is None:
                return []
            if self._previous not in {None, slave} and self._timing.turnaround_ms:
                self._previous = None  # wait once
                self._rest(now_ms, self._timing.turnaround_ms)
                return []
            self._current, self._previous, self._began_ms = slave, slave, now_ms
            begun = slave.poll.begin()
            if isinstance(begun, Talk):
                self._state, self._talk = _State.TALKING, begun
                return self._carry_on(begun.start(now_ms), now_ms)
            self._dialogue, self._next, self._repeated = begun, begun.begin(), False
        ask, self._next = self._next, None
        self._state = _State.ASKING
        self._asked_ms = now_ms
        self._sent_size = len(ask.data) + ask.reply_size
        return [Send(ask.data)]

    def _deadline_ms(self) -> int:
        limit_ms = self._current.time.limit_ms if self._current else 0
        return self._asked_ms + limit_ms + self._timing.line_ms(self._sent_size)

    def _expired(self, now_ms: int) -> list[Effect]:
        slave, dialogue = self._current, self._dialogue
        if slave is None or dialogue is None:  # asked only with both
            return []
        slave.time.expired()
        return self._fail(dialogue.expired(), now_ms, at_least_ms=self._timing.late_ms)

    # --- bytes ------------------------------------------------------------------------------------------------

    def _received(self, data: bytes, now_ms: int) -> list[Effect]:
        if self._state is _State.RESTING:
            return self._overheard(data, now_ms)
        if self._state is _State.TALKING and self._talk is not None:
            return self._carry_on(self._talk.receive(data, now_ms), now_ms)
        slave, dialogue = self._current, self._dialogue
        if self._state is not _State.ASKING or slave is None or dialogue is None:
            return []
        try:
            step = dialogue.receive(data)
        except GarbledReply as error:
            return self._garbled(dialogue, error, now_ms)
        except MeterError as error:
            return self._fail(error, now_ms, at_least_ms=0)
        return [] if step is None else self._answered(slave, step, now_ms)

    def _answered(self, slave: Slave, step: Ask | Said, now_ms: int) -> list[Effect]:
        """Go on to the next question, or end the round."""
        taken_ms = now_ms - self._asked_ms - self._timing.line_ms(self._sent_size)
        slave.time.answered(max(0, taken_ms))
        self._rest(now_ms, 0)
        if isinstance(step, Ask):
            self._next, self._repeated = step, False
            return self._time(now_ms)  # at once where no gap is wanted
        return self._succeed(slave, step, now_ms)

    def _carry_on(self, steps: list[Step], now_ms: int) -> list[Effect]:
        """Pass on what a talk wants."""
        effects: list[Effect] = []
        for step in steps:
            slave = self._current
            if isinstance(step, Send | Speed):
                effects.append(step)
            elif isinstance(step, Said) and slave is not None:
                effects += self._succeed(slave, step, now_ms)
            elif isinstance(step, MeterError):
                effects += self._fail(step, now_ms, at_least_ms=self._timing.late_ms)
        return effects

    def _garbled(self, dialogue: Dialogue, error: GarbledReply, now_ms: int) -> list[Effect]:
        """Noise is not death: ask once more, after silence."""
        if self._repeated or self._timing.drop_on_garbage:
            effects = self._fail(error, now_ms, at_least_ms=0)
            return effects + (self._lost(error, now_ms) if self._timing.drop_on_garbage else [])
        self._repeated = True
        self._next = dialogue.again()
        self._rest(now_ms, self._timing.line_ms(len(self._next.data) + self._next.reply_size))
        return []

    def _overheard(self, data: bytes, now_ms: int) -> list[Effect]:
        """Bytes that nobody asked for: a listener's telegram, or the tail of something; then the gap starts again."""
        if now_ms < self._chatter_until_ms:
            self._rest_until_ms = max(self._rest_until_ms, now_ms + self._timing.gap_ms)
        pushing = self._pushing
        if pushing is None:
            return []
        effects: list[Effect] = []
        for heard in pushing.listener.feed(data):
            self._heard_ms = now_ms
            if isinstance(heard, Said):
                self._silences = 0
                effects.append(Round(meter=pushing.meter, said=heard, began_ms=now_ms, ended_ms=now_ms))
            else:
                self._silences += 1
                effects.append(
                    Failed(meter=pushing.meter, error=heard, failures=self._silences, retry_ms=now_ms)
                )
        return effects

    # --- ends -------------------------------------------------------------------------------------------------

    def _succeed(self, slave: Slave, said: Said, now_ms: int) -> list[Effect]:
        slave.succeeded(self._began_ms, now_ms)
        self._forget_round()
        self._rest(now_ms, 0)
        return [Round(meter=slave.poll.meter, said=said, began_ms=self._began_ms, ended_ms=now_ms)]

    def _fail(self, error: MeterError, now_ms: int, *, at_least_ms: int) -> list[Effect]:
        slave = self._current
        self._forget_round()
        self._rest(now_ms, 0)
        if slave is None:
            return []
        slave.failed(now_ms, at_least_ms=at_least_ms)
        return [Failed(meter=slave.poll.meter, error=error, failures=slave.failures, retry_ms=slave.due_ms)]

    def _forget_round(self) -> None:
        self._current = None
        self._dialogue = self._talk = self._next = None

    def _rest(self, now_ms: int, more_ms: int) -> None:
        self._state = _State.RESTING
        self._rest_until_ms = now_ms + max(self._timing.gap_ms, more_ms)
        self._chatter_until_ms = now_ms + _CHATTER_MS

    def _plan_wake(self, now_ms: int) -> None:
        if self._state is _State.ASKING:
            self.wake_ms = self._deadline_ms()
        elif self._talk is not None:
            self.wake_ms = self._talk.wake_ms
        elif self._state is _State.OPENING:
            self.wake_ms = now_ms + REOPEN_LAST_MS
        elif (
            self._state is _State.CLOSED or self._next is not None or self._roster.choose(now_ms) is not None
        ):
            self.wake_ms = self._rest_until_ms
        else:
            times = self._roster.times(now_ms)
            if self._pushing is not None:
                times.append(self._heard_ms + self._pushing.silence_ms)
            self.wake_ms = max(min(times), self._rest_until_ms)
