"""A device trades through a day while the broker that it is connected to means harm: it trades as on any other day.

The day is the simulator's: DSO, miners, solver and the meters of a village, in virtual time. One of the homes is also
connected, by TLS and MQTT, to a broker that lies; the wire is real, and the agent behind it the device's own. Whatever
it would take up changes what the home runs by, and a home that runs by somebody else's document does not trade.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import testbed.cast
from firmware_app.device.decision import Occasion
from firmware_app.fleet import verification
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from testbed.fleet.planned_home import PlannedHome
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of, run_day
from tests.firmware_app.fleet.test_hostile import CASES, nothing
from tests.firmware_app.fleet.world import STRANGER, bundle, delta, signed
from tests.testbed.rollout.visit import Visit

INTERVALS = 10
AT_ONCE = 12
"""Messages at one moment of the day: the device looks at 20 at once, and at one more each second."""
PACE_MS = 10_000
"""From one message to the next, by the day's clock: so that the attack lasts for most of it."""
ATTACK = [case.raw for case in CASES if case.raw]


Final = tuple[int, int, int]
"""(interval, J, micro-currency) of a trade."""


def finals_of(news: News) -> list[Final]:
    """The trades of a home that are final now."""
    return [(one.trade.interval, one.trade.energy_j, one.trade.amount_uc) for one in news.finals]


@dataclass
class Siege:
    """What the broker still has to say, and what the home came to."""

    visit: Visit
    cases: Sequence[bytes]
    before: Memory
    """What the device had on its disk."""
    said: int = 0
    trades: list[Final] = field(default_factory=list)
    during: int = 0
    """Of these, those that became final while the broker was still at it."""
    _start_ms: int = 0
    _began_ms: int | None = None
    _said_ms: int = 0

    def go_on(self, now_ms: int) -> None:
        """As much as the device can have looked at since the last time."""
        began_ms = self._began_ms = self._began_ms or now_ms
        visit = self.visit
        visit.monotonic_ms = self._start_ms + now_ms - began_ms
        count = min(AT_ONCE, (now_ms - self._said_ms) // PACE_MS)
        if count and self.said < len(self.cases):
            self._said_ms = now_ms
            visit.tell(*self.cases[self.said : self.said + count])
            self.said += count
        for word in visit.board.beat(visit.now):
            visit.line.say(word)

    @property
    def is_over(self) -> bool:
        """Whether everything was said."""
        return self.said >= len(self.cases)


class Besieged(PlannedHome):
    """A home whose device hears the broker with everything that happens on the market."""

    def __init__(self, intents: Iterable[Intent], is_measured: Callable[[int], bool], siege: Siege) -> None:
        super().__init__(intents, is_measured)
        self._siege = siege
        self._own = siege.visit.board.running

    def is_measured(self, now_ms: int) -> bool:
        """By somebody else's document it reads another meter, if any."""
        self._siege.go_on(now_ms)
        return super().is_measured(now_ms) and self._is_its_own

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        """By somebody else's document it has nothing to sell."""
        return super().decide(occasion) if self._is_its_own else ()

    @property
    def _is_its_own(self) -> bool:
        return self._siege.visit.board.running == self._own

    def hear(self, news: News, now_ms: int) -> None:
        siege = self._siege
        made = finals_of(news)
        siege.trades += made
        siege.during += 0 if siege.is_over else len(made)
        super().hear(news, now_ms)


class Heard(PlannedHome):
    """A home of which it is written down what it trades."""

    def __init__(
        self, intents: Iterable[Intent], is_measured: Callable[[int], bool], trades: list[Final]
    ) -> None:
        super().__init__(intents, is_measured)
        self._trades = trades

    def hear(self, news: News, now_ms: int) -> None:
        self._trades += finals_of(news)
        super().hear(news, now_ms)


def run(homes: Callable[[int, tuple[Intent, ...], Callable[[int], bool]], PlannedHome]) -> None:
    """A part of a village's day, its homes made by the test."""
    file = catalogue.find("village")
    part = part_of(catalogue.build(file, seed=1), skip=44, intervals=INTERVALS)

    def home(intents: Iterable[Intent], is_measured: Callable[[int], bool]) -> PlannedHome:
        planned = tuple(intents)
        home_id = next((int(getattr(one, "home_id")) for one in planned), 0)  # noqa: B009
        return homes(home_id, planned, is_measured)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testbed.cast, "PlannedHome", home)
        run_day(cast_of(file, part, 1))


@pytest.fixture(scope="module")
def quiet() -> dict[int, list[Final]]:
    """What each home trades where nobody says anything to it."""
    found: dict[int, list[Final]] = defaultdict(list)
    run(lambda home_id, planned, is_measured: Heard(planned, is_measured, found[home_id]))
    return found


def besieged(
    folder: Path, quiet: dict[int, list[Final]], cases: Sequence[bytes]
) -> tuple[Siege, list[Final]]:
    """The home that trades most on a quiet day is besieged; returns also what it traded then."""
    chosen = max(quiet, key=lambda home_id: len(quiet[home_id]))
    with Visit(folder) as visit:
        visit.tell(signed(bundle(5, delta(("privacy.lot_wh", 500)))))
        visit.live(12)
        visit.looked_each_ms = 0
        siege = Siege(visit, cases, before=visit.board.disk, _start_ms=visit.monotonic_ms)
        run(
            lambda home_id, planned, is_measured: (
                Besieged(planned, is_measured, siege)
                if home_id == chosen
                else PlannedHome(planned, is_measured)
            )
        )
    return siege, quiet[chosen]


def test_five_hundred_attacks_do_not_change_a_single_trade(
    quiet: dict[int, list[Final]], tmp_path: Path
) -> None:
    assert len(ATTACK) >= 500
    siege, as_ever = besieged(tmp_path, quiet, ATTACK)
    board = siege.visit.board
    assert siege.is_over, f"{siege.said} of {len(ATTACK)} were said"
    assert board.disk == siege.before, "nothing was taken up, not even written"
    assert (board.disk.phase, board.disk.current.order) == (Phase.SETTLED, (1, 5))
    refusals = siege.visit.refusals
    waited = sum(note.name == "fleet.waits" for note in board.notes)
    assert len(refusals) + waited >= 500
    assert all(sentence.startswith("FLT-") for sentence in refusals), "each with its reason"
    assert "FLT-17" not in {sentence[:6] for sentence in refusals}, "and each was looked at"
    assert siege.during >= 5, "trades became final while the broker was at it"
    assert siege.trades == as_ever
    assert len(siege.trades) >= 8


def test_a_device_that_believes_strangers_stops_trading(
    quiet: dict[int, list[Final]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "check_signers", nothing)
    forged = signed(bundle(6, delta(("privacy.lot_wh", 250))), [STRANGER])
    siege, as_ever = besieged(tmp_path, quiet, [forged])
    assert "version 6 is staged" in siege.visit.applied
    assert len(siege.trades) < len(as_ever)
