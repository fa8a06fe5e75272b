"""Learns one series of a home and forecasts it: what the device knows of its own tomorrow.

    learn    once for every interval that is over
    predict  quantiles of the intervals to come, by the learnt model or, said loudly, by the seasonal-naive one
    score    what the learnt model is worth, counted all the time

What happens to it, and what it does:

| event                                   | answer                                                                     |
|-----------------------------------------|----------------------------------------------------------------------------|
| an interval missing, estimated, unknown | not learnt; the slot stays empty on that day                               |
| more energy than the connection carries | not learnt, counted as refused                                             |
| the clock jumps ahead, a long outage    | the intervals between are missing; the mood is forgotten after a day       |
| the clock is set back                   | what was learnt of the intervals taken back is forgotten, and the mood     |
| too little known                        | the naive forecast speaks, or none at all where nothing is known           |
| worse than naive for days               | the naive forecast speaks until the learnt one is better again             |
| the state is damaged                    | everything is learnt anew, and the status says why                         |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from firmware_app.forecast.deviation import Deviation, Outlook, logit, share_at
from firmware_app.forecast.kept import DamagedStateError, State
from firmware_app.forecast.naive import Naive
from firmware_app.forecast.quantiles import PERMILLE, QuantileForecast
from firmware_app.forecast.score import RunningScore, Score
from firmware_app.forecast.settings import DAY_S, MAX_ENERGY_J, MAX_SLOTS, ForecastSettings, Series
from firmware_app.forecast.usual import Usuals
from light_client.rules.errors import LocalError
from meter_io.span import Basis

MAX_DAYS_AHEAD: Final = 2


class Mode(IntEnum):
    """Who speaks; the numbers are those of the kept state."""

    LEARNING = 0
    """The naive forecast, because too little is known."""
    LEARNT = 1
    """The learnt model."""
    WORSE = 2
    """The naive forecast, because the learnt model did worse lately."""


class _Finding(IntEnum):
    TOO_LITTLE = 0
    WORSE = 1
    """The learnt model loses clearly more than the naive one."""
    EVEN = 2
    BETTER = 3
    """It loses less, or nothing was judged yet."""


_NEXT: Final = {
    (Mode.LEARNING, _Finding.TOO_LITTLE): Mode.LEARNING,
    (Mode.LEARNING, _Finding.WORSE): Mode.WORSE,
    (Mode.LEARNING, _Finding.EVEN): Mode.LEARNT,
    (Mode.LEARNING, _Finding.BETTER): Mode.LEARNT,
    (Mode.LEARNT, _Finding.TOO_LITTLE): Mode.LEARNING,
    (Mode.LEARNT, _Finding.WORSE): Mode.WORSE,
    (Mode.LEARNT, _Finding.EVEN): Mode.LEARNT,
    (Mode.LEARNT, _Finding.BETTER): Mode.LEARNT,
    (Mode.WORSE, _Finding.TOO_LITTLE): Mode.LEARNING,
    (Mode.WORSE, _Finding.WORSE): Mode.WORSE,
    (Mode.WORSE, _Finding.EVEN): Mode.WORSE,
    (Mode.WORSE, _Finding.BETTER): Mode.LEARNT,
}
_CLEARLY_WORSE: Final = 1.05
_MOST_WASTED_DAYS: Final = 1
"""A gap of so many days ends a mood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastStatus:
    """What an operator is shown."""

    mode: Mode
    reason: str
    """Why the learnt model does not speak, one sentence; empty if it does."""
    notice: str
    """What was lost since the start and why, one sentence; empty if nothing was."""
    measured: int
    """How many intervals are remembered."""
    refused: int
    """How many intervals since the start held more energy than the connection carries."""
    score: Score


class Forecaster:
    """The forecast of one series of one home."""

    def __init__(self, settings: ForecastSettings, *, interval_s: int, series: Series) -> None:
        """One that knows nothing yet.

        Args:
            settings: what the user set.
            interval_s: length of an interval, seconds; a whole part of a day, from five minutes on.
            series: what is forecast.

        Raises:
            LocalError: the interval does not divide the day, or the connection carries too much for it.
        """
        if interval_s < 1 or DAY_S % interval_s or not 2 <= DAY_S // interval_s <= MAX_SLOTS:
            raise LocalError(
                "interval of a forecast, s",
                got=interval_s,
                expected=f"a divisor of a day, from {DAY_S // MAX_SLOTS}",
            )
        if settings.power_limit_w * interval_s > MAX_ENERGY_J:
            raise LocalError(
                "power_limit_w of [forecast]",
                got=settings.power_limit_w,
                expected=f"{MAX_ENERGY_J // interval_s} at most",
            )
        self._settings: Final = settings
        self._interval_s: Final = interval_s
        self._series: Final = series
        self._slots: Final = DAY_S // interval_s
        self._places = [logit(level / PERMILLE) for level in settings.levels_permille]
        self._notice = ""
        self._refused = 0
        self._begin(self._blank())

    @classmethod
    def from_bytes(
        cls, data: bytes, settings: ForecastSettings, *, interval_s: int, series: Series
    ) -> Forecaster:
        """One that goes on where `to_bytes` was called, or that learns anew and says so where the bytes are damaged."""
        forecaster = cls(settings, interval_s=interval_s, series=series)
        state = forecaster._blank()
        try:
            state.load(data)
        except DamagedStateError as error:
            forecaster._notice = f"what was learnt could not be read: {error}; learning anew"
        else:
            forecaster._begin(state)
        return forecaster

    def to_bytes(self) -> bytes:
        """All that was learnt; forecasts that still wait to be judged are not part of it."""
        self._state.sums = self._score.sums
        return self._state.to_bytes()

    def _blank(self) -> State:
        return State(
            interval_s=self._interval_s,
            series=self._series,
            slots=self._slots,
            history_days=self._settings.history_days,
        )

    def _begin(self, state: State) -> None:
        settings = self._settings
        self._state = state
        self._usuals = Usuals(state.history, state.calendar, self._series, settings.half_life_days)
        self._naive = Naive(state.history, self._series, settings.levels_permille)
        self._score = RunningScore(
            settings.levels_permille,
            lead=max(1, settings.scored_lead_min * 60 // self._interval_s),
            half_life=settings.score_half_life_days * self._slots,
        )
        self._score.sums = state.sums
        self._mode = Mode(state.mode)

    def reset(self) -> None:
        """Forget everything."""
        self._notice = "reset by hand; learning anew"
        self._begin(self._blank())

    def reset_corrections(self) -> None:
        """Forget the mood and how long moods last, and keep what is usual."""
        self._notice = "corrections reset by hand"
        self._state.deviation = Deviation(self._slots)

    def learn(self, interval: int, energy_j: int | None, basis: Basis = Basis.MEASURED) -> None:
        """Take in an interval that is over. Give them in order; a lower one than the last says the clock was set back.

        Args:
            interval: its absolute index.
            energy_j: what it held, J; None where that is not known.
            basis: how that is known; only what was measured is learnt.

        Raises:
            LocalError: a negative energy of a series that has none.
        """
        history = self._state.history
        if energy_j is not None and energy_j < 0 and self._series is not Series.NET:
            raise LocalError("energy of a load or a generation, J", got=energy_j, expected="0 or more")
        if basis is not Basis.MEASURED:
            energy_j = None
        elif energy_j is not None and abs(energy_j) > self._settings.power_limit_w * self._interval_s:
            energy_j = None
            self._refused += 1
        self._pass_time(interval)
        self._score.judge(interval, energy_j)
        self._state.deviation.learn(self._place(interval, energy_j))
        history.record(interval, energy_j)
        if interval % self._slots == 0:
            self._state.calendar.learn(history)
        self._mode = _NEXT[self._mode, self._finding()]
        self._state.mode = int(self._mode)
        self._expect(interval + self._score.lead)

    def _pass_time(self, interval: int) -> None:
        """Account for what lies between the last interval and this one."""
        last, deviation = self._state.history.last, self._state.deviation
        if last is None:
            return
        if interval <= last:
            self._score.interrupted()
        if not 0 < interval - last <= _MOST_WASTED_DAYS * self._slots:
            deviation.interrupted()
            return
        for _ in range(last + 1, interval):
            deviation.learn(None)

    def _place(self, interval: int, energy_j: int | None) -> float | None:
        """Where an interval lies in what is usual then; None where that tells nothing."""
        if energy_j is None or self._too_little():
            return None
        usual = self._usuals.of(interval)
        return None if usual is None or usual.constant else logit(usual.share_of(energy_j))

    def _too_little(self) -> bool:
        return self._state.history.measured < self._settings.least_days * self._slots

    def _finding(self) -> _Finding:
        if self._too_little():
            return _Finding.TOO_LITTLE
        sums = self._score.sums
        if sums.weight < self._slots or sums.model <= sums.naive:
            return _Finding.BETTER
        return _Finding.WORSE if sums.model > _CLEARLY_WORSE * sums.naive else _Finding.EVEN

    def _expect(self, interval: int) -> None:
        """Note both forecasts of an interval, to be judged when it is over."""
        if self._too_little():
            return
        outlook = self._state.deviation.outlook()
        model, naive = self._learnt(interval, outlook), self._naive.quantiles(interval)
        point = self._naive.point(interval)
        if model is not None and naive is not None and point is not None:
            self._score.expect(interval, model, naive, point)

    def _learnt(self, interval: int, outlook: Outlook) -> tuple[int, ...] | None:
        """Quantiles by the learnt model; None where nothing like it is remembered."""
        usual = self._usuals.of(interval)
        if usual is None:
            return None
        shift, spread = outlook.at(interval - (self._state.history.last or 0))
        return tuple(round(usual.energy_at(share_at(shift + spread * place))) for place in self._places)

    def predict(self, first_interval: int, count: int) -> QuantileForecast:
        """Quantiles of ``count`` intervals from ``first_interval`` on.

        It tells about none at all, as a fallback, where nothing was ever measured or all of that is forgotten: no
        energy is better than an invented one.

        Raises:
            LocalError: more than two days at once, or none.
        """
        if not 1 <= count <= MAX_DAYS_AHEAD * self._slots:
            raise LocalError(
                "intervals of a forecast", got=count, expected=f"1 to {MAX_DAYS_AHEAD * self._slots}"
            )
        intervals = range(first_interval, first_interval + count)
        rows: list[tuple[int, ...] | None] = []
        is_fallback = self._mode is not Mode.LEARNT
        if not is_fallback:
            outlook = self._state.deviation.outlook()
            rows = [self._learnt(interval, outlook) for interval in intervals]
            is_fallback = None in rows
        if is_fallback:
            rows = [self._naive.quantiles(interval) for interval in intervals]
        known = [row for row in rows if row is not None]
        return QuantileForecast(
            first_interval=first_interval,
            levels_permille=self._settings.levels_permille,
            energy_j=tuple(known) if len(known) == count else (),
            is_fallback=is_fallback,
        )

    def score(self) -> Score:
        """What the learnt model is worth, whether it speaks or not."""
        return self._score.score()

    def status(self) -> ForecastStatus:
        """What an operator is shown."""
        score, measured = self.score(), self._state.history.measured
        days = self._settings.least_days
        reasons = {
            Mode.LEARNT: "",
            Mode.LEARNING: f"{measured} intervals measured, {days * self._slots} needed ({days} days)",
            Mode.WORSE: f"the learnt forecast lost {score.model_loss_j} J an interval lately,"
            f" the naive one {score.naive_loss_j} J",
        }
        return ForecastStatus(
            mode=self._mode,
            reason=reasons[self._mode],
            notice=self._notice,
            measured=measured,
            refused=self._refused,
            score=score,
        )
