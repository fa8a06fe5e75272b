"""A whole `gridlight run` beside the tier, through a part of a day on which much goes wrong, and no worse for it.

One home of the village is taken out of the run and played by the real program, in a process of its own, with a virtual
Modbus meter behind a pseudo terminal. Its forecast knows the home's usual day, as after a week's work. It is a
sample of `gridlight-testbed week`, which plays seven days of mishaps.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from firmware_app.status.client import ask
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import OfferRow
from meter_io.span import Basis
from testbed.live.up import Running, State
from testbed.live.watching import View
from testbed.week.mishaps import Mishap
from testbed.week.playing import Lived, Plan, live_through

pytest.importorskip("pymodbus", reason="a Modbus meter is played by pymodbus' server")
pytestmark = pytest.mark.slow

_MISHAPS: Final = ("power-cut@2", "page-of-market@4", "tier-gone@6+2", "power-cut@7", "unplugged@9+1")
_PLAN: Final = Plan(seed=1, skip=44, intervals=14, speed=200, mishaps=tuple(map(Mishap.parse, _MISHAPS)))
_MOST_WRITTEN: Final = 3_000_000
"""By the device in all its lives, bytes."""


@dataclass
class _Asking:
    """Asks the device how it fares before the first mishap."""

    socket: Path
    status: dict[str, Any] = field(default_factory=dict)

    def starting(self, ready: int, total: int) -> None:
        """Nothing to do yet."""

    def begun(self, running: Running) -> None:
        """Nothing to do yet."""

    def progress(self, running: Running, view: View) -> None:
        """As soon as something is final."""
        if len(view.finals) == 1 and not self.status:
            (self.status,) = ask(str(self.socket), "status")


@dataclass(frozen=True, kw_only=True)
class _Played:
    """The run, looked at afterwards."""

    lived: Lived
    status: dict[str, Any]
    store: DeviceStore


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Played]:
    """The part of a day, run once for all tests of this file."""
    folder = tmp_path_factory.mktemp("tier")
    asking = _Asking(folder / "device" / "control.sock")
    lived = asyncio.run(live_through(_PLAN, folder, asking))
    with closing(lived.board.open_store()) as store:
        yield _Played(lived=lived, status=asking.status, store=store)


def test_everything_went_wrong_and_every_promise_was_kept(played: _Played) -> None:
    lived = played.lived
    assert lived.state is State.ENDED
    assert {str(one.mishap) for one in lived.week.mishaps} == set(_MISHAPS)
    assert lived.lives == 4
    assert lived.died == ()
    assert {one.name: one.broken for one in lived.promises if one.broken} == {}, lived.board.log()


def test_there_was_something_to_lose(played: _Played) -> None:
    left = played.lived.left
    assert len(left.posted) >= 6
    assert len(left.trades) >= 3
    assert len(left.readings_ms) > 100
    assert sum(row.basis is Basis.MEASURED for row in left.intervals) >= 3


def test_the_running_device_tells_how_it_fares(played: _Played) -> None:
    status = played.status
    assert status["life"]["state"] == "trading", status
    (meter,) = status["meters"]
    assert (meter["name"], meter["quality"]) == ("house", "good")
    assert status["proof"]["level"] == "whole solutions"
    assert {link["up"] for link in status["links"]} == {True}
    assert {part["state"] for part in status["parts"]} == {"working"}
    assert not [notice for notice in status["notices"] if notice["severity"] == "failure"]


def test_each_mishap_is_on_record(played: _Played) -> None:
    names = {event.name for event in played.lived.left.events}
    assert {"store.cut-off", "market.salvaged", "meter.silent", "meter.back"} <= names


def test_offers_are_in_the_history_step_by_step(played: _Played) -> None:
    rows = played.store.newest(OfferRow, 10_000)
    assert {"planned", "granted", "posted", "open", "closed"} <= {row.stage for row in rows}
    assert {one.offer.address for one in played.lived.left.posted} <= {row.address for row in rows}


def test_what_the_device_wrote_fits_a_card(played: _Played) -> None:
    """Four lives at a hurried clock; `gridlight-testbed bench device` measures a day."""
    written = played.store.status().written_days
    if not sum(written.values()):
        pytest.skip("the kernel counts no written bytes here")
    assert sum(written.values()) <= _MOST_WRITTEN
