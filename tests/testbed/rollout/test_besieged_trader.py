"""A device trades through a day while the broker that it is connected to means harm: it trades as on any other day.

The day is the simulator's: DSO, miners, solver and the meters of a village, in virtual time. One of the homes is also
connected, by TLS and MQTT, to a broker that lies; the wire is real, and the agent behind it the device's own. Whatever
it would take up changes what the home runs by, and a home that runs by somebody else's document does not trade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import testbed.cast
from firmware_app.fleet import verification
from firmware_app.fleet.memory import Phase
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
ATTACK = [case.raw for case in CASES if case.raw]


@dataclass
class Siege:
    """What the broker still has to say, and what the home came to."""

    visit: Visit
    cases: Sequence[bytes]
    said: int = 0
    trades: list[tuple[int, int, int]] = field(default_factory=list)
    """(interval, J, micro-currency) of each final trade of the home."""
    during: int = 0
    """Of these, those that became final while the broker was still at it."""
    _began_ms: int | None = None
    _said_ms: int = 0

    def go_on(self, now_ms: int) -> None:
        """As much as the device can have looked at since the last time."""
        began_ms = self._began_ms = self._began_ms or now_ms
        visit = self.visit
        visit.monotonic_ms = now_ms - began_ms
        count = min(AT_ONCE, (now_ms - self._said_ms) // 1_000)
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
        return super().is_measured(now_ms) and self._siege.visit.board.running == self._own

    def hear(self, news: News, now_ms: int) -> None:
        siege = self._siege
        made = [(final.trade.interval, final.trade.energy_j, final.trade.amount_uc) for final in news.finals]
        siege.trades += made
        siege.during += 0 if siege.is_over else len(made)
        super().hear(news, now_ms)


def day(folder: Path, cases: Sequence[bytes]) -> Siege:
    """The home with most to trade is besieged for a part of a day."""
    file = catalogue.find("village")
    part = part_of(catalogue.build(file, seed=1), skip=44, intervals=INTERVALS)
    chosen = Counter(offer.home_id for offer in part.offers).most_common(1)[0][0]
    folder.mkdir()
    with Visit(folder) as visit, pytest.MonkeyPatch.context() as patch:
        visit.looked_each_ms = 0
        siege = Siege(visit, cases)

        def home(intents: Iterable[Intent], is_measured: Callable[[int], bool]) -> PlannedHome:
            planned = tuple(intents)
            mine = bool(planned) and getattr(planned[0], "home_id", None) == chosen
            return Besieged(planned, is_measured, siege) if mine else PlannedHome(planned, is_measured)

        patch.setattr(testbed.cast, "PlannedHome", home)
        run_day(cast_of(file, part, 1))
    return siege


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Siege:
    """The same part of the day at a broker that says nothing."""
    return day(tmp_path_factory.mktemp("quiet") / "visit", ())


def test_five_hundred_attacks_do_not_change_a_single_trade(quiet: Siege, tmp_path: Path) -> None:
    assert len(ATTACK) >= 500
    siege = day(tmp_path / "visit", ATTACK)
    board = siege.visit.board
    assert siege.is_over, f"{siege.said} of {len(ATTACK)} were said"
    assert board.disk == board.disk.__class__(key_set=board.disk.key_set, current=board.disk.current)
    assert (board.disk.phase, board.disk.floor) == (Phase.SETTLED, (0, 0)), "nothing was taken up"
    refusals = siege.visit.refusals
    waited = sum(note.name == "fleet.waits" for note in board.notes)
    assert len(refusals) + waited >= 500
    assert all(sentence.startswith("FLT-") for sentence in refusals), "each with its reason"
    assert "FLT-17" not in {sentence[:6] for sentence in refusals}, "and each was looked at"
    assert siege.during >= 5, "trades became final while the broker was at it"
    assert siege.trades == quiet.trades
    assert len(siege.trades) >= 10


def test_a_device_that_believes_strangers_stops_trading(
    quiet: Siege, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "check_signers", nothing)
    siege = day(tmp_path / "visit", [signed(bundle(1, delta(("privacy.lot_wh", 250))), [STRANGER])])
    assert siege.visit.applied[0] == "version 1 is staged"
    assert len(siege.trades) < len(quiet.trades)
