"""A whole `gridlight run` beside the tier: read from a meter on a pty, offered, traded, verified, killed, and no worse.

One home of the village is taken out of the run and played by the real program, in a process of its own, with a virtual
Modbus meter behind a pseudo terminal. Its forecast knows the home's usual day, as after a week's work.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from firmware_app.config import keys
from firmware_app.config.check import STORE
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.runtime.clock import Clock
from firmware_app.status.client import ask
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import IntervalRow, OfferRow, ReadingRow, TradeRow
from firmware_app.trading.order_store import load
from firmware_app.trading.orders import Order
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, Side
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from testbed.cast import DSO
from testbed.fleet.metered_homes import truth_of
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.ends import PtyEnd
from testbed.fleet.virtual_meters.modbus_slave import Layout
from testbed.fleet.virtual_meters.running import Clock as HouseClock
from testbed.fleet.virtual_meters.running import RunningMeter
from testbed.fleet.virtual_meters.script import Script
from testbed.live.deployment import Deployment, deploy
from testbed.live.hurried_time import HurriedTime
from testbed.live.staging import Staging
from testbed.live.up import Outcome, Running, run
from testbed.live.watching import View
from testbed.miner.store import BlockStore
from testbed.scenarios import catalogue
from testbed.scenarios.model import HomeDay, Scenario

pytest.importorskip("pymodbus", reason="a Modbus meter is played by pymodbus' server")
pytestmark = pytest.mark.slow

_SPEED: Final = 300
_INTERVALS: Final = 14
_PROFILE: Final = "eastron-sdm630"
_MOST_WRITTEN: Final = 3_000_000
"""By the device in all its lives, bytes."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_SEED: Final = b"w" * 32


def _not_counted() -> None:
    """What this process writes, the tier's files among it, is not the device's."""


def _whole_day() -> Scenario:
    return catalogue.build(catalogue.find("village"), seed=1)


def _sunniest(day: Scenario) -> HomeDay:
    """The home without a battery that has most to sell: what it meters is then what it has."""
    homes = [home for home in day.homes if home.battery is None]
    return max(homes, key=lambda home: sum(home.pv_j) - sum(home.load_j))


def _net_at(home: HomeDay, interval: int) -> int:
    """Load less generation of an interval of any day, J."""
    slot = interval % len(home.load_j)
    return home.load_j[slot] - home.pv_j[slot]


@dataclass
class _Stage:
    """The device's folder and process, its meter, and what happened."""

    folder: Path
    deployment: Deployment
    home: HomeDay
    clock: Clock | None = None
    process: "subprocess.Popen[bytes] | None" = None
    meter: threading.Thread | None = None
    lives: int = 0
    status: dict[str, Any] = field(default_factory=dict)
    """What `gridlight status` was told in the midst of it."""
    killed_at: list[int] = field(default_factory=list)
    unplugged: threading.Event = field(default_factory=threading.Event)

    # -- what a run tells ----------------------------------------------------------------------------------------------

    def starting(self, ready: int, total: int) -> None:
        """Nothing to do yet."""

    def begun(self, running: Running) -> None:
        """The clock runs: plug the meter in, switch the device on."""
        self.clock = running.clock
        self._teach(running.clock)
        self._plug_in(running.clock)
        self.switch_on()

    def progress(self, running: Running, view: View) -> None:
        """Kill the device twice, without a warning, and switch it on again."""
        finals = len(view.finals)
        if finals == 8 and not self.status:
            (self.status,) = ask(str(self.folder / "control.sock"), "status")
        if finals in {5, 9} and finals not in self.killed_at and self.process is not None:
            self.killed_at.append(finals)
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.switch_on()

    # -- the device ----------------------------------------------------------------------------------------------------

    def switch_on(self) -> None:
        assert self.clock is not None
        clock = {
            "start_real_ms": self.clock.start_real_ms,
            "start_virtual_ms": self.clock.start_virtual_ms,
            "speed": self.clock.speed,
        }
        clock_file = self.folder / "clock.json"
        clock_file.write_text(json.dumps(clock), encoding="utf-8")
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self.lives += 1
        with (self.folder / "device.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "testbed.live.device",
                    str(self.folder / "gridlight.toml"),
                    str(clock_file),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
            )

    def end(self) -> int:
        """Ask the device to end; return its exit code. The meter is unplugged after it."""
        code = -1
        if self.process is not None:
            self.process.terminate()
            try:
                code = self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.unplugged.set()
        if self.meter is not None:
            self.meter.join(10)
        return code

    def _teach(self, clock: Clock) -> None:
        """What the device has learnt in the week before."""
        scenario = self.deployment.cast.scenario
        forecaster = Forecaster(ForecastSettings(), interval_s=scenario.interval_s, series=Series.NET)
        now = clock.start_virtual_ms // (scenario.interval_s * 1_000)
        for interval in range(now - 7 * 96, now):
            forecaster.learn(interval, _net_at(self.home, interval))
        data = self.folder / "data"
        store = DeviceStore(
            data, StoreParams(), clock=HurriedTime(clock), boot_id="a week ago", counter=_not_counted
        )
        store.keep("forecast:net", forecaster.to_bytes())
        store.close()

    def _plug_in(self, clock: Clock) -> None:
        """A meter that shows what flows at the home, at a pace with everybody's clock."""
        from testbed.fleet.virtual_meters.pymodbus_server import PymodbusServer

        start_ms = clock.start_virtual_ms
        household = truth_of(self.home, _whole_day(), start_ms)
        display = Display(household=household, script=Script(()), script_start_ms=start_ms)
        house_clock = HouseClock(clock.now_ms(), clock.speed)
        layout = Layout.of_profile(_ROOT / "meter_io" / "profiles" / "data" / f"{_PROFILE}.toml")
        speaker = PymodbusServer(display, layout, house_clock, address=1)
        meter = RunningMeter(speaker, PtyEnd(self.folder / "meter"), Script(()), house_clock)

        def be_a_meter() -> None:
            try:
                meter.run(self.unplugged.is_set)
            finally:
                speaker.close()

        self.meter = threading.Thread(target=be_a_meter, name="meter")
        self.meter.start()


def _write_device(folder: Path, deployment: Deployment, home: HomeDay) -> None:
    cast = deployment.cast
    (name,) = (name for name, home_id in cast.meter_names.items() if home_id == home.home_id)
    servers = "".join(
        f"[[market.server]]\nname = '{miner}'\nendpoint = '{deployment.servers[miner].endpoint}'\n"
        f"key = '{deployment.servers[miner].server_key}'\n"
        for miner in cast.miner_names
    )
    dso = deployment.servers[DSO]
    (folder / "gridlight.toml").write_text(
        f"[device]\nname = '{name}'\ndata_folder = 'data'\n"
        f"[[meter]]\nname = 'house'\nrole = 'grid'\nprofile = '{_PROFILE}'\naddress = 1\n"
        f"port = '{folder / 'meter'}'\npoll_ms = 100\n"
        f"[market]\ngenesis = '{deployment.folder / 'genesis.cbor'}'\n"
        f"fingerprint = '{cast.genesis.chain_id().hex()}'\nfeeder = {home.feeder}\n"
        f"[market.dso]\nname = 'dso'\nendpoint = '{dso.endpoint}'\nkey = '{dso.server_key}'\n"
        f"{servers}"
        f"[status]\nsocket = '{folder / 'control.sock'}'\nport = 0\n",
        encoding="utf-8",
    )
    data = folder / "data"
    data.mkdir()
    for file, header, secret in (
        (keys.IDENTITY, "gridlight identity 1", cast.secret("meter", home.home_id)),
        (keys.SEED, "gridlight wallet seed 1", _SEED),
    ):
        handle = os.open(data / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(f"{header}\n{secret.hex()}\n")


@dataclass(frozen=True, kw_only=True)
class _Played:
    """The run, looked at afterwards."""

    stage: _Stage
    outcome: Outcome
    code: int
    orders: tuple[Order, ...]
    offers: dict[Address, list[OpenOffer]]
    """Offers on the chain from addresses of the device's wallet, of all that it may ever have used."""
    trades: list[Trade]
    """Final trades of these offers."""
    store: DeviceStore


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Played]:
    """The day, run once for all tests of this file."""
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=1,
        skip=44,
        intervals=_INTERVALS,
        miners=4,
        solvers=1,
        speed=_SPEED,
    )
    deployment = deploy(
        tmp_path_factory.mktemp("tier"), catalogue.find("village"), staging, meters_per_process=1
    )
    home = _sunniest(_whole_day())
    (ours,) = (name for name, home_id in deployment.cast.meter_names.items() if home_id == home.home_id)
    others = tuple(node for node in deployment.nodes if ours not in node.actors)
    deployment = replace(deployment, nodes=others)
    folder = tmp_path_factory.mktemp("device")
    _write_device(folder, deployment, home)
    stage = _Stage(folder=folder, deployment=deployment, home=home)
    code = -1
    try:
        outcome = asyncio.run(run(deployment, stage))
    finally:
        code = stage.end()
    assert stage.clock is not None
    store = DeviceStore(
        folder / "data",
        StoreParams(),
        clock=HurriedTime(stage.clock),
        boot_id="afterwards",
        counter=_not_counted,
    )
    yield _look(stage, outcome, code, ours, store)
    store.close()


def _look(stage: _Stage, outcome: Outcome, code: int, name: str, store: DeviceStore) -> _Played:
    genesis = stage.deployment.cast.genesis
    with SqliteStorage(stage.folder / "data" / STORE) as storage:
        wallet = Wallet(_SEED, genesis.chain_id(), Compartment(storage, name))
        orders = tuple(load(Compartment(storage, name), wallet))
        ever = {wallet.key_at(index).address for index in range(wallet.next_index + 64)}
    path = stage.deployment.folder / "nodes" / "miner-0.sqlite"
    with SqliteStorage(path) as miner:
        blocks = list(BlockStore(Compartment(miner, "miner-0")).stored())
    offers: dict[Address, list[OpenOffer]] = {}
    trades: list[Trade] = []
    replica, numbers = MarketReplica(genesis), set[int]()
    for block in blocks:
        followed = replica.follow(block.header, body_from_bytes(block.body, genesis.chain))
        for offer in (offer for offer in followed.posted if offer.address in ever):
            offers.setdefault(offer.address, []).append(offer)
            numbers.add(offer.offer_id)
        if followed.cleared is not None:
            trades += [trade for trade in followed.cleared.trades if trade.offer_id in numbers]
    return _Played(
        stage=stage,
        outcome=outcome,
        code=code,
        orders=orders,
        offers=offers,
        trades=trades,
        store=store,
    )


def _log(played: _Played) -> str:
    return (played.stage.folder / "device.log").read_text(encoding="utf-8")


def test_the_device_was_killed_twice_and_ended_when_it_was_asked_to(played: _Played) -> None:
    assert played.stage.killed_at == [5, 9]
    assert played.stage.lives == 3
    assert played.code == 0, _log(played)
    assert "part.failed" not in _log(played)


def test_the_running_device_tells_how_it_fares(played: _Played) -> None:
    status = played.stage.status
    assert status["life"]["state"] == "trading", status
    (meter,) = status["meters"]
    assert (meter["name"], meter["quality"]) == ("house", "good")
    assert status["proof"]["level"] == "whole solutions"
    assert {link["up"] for link in status["links"]} == {True}
    assert {part["state"] for part in status["parts"]} == {"working"}
    assert not [notice for notice in status["notices"] if notice["severity"] == "failure"]


def test_the_meter_was_read_and_its_intervals_were_measured(played: _Played) -> None:
    readings = played.store.newest(ReadingRow, 10_000)
    assert len(readings) > 100
    intervals = {
        row.interval: row for row in played.store.newest(IntervalRow, 1_000) if row.covered_ms == 900_000
    }
    assert len(intervals) >= _INTERVALS // 2
    for interval, row in intervals.items():
        net_j = (row.import_j or 0) - (row.export_j or 0)
        assert abs(net_j - _net_at(played.stage.home, interval)) <= 72_000, "what flowed, to 20 Wh"


def test_offers_were_posted_and_each_address_offered_once(played: _Played) -> None:
    assert played.offers, _log(played)
    assert all(len(offers) == 1 for offers in played.offers.values())
    known = {order.key.address for order in played.orders if order.wish is not None}
    assert set(played.offers) <= known, "every offer on the chain is an order on the disk"


def test_no_energy_was_offered_twice_whenever_the_device_died(played: _Played) -> None:
    """The forecast is the home's usual day to the joule, so no interval may be oversold, in all lives together."""
    offered: Counter[tuple[Side, int]] = Counter()
    for (offer,) in played.offers.values():
        ((first, last),) = offer.ranges
        assert first == last, "a home without a battery offers for single intervals"
        offered[offer.side, first] += offer.remaining_j
    for (side, interval), energy_j in offered.items():
        net_j = _net_at(played.stage.home, interval)
        assert energy_j <= max(0, -net_j if side is Side.SELL else net_j) + 3_600


def test_own_trades_were_verified_and_none_was_lost(played: _Played) -> None:
    final = {(trade.offer_id, trade.interval): trade for order in played.orders for trade in order.trades}
    assert final, _log(played)
    newest = max(trade.interval for trade in final.values())
    assert {trade for trade in played.trades if trade.interval <= newest} == set(final.values()), (
        "as on the chain"
    )
    assert len(played.trades) - len(final) <= 2, "but for what became final while everything ended"
    rows = played.store.newest(TradeRow, 10_000)
    assert {(row.offer_id, row.interval): (row.energy_j, row.amount_uc) for row in rows} == {
        key: (trade.energy_j, trade.amount_uc) for key, trade in final.items()
    }
    stages = {row.stage for row in played.store.newest(OfferRow, 10_000)}
    assert {"planned", "granted", "posted", "open", "closed"} <= stages


def test_what_the_device_wrote_fits_a_card(played: _Played) -> None:
    """Three lives at a hurried clock; `gridlight-testbed bench device` measures a day."""
    written = played.store.status().written_days
    if not sum(written.values()):
        pytest.skip("the kernel counts no written bytes here")
    assert sum(written.values()) <= _MOST_WRITTEN
