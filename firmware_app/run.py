"""`gridlight run`: the composition root. Builds the device out of its configuration, and keeps it running.

    part            one life of it                                                      a failure costs
    clock           looks at both clocks, asks a time service                            the time, until it is back
    meter:PORT      one bus in a thread of its own                                       the meters at this port
    store           writes what waits                                                    nothing: rows wait in memory
    page            status page and control socket                                       the view, not what is seen
    market          SQLite, ZeroMQ and the device's actor on the live driver             trading, until it is built anew
    watch           feeds systemd, as long as all parts live                             the service, if it stays away

What all lives share (desk, forecast, books, history) is made once. Parts end in the opposite order: nothing is begun
while its base is being taken away, and the history is closed last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from firmware_app.bidding.bidder import Bidder
from firmware_app.clock.gate import ClockEvent, ClockGate, Closed, Jumped, Opened
from firmware_app.config import keys
from firmware_app.config.check import Checked
from firmware_app.config.commands import checked, file_of
from firmware_app.config.schema import Role
from firmware_app.console import CommandError, Console, Exit
from firmware_app.device.bidding_home import BiddingHome, recall_books, recall_issued
from firmware_app.device.outlook import Outlook
from firmware_app.device.portrait import Portrait
from firmware_app.device.vitals import Vitals
from firmware_app.journal import Journal
from firmware_app.meters.bus_part import bus_of, encryption_of, run_bus
from firmware_app.meters.desk import MeterDesk, by_port
from firmware_app.meters.relay import Relay
from firmware_app.reconcile.reconciler import Reconciler
from firmware_app.runtime.board_time import BoardTime, GateTime, real_monotonic_ms
from firmware_app.runtime.supervision import Supervision
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Snapshot
from firmware_app.store.device_store import DeviceStore
from firmware_app.trading.params import MeterParams
from firmware_app.watchdog.notify import Notifier
from light_client.store.errors import StoreError
from meter_io.bus.events import Broken, Failed, Round
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId

if TYPE_CHECKING:
    from firmware_app.device.market_part import MarketPart

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TICK_S: Final = 1.0
_BUILT_IN: Final = {"trader": "market"}
"""Watched part -> the supervised part that it lives in."""


def run(args: argparse.Namespace) -> int:
    """Be the device until SIGTERM or SIGINT."""
    console: Console = args.console
    found = checked(file_of(args))
    if not found.is_enrolled:
        raise CommandError(
            f"{found.config.device.name} has no keys yet", hint=f"gridlight enroll {found.path}"
        )
    console.note(f"running {found.config.device.name} with {found.path}")
    try:
        asyncio.run(run_device(found))
    except (keys.KeysError, StoreError) as error:
        raise CommandError(str(error)) from None
    return Exit.OK


async def run_device(
    found: Checked, *, board_time: BoardTime | None = None, params: MeterParams | None = None
) -> None:
    """Run until a signal comes.

    Args:
        found: the configuration.
        board_time: instead of the machine's clocks behind a gate.
        params: how patient the trading meter is, if not as usual.

    Raises:
        KeysError: a secret cannot be used.
        StoreBusyError: another process runs this device.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = ClockGate(
        found.config.clock,
        max_drift_ms=found.genesis.chain.max_drift_ms,
        monotonic_ms=real_monotonic_ms(),
    )
    program = Program(found, board_time or GateTime(gate), params or MeterParams())
    try:
        program.start()
        await stop.wait()
    finally:
        await program.stop()


class Program:
    """Everything that one process of the device is made of."""

    def __init__(self, found: Checked, board_time: BoardTime, params: MeterParams) -> None:
        """Build what all lives of the parts share; needs a running event loop."""
        config = found.config
        self._found = found
        self._time = board_time
        self._params = params
        self._keys = keys.load(found.folder)
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

    # -- building ------------------------------------------------------------------------------------------------------

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
        now_ms = self._time.now_ms()
        reconciler = Reconciler(
            meter_id=config.device.name,
            interval_s=market.interval_s,
            prices=config.imbalance,
            issued=recall_issued(store, now_ms=now_ms),
        )
        recall_books(reconciler, store, grid_meter=grid_meter, now_ms=now_ms)
        return BiddingHome(
            grid_meter=grid_meter,
            desk=desk,
            outlook=Outlook(
                config.forecast,
                store,
                interval_s=market.interval_s,
                pv_meters=sum(meter.role is Role.PV for meter in config.meter),
            ),
            bidder=Bidder(
                market=market, settings=config.bidding, privacy=config.privacy, chance=SystemRandom()
            ),
            reconciler=reconciler,
            store=store,
            market=market,
            bidding=config.bidding,
            privacy=config.privacy,
        )

    def _counted(self, role: Role, energy: IntervalEnergy) -> None:
        self.home.counted(role, energy)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all parts."""
        start = self._supervision.start
        start("store", self._keep_store)
        start("clock", self._keep_clock)
        for port in self._ports:
            start(f"meter:{port}", partial(self._keep_bus, port))
        start("market", self._keep_market)
        start("page", self._keep_page)
        start("watch", self._keep_watch)
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

    def _heard(self, port: str, meters: tuple[MeterId, ...], what: Round | Failed | Broken) -> None:
        at_ms = what.ended_ms if isinstance(what, Round) else real_monotonic_ms()
        reading = self.home.desk.hear(what, self._time.moment(at_ms), meters)
        if isinstance(what, Round):
            self._vitals.fresh(f"meter:{port}")
            if reading is not None:
                self._relay.hear(what.meter, what.said, reading, what.ended_ms - what.began_ms)
        else:
            self._vitals.idle(f"meter:{port}", what.error.sentence)
            for meter in (what.meter,) if isinstance(what, Failed) else meters:
                self._relay.miss(meter, what.error)

    async def _keep_market(self, stop: asyncio.Event) -> None:
        from firmware_app.device.market_part import MarketPart  # noqa: PLC0415 - ZeroMQ may fail, and alone

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
            handlers_of(self._shown, self._journal, self._relay),
            self._look,
            partial(self._vitals.fresh, "page"),
            stop,
        )

    def _look(self) -> Snapshot:
        market = self._market
        return self._portrait.take(
            None if market is None else market.device,
            frozenset() if market is None else market.connected,
            self._vitals.report(),
            zone_offset_s=time.localtime().tm_gmtoff,
        )

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
