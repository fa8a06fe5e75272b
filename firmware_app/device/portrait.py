"""The device at one moment, put together for page, socket, metrics and terminal out of what its parts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_app.config.check import Checked
from firmware_app.config.view import view_of
from firmware_app.device.bidding_home import BiddingHome
from firmware_app.device.device import Device
from firmware_app.device.lifecycle import State
from firmware_app.forecast.settings import Series
from firmware_app.meters.desk import MISSED, MeterStatus
from firmware_app.runtime.board_time import BoardTime, GateTime, real_monotonic_ms
from firmware_app.status import views
from firmware_app.status.board import board_view
from firmware_app.status.snapshot import (
    Absent,
    BatteryView,
    Board,
    DayPoint,
    ForecastView,
    Life,
    LinkView,
    MarketView,
    Maybe,
    MeterView,
    OwedView,
    Position,
    ProofView,
    Snapshot,
    StoreView,
)
from firmware_app.status.snapshot import Device as DeviceView
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import IntervalRow
from firmware_app.version import VERSION
from firmware_app.watchdog.watch import PartReport
from light_client.rules.units import JOULES_PER_KWH, Side
from light_client.store.errors import StoreError

_DAY_MS: Final = 86_400_000
_LEAST_LIMIT_MS: Final = 180_000
_SLOW_MS: Final = 30_000
"""What takes time is looked at so often."""
_SUBJECTS: Final = {Series.NET: "net", Series.LOAD: "load", Series.GENERATION: "PV"}


@dataclass(slots=True)
class _Slow:
    """What is not asked for every second."""

    at_ms: int
    board: Board
    forecast: Maybe[ForecastView]
    store: Maybe[StoreView]
    day: Maybe[tuple[DayPoint, ...]]
    owed: Maybe[OwedView]


class Portrait:
    """Makes snapshots."""

    def __init__(self, found: Checked, home: BiddingHome, store: DeviceStore, board_time: BoardTime) -> None:
        self._found = found
        self._home = home
        self._store = store
        self._time = board_time
        self._started_ms = real_monotonic_ms()
        self._slow: _Slow | None = None
        self._links: dict[str, tuple[bool, int]] = {}
        """Peer -> (whether it is up, since when by the monotonic clock)."""

    def follow(self, found: Checked) -> None:
        """The device runs by another configuration from now on."""
        self._found = found
        self._links.clear()

    def take(
        self,
        device: Device | None,
        connected: frozenset[str],
        parts: tuple[PartReport, ...],
        *,
        zone_offset_s: int,
    ) -> Snapshot:
        """The device now.

        Args:
            device: of the present life of the market part; None between two of them.
            connected: peers with a proven connection.
            parts: what the watch says.
            zone_offset_s: local time less UTC, s.
        """
        now_ms, utc_ms = real_monotonic_ms(), self._time.utc_ms()
        config = self._found.config
        slow = self._slowly(now_ms)
        chain = self._found.genesis.chain_id().hex()[:16]
        return Snapshot(
            made_utc_ms=Absent("the clock is not trusted") if utc_ms is None else utc_ms,
            made_monotonic_ms=now_ms,
            zone_offset_s=zone_offset_s,
            device=DeviceView(
                name=config.device.name,
                version=VERSION,
                up_ms=now_ms - self._started_ms,
                feeder=config.market.feeder,
                genesis=" ".join(chain[at : at + 4] for at in range(0, 16, 4)),
            ),
            life=self._life(device),
            board=slow.board,
            meters=tuple(self._meter(status) for status in self._home.desk.status()),
            clock=views.clock_view(self._time.gate.report(), now_ms)
            if isinstance(self._time, GateTime)
            else Absent("this run has a clock of its own"),
            market=self._market(device, utc_ms),
            battery=self._battery(),
            owed=slow.owed,
            proof=self._proof(device, utc_ms),
            links=self._look_at_links(connected, now_ms),
            forecast=slow.forecast,
            store=slow.store,
            config=view_of(config, self._found.path, now_ms - self._started_ms),
            parts=views.part_views(parts, now_ms),
            day=slow.day,
        )

    def _life(self, device: Device | None) -> Life:
        if device is None:
            return Life(state=State.SYNCING.value, since_ago_ms=0, sentence="the market part is being built")
        life = device.lifecycle
        now_ms = self._time.now_ms()
        since_ms = max(0, now_ms - (life.since_ms or now_ms))
        return Life(state=life.state.value, since_ago_ms=since_ms, sentence=life.why)

    def _meter(self, status: MeterStatus) -> MeterView:
        wiring = self._found.wirings[status.name]
        return views.meter_view(
            status.reading,
            name=status.name,
            model=wiring.profile.title,
            port=wiring.where,
            monotonic_ms=self._time.monotonic_ms(),
            no_reading=status.error or "no reading yet",
            limit_ms=max(_LEAST_LIMIT_MS, MISSED * status.poll_ms),
            counts=status.counts,
            last_suspect=status.last_suspect,
        )

    def _battery(self) -> Maybe[BatteryView]:
        section, charge = self._found.config.battery, self._home.charge
        if section is None or charge is None:
            return Absent("none configured")
        return views.battery_view(section, charge.report(), self._home.hold_j)

    def _market(self, device: Device | None, utc_ms: int | None) -> Maybe[MarketView]:
        if device is None or utc_ms is None:
            return Absent("not trading")
        interval_s = self._found.genesis.market.interval_s
        interval = utc_ms // (interval_s * 1_000)
        today = utc_ms // _DAY_MS * _DAY_MS // (interval_s * 1_000)
        orders = device.trader.orders()
        trades = [trade for order in orders for trade in order.trades if trade.interval >= today]
        sold = [trade for trade in trades if trade.side == Side.SELL]
        bought = [trade for trade in trades if trade.side == Side.BUY]
        return MarketView(
            interval=interval,
            interval_s=interval_s,
            ends_in_ms=(interval + 1) * interval_s * 1_000 - utc_ms,
            position=self._position(device, interval),
            sold_today_j=sum(trade.energy_j for trade in sold),
            bought_today_j=sum(trade.energy_j for trade in bought),
            earned_today_uc=sum(trade.amount_uc for trade in sold) - sum(trade.amount_uc for trade in bought),
            last_offer=next((order.stage.value for order in reversed(orders)), ""),
        )

    def _position(self, device: Device, interval: int) -> Maybe[Position]:
        """What is traded in the running interval."""
        here = [
            order
            for order in device.trader.orders()
            if order.intent.first_interval <= interval <= order.intent.last_interval
        ]
        if not here:
            return Absent("nothing offered for this interval")
        side = here[0].intent.side
        trades = [trade for order in here for trade in order.trades if trade.interval == interval]
        done_j = sum(trade.energy_j for trade in trades)
        amount_uc = sum(trade.amount_uc for trade in trades)
        return Position(
            side="sold" if side is Side.SELL else "bought",
            done_j=done_j,
            wanted_j=sum(order.intent.energy_j for order in here if order.intent.side is side),
            price_uc_per_kwh=amount_uc * JOULES_PER_KWH // done_j if done_j else Absent("nothing traded"),
        )

    def _proof(self, device: Device | None, utc_ms: int | None) -> Maybe[ProofView]:
        if device is None:
            return Absent("the market part is being built")
        client = device.trader.client
        last = client.belief.replica.next_interval - 1
        return views.proof_view(
            client.status(),
            client.belief.trusted,
            now_ms=utc_ms,
            solution_interval=last if last >= self._found.genesis.first_interval else None,
        )

    def _look_at_links(self, connected: frozenset[str], now_ms: int) -> tuple[LinkView, ...]:
        market = self._found.config.market
        roles = {server.name: "witness" for server in market.server}
        roles |= {market.server[0].name: "market", market.dso.name: "management"}
        links = []
        for name, role in roles.items():
            up = name in connected
            known = self._links.get(name)
            if known is None or known[0] is not up:
                known = self._links[name] = (up, now_ms)
            links.append(LinkView(name=name, role=role, up=up, since_ago_ms=now_ms - known[1]))
        return tuple(links)

    def _forecast(self, utc_ms: int | None) -> Maybe[ForecastView]:
        if utc_ms is None:
            return Absent("the time is not known")
        interval_s = self._found.genesis.market.interval_s
        interval = utc_ms // (interval_s * 1_000)
        series, forecaster = next(iter(self._home.outlook.forecasters.items()))
        hour = max(1, 3_600 // interval_s)
        told = forecaster.predict(interval + 1, hour)
        if not told.energy_j:
            return Absent("not enough readings yet")
        status = forecaster.status()
        skill = status.score.skill_permille
        low, median, high = (
            sum(told.at(interval + 1 + place, level) for place in range(hour)) for level in (100, 500, 900)
        )
        return ForecastView(
            subject=_SUBJECTS[series],
            age_ms=0,
            next_hour_j=median,
            p10_j=low,
            p90_j=high,
            skill_permille=Absent("not judged yet") if skill is None else skill,
            fallback=status.reason,
        )

    # -- what takes time ---------------------------------------------------------------------------------

    def _slowly(self, now_ms: int) -> _Slow:
        if self._slow is None or now_ms - self._slow.at_ms >= _SLOW_MS:
            board, utc_ms = board_view(self._found.folder), self._time.utc_ms()
            self._slow = _Slow(
                now_ms,
                board,
                self._forecast(utc_ms),
                self._store_view(),
                self._day(utc_ms),
                self._owed(utc_ms),
            )
        return self._slow

    def _store_view(self) -> StoreView:
        status = self._store.status()
        holding = status.holding
        waiting = sum(status.outbox.values())
        unknown: Maybe[int] = Absent("the file cannot be read")
        return StoreView(
            waiting=waiting,
            used_bytes=0 if holding is None else holding.used_bytes,
            quota_bytes=self._found.config.store.quota_mb * 1_000_000
            if holding is None
            else holding.quota_bytes,
            written_today_bytes=status.written_today_bytes or 0,
            holds_days=unknown if holding is None else holding.readings_days,
            buffer_days=Absent("nothing waits") if not waiting else Absent("not measured"),
            problem=status.fault,
        )

    def _owed(self, utc_ms: int | None) -> Maybe[OwedView]:
        if utc_ms is None:
            return Absent("the time is not known")
        try:
            return views.owed_view(self._home.reporting.owing(utc_ms))
        except StoreError:
            return Absent("the file cannot be read")

    def _day(self, utc_ms: int | None) -> Maybe[tuple[DayPoint, ...]]:
        if utc_ms is None:
            return Absent("the time is not known")
        grid = self._home.grid_meter
        net: Mapping[int, int] = {
            row.interval: (row.import_j or 0) - (row.export_j or 0)
            for row in self._store.since(IntervalRow, utc_ms - _DAY_MS)
            if row.meter == grid
        }
        if not net:
            return Absent("no finished interval yet")
        settled = self._home.reporting.settle(min(net), max(net))
        traded = {one.interval: -one.traded_j for one in settled.deviations}
        return tuple(
            DayPoint(interval=interval, net_j=net_j, traded_j=traded.get(interval, Absent("nothing traded")))
            for interval, net_j in sorted(net.items())
        )
