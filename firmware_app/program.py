"""The composition root: builds the device out of its configuration, and keeps its parts running.

    part            one life of it                                                      a failure costs
    clock           looks at both clocks, asks a time service                            the time, until it is back
    meter:PORT      one bus in a thread of its own                                       the meters at this port
    store           writes what waits                                                    nothing: rows wait in memory
    page            status page and control socket                                       the view, not what is seen
    market          SQLite, ZeroMQ and the device's actor on the live driver             trading, until it is built anew
    watch           feeds systemd, as long as all parts live                             the service, if it stays away
    fleet           hears the operator, takes over configurations, says how it is        news from and for the operator

What all lives share (desk, forecast, books, history) is made once. Parts end in the opposite order: nothing is begun
while its base is being taken away, and the history is closed last.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from firmware_app.bidding.bidder import Bidder
from firmware_app.clock.gate import ClockEvent, Closed, Jumped, Opened
from firmware_app.config import keys
from firmware_app.config.check import Checked
from firmware_app.config.load import ConfigError
from firmware_app.config.schema import Role
from firmware_app.device.bidding_home import BiddingHome
from firmware_app.device.changes import Concern, concerns
from firmware_app.device.charge import StateOfCharge
from firmware_app.device.outlook import Outlook
from firmware_app.device.portrait import Portrait
from firmware_app.device.reporting import Reporting
from firmware_app.device.vitals import Vitals
from firmware_app.fleet.document import Tree
from firmware_app.fleet.verification import Clock
from firmware_app.journal import Journal
from firmware_app.management.in_force import check_document
from firmware_app.management.part import FleetPart
from firmware_app.management.steward import Steward
from firmware_app.meters.bus_part import bus_of, encryption_of, run_bus
from firmware_app.meters.desk import MeterDesk, by_port
from firmware_app.meters.relay import Relay
from firmware_app.runtime.board_time import BoardTime, GateTime, real_monotonic_ms
from firmware_app.runtime.memory import give_back
from firmware_app.runtime.supervision import Supervision
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Snapshot
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import IntervalRow
from firmware_app.trading.params import MeterParams
from firmware_app.watchdog.notify import Notifier
from meter_io.bus.events import Broken, Failed, Round
from meter_io.intervals import IntervalEnergy
from meter_io.pulse.counter import PulseInput
from meter_io.reading import MeterId

if TYPE_CHECKING:
    from firmware_app.device.market_part import MarketPart

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TICK_S: Final = 1.0
_BUILT_IN: Final = {"trader": "market"}
"""Watched part -> the supervised part that it lives in."""
_PARTS: Final = {Concern.PAGE: "page", Concern.MARKET: "market", Concern.FLEET: "fleet"}
"""What a change of the configuration concerns -> the part that is built anew for it."""


class Program:
    """Everything that one process of the device is made of."""

    def __init__(
        self, found: Checked, board_time: BoardTime, params: MeterParams, steward: Steward | None = None
    ) -> None:
        """Build what all lives of the parts share; needs a running event loop."""
        config = found.config
        self._found = found
        self._time = board_time
        self._params = params
        self._keys = keys.load(found.folder, found.config.device.identity)
        self._notifier = Notifier(os.environ)
        self._journal = Journal(config.log, environ=os.environ, utc_ms=board_time.utc_ms)
        self._supervision = Supervision(self._failed)
        self._ports = by_port(config.meter)
        self._store = DeviceStore(found.folder, config.store, clock=board_time, boot_id=_boot_id())
        self.home = self._home()
        self._market: MarketPart | None = None
        self._shown = Shown(real_monotonic_ms)
        self._relay = Relay({name: (one.profile.title, one.where) for name, one in found.wirings.items()})
        self._portrait = Portrait(found, self.home, self._store, board_time)
        self._vitals = Vitals(
            config.watchdog.parts(tuple(self._ports)),
            notifier=self._notifier,
            journal=self._journal,
            restart=self._restart,
            monotonic_ms=real_monotonic_ms,
        )
        self.again = asyncio.Event()
        """Set when everything has to begin anew, by another configuration."""
        self._fleet = None if steward is None else self._fleet_part(steward)

    # -- building ------------------------------------------------------------------------------------------------------

    def _fleet_part(self, steward: Steward) -> FleetPart:
        steward.join(self._journal, self._store, self._clock)
        return FleetPart(
            steward,
            self._store,
            snapshot=lambda: self._shown.snapshot,
            supervised=self._supervision.report,
            utc_ms=self._time.utc_ms,
            apply=self._apply,
        )

    def _clock(self) -> Clock:
        """What is known of the time, for bundles that expire."""
        gate = self._time.gate if isinstance(self._time, GateTime) else None
        floor_ms = None if gate is None else gate.report().floor_ms
        return Clock(utc_ms=self._time.utc_ms(), floor_ms=floor_ms or 0)

    def _bidder(self) -> Bidder:
        config = self._found.config
        return Bidder(
            market=self._found.genesis.market,
            settings=config.bidding,
            privacy=config.privacy,
            chance=SystemRandom(),
            battery=config.battery,
        )

    def _home(self) -> BiddingHome:
        config, market, store = self._found.config, self._found.genesis.market, self._store
        (grid_meter,) = (meter.name for meter in config.meter if meter.role is Role.GRID)
        desk = MeterDesk(
            config.meter,
            {name: wiring.profile for name, wiring in self._found.wirings.items()},
            store,
            interval_s=market.interval_s,
            on_interval=self._counted,
            monotonic_ms=real_monotonic_ms,
        )
        reporting = Reporting(
            meter_id=config.device.name,
            interval_s=market.interval_s,
            prices=config.imbalance,
            settings=config.report,
            store=store,
            sign=self._keys.identity.sign,
            chance=os.urandom,
        )
        utc_ms = self._time.utc_ms()
        if utc_ms is not None:
            reporting.recall(grid_meter, utc_ms)
        return BiddingHome(
            grid_meter=grid_meter,
            desk=desk,
            outlook=Outlook(
                config.forecast,
                store,
                interval_s=market.interval_s,
                pv_meters=sum(meter.role is Role.PV for meter in config.meter),
                battery=None if config.battery is None else config.battery.meter,
            ),
            bidder=self._bidder(),
            reporting=reporting,
            store=store,
            market=market,
            bidding=config.bidding,
            privacy=config.privacy,
            charge=self._charge(),
        )

    def _charge(self) -> StateOfCharge | None:
        """Who knows what the battery holds; what it fed in since midnight is in the history."""
        battery, interval_s = self._found.config.battery, self._found.genesis.market.interval_s
        if battery is None:
            return None
        charge = StateOfCharge(
            battery, monotonic_ms=real_monotonic_ms, event=self._store.event, interval_s=interval_s
        )
        newest = self._store.newest(IntervalRow, len(self._found.config.meter) * 86_400 // interval_s)
        charge.counted(row.energy() for row in newest)
        return charge

    def _counted(self, role: Role, energy: IntervalEnergy) -> None:
        self.home.counted(role, energy)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all parts."""
        start = self._supervision.start
        start("store", self._keep_store)
        start("clock", self._keep_clock)
        for port, sections in self._ports.items():
            form = self._found.wirings[sections[0].name].profile.form
            keep = self._keep_pulses if isinstance(form, PulseInput) else self._keep_bus
            start(f"meter:{port}", partial(keep, port))
        start("market", self._keep_market)
        start("page", self._keep_page)
        start("watch", self._keep_watch)
        if self._fleet is not None:
            start("fleet", self._keep_fleet)
        self._notifier.ready()
        self._journal.info("device.started", "all parts are started", device=self._found.config.device.name)

    async def stop(self) -> None:
        """End all parts, then let go of the history."""
        self._notifier.stopping()
        await self._supervision.stop()
        self.home.outlook.keep()
        self._store.close()
        self._journal.info("device.stopped", "all parts have ended")

    def _restart(self, watched: str, why: str) -> None:
        """Build a part anew that shows no sign of life; what is watched as the trader lives in the market part."""
        self._supervision.restart(_BUILT_IN.get(watched, watched), why)

    def _failed(self, part: str, error: BaseException) -> None:
        sentence = f"{type(error).__name__}: {error}"
        self._journal.error("part.failed", "a part failed and is built anew", part=part, error=sentence)
        self._store.event("part.failed", f"{part}: {sentence}")

    async def _apply(self, document: Tree) -> str | None:
        """Run by another document: why that cannot be, or nothing; None where everything has to begin anew."""
        try:
            found = check_document(document, self._found.path)
        except ConfigError as error:
            return str(error)
        concerned = concerns(self._found.config, found.config)
        if Concern.EVERYTHING in concerned:
            self.again.set()
            return None
        self._found = found
        self._portrait.follow(found)
        if Concern.JOURNAL in concerned:
            self._journal.follow(found.config.log)
        if Concern.BIDDER in concerned:
            self.home.follow(self._bidder(), found.config.bidding, found.config.privacy)
        for concern, part in _PARTS.items():
            if concern in concerned:
                self._supervision.restart(part, "its configuration changed")
        return ""

    # -- parts ---------------------------------------------------------------------------------------------------------

    async def _keep_store(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._store.commit_if_due():
                self._vitals.fresh("store")
            else:
                self._vitals.idle("store", "no batch was due")
            await _pause(stop, _TICK_S)

    async def _keep_clock(self, stop: asyncio.Event) -> None:
        await self._time.work(stop, self._clock_event, lambda: self._vitals.fresh("clock"))

    def _clock_event(self, event: ClockEvent) -> None:
        """The time is known, or is not any more: what holds timers or waits for it begins anew."""
        match event:
            case Opened(utc_ms=utc_ms, monotonic_ms=monotonic_ms, source=source):
                self._journal.info("clock.known", "the time is known", source=source)
                self._store.restamp(utc_ms - monotonic_ms)
                self.home.reporting.recall(self.home.grid_meter, utc_ms)
                self.home.desk.clock_known(utc_ms, monotonic_ms)
                self._supervision.restart("market", "the time is known now")
            case Closed(reason=reason):
                self._journal.warning("clock.unknown", reason)
                self._store.event("clock.closed", reason)
            case Jumped(by_ms=by_ms):
                self._journal.warning("clock.jumped", "the clock was set", by_ms=by_ms)
                self._store.event("clock.jumped", f"by {by_ms} ms")

    async def _keep_bus(self, port: str, stop: asyncio.Event) -> None:
        sections, wirings = self._ports[port], self._found.wirings
        meters = tuple(MeterId(section.name) for section in sections)
        with encryption_of(sections[0], self._found.path.parent, self._found.folder) as decryptor:
            bus = bus_of(sections, wirings, decryptor)
            await run_bus(bus, wirings[sections[0].name].port(), partial(self._heard, port, meters), stop)

    async def _keep_pulses(self, port: str, stop: asyncio.Event) -> None:
        from firmware_app.meters.pulse_part import KeptPulses, run_pulses  # noqa: PLC0415 - few meters are pulses

        (section,) = self._ports[port]
        form = self._found.wirings[section.name].profile.form
        if isinstance(form, PulseInput):
            hear = partial(self._heard, port, (MeterId(section.name),))
            kept = KeptPulses(self._store, section.name)
            await run_pulses(section, form, kept.load(), hear, kept.keep, stop)

    def _heard(self, port: str, meters: tuple[MeterId, ...], what: Round | Failed | Broken) -> None:
        at_ms = what.ended_ms if isinstance(what, Round) else real_monotonic_ms()
        reading = self.home.desk.hear(what, self._time.moment(at_ms), meters)
        if isinstance(what, Round):
            self._vitals.fresh(f"meter:{port}")
            charge = self.home.charge
            if charge is not None and charge.meter == what.meter:
                charge.hear(what.said, what.ended_ms)
            if reading is not None:
                self._relay.hear(what.meter, what.said, reading, what.ended_ms - what.began_ms)
        else:
            self._vitals.idle(f"meter:{port}", what.error.sentence)
            for meter in (what.meter,) if isinstance(what, Failed) else meters:
                self._relay.miss(meter, what.error)

    async def _keep_market(self, stop: asyncio.Event) -> None:
        from firmware_app.device.market_part import MarketPart  # noqa: PLC0415 - ZeroMQ may fail, and alone

        give_back()
        part = self._market = MarketPart(
            self._found,
            self._keys,
            self.home,
            self._time,
            self._params,
            reach=self.home.reach,
            journal=self._journal,
            fresh=self._vitals.fresh,
            idle=self._vitals.idle,
            on_clock=self._clock_event,
            on_salvaged=self._salvaged,
        )
        with ExitStack() as stack:
            stack.enter_context(closing(part))
            stack.callback(self._market_ended)
            await part.run(stop)

    def _salvaged(self, note: str) -> None:
        """The market part's file was damaged: on record before anything is done with what is left."""
        self._journal.warning("market.salvaged", note)
        self._store.event("market.salvaged", note)
        self._store.commit()

    def _market_ended(self) -> None:
        self._market = None

    async def _keep_page(self, stop: asyncio.Event) -> None:
        from firmware_app.device.windows import handlers_of, keep_windows  # noqa: PLC0415 - whose failure is its own
        from firmware_app.status.server import StatusServer  # noqa: PLC0415 - likewise

        params = self._found.config.status
        await keep_windows(
            params,
            StatusServer(params, self._shown, self._found.page_password()),
            handlers_of(self._shown, self._journal, self._relay, self._fleet),
            self._look,
            partial(self._vitals.fresh, "page"),
            stop,
        )

    def _look(self) -> Snapshot:
        market = self._market
        seen = self._portrait.take(
            None if market is None else market.device,
            frozenset() if market is None else market.connected,
            self._vitals.report(),
            zone_offset_s=time.localtime().tm_gmtoff,
        )
        return seen if self._fleet is None else self._fleet.show(seen)

    async def _keep_fleet(self, stop: asyncio.Event) -> None:
        if self._fleet is not None:
            await self._fleet.run(self._found, stop)

    async def _keep_watch(self, stop: asyncio.Event) -> None:
        every_s = self._notifier.feed_every_ms / 1_000
        while not stop.is_set():
            self._vitals.beat()
            await _pause(stop, every_s)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _boot_id() -> str:
    """The same for every start of the program between two starts of the board, as far as the kernel tells."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"process {os.getpid()} at {real_monotonic_ms()}"
