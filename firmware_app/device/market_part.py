"""One life of the market part: the device's actor on SQLite and ZeroMQ, driven live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

import zmq.asyncio

from firmware_app.clock.gate import ClockEvent
from firmware_app.clock.rescue import Rescue
from firmware_app.config.check import Checked
from firmware_app.config.keys import DeviceKeys
from firmware_app.config.schema import ServerSection
from firmware_app.device.device import TIMER, Device
from firmware_app.device.home import Home
from firmware_app.device.lifecycle import May
from firmware_app.device.signed_time import SignedTimeWatch
from firmware_app.journal import Journal
from firmware_app.runtime.board_time import BoardTime, GateTime
from firmware_app.runtime.driver import Driver
from firmware_app.store.state import noted, open_state
from firmware_app.trading.addresses import sit_out
from firmware_app.trading.lost_orders import search
from firmware_app.trading.meter import TradingMeter
from firmware_app.trading.params import MeterParams
from light_client.session.actor import Effect, Event, TimerFired
from light_client.store.batch import Compartment
from light_client.transport.node import Address, Deliver, Transport
from light_client.wallet.wallet import TABLE as WALLET
from light_client.wallet.wallet import Wallet

_PATIENCE_POLLS: Final = 2
"""A decision waits for so many polls of the slowest meter into an interval, and for a quarter of it at most."""


class MarketPart:
    """Builds everything anew on what is durable; close it at its end."""

    def __init__(
        self,
        found: Checked,
        keys: DeviceKeys,
        home: Home,
        board_time: BoardTime,
        params: MeterParams,
        *,
        reach: int,
        journal: Journal,
        fresh: Callable[[str], None],
        idle: Callable[[str, str], None],
        on_clock: Callable[[ClockEvent], None],
        on_salvaged: Callable[[str], None],
    ) -> None:
        """Open the store and build the actor; nothing is dialled yet.

        Args:
            reach: how far ahead of a decision the energy may lie that it offers, intervals.
            fresh, idle: where signs of life go.
            on_clock: is told when signed time made the time known.
            on_salvaged: records what became of a damaged file.

        Raises:
            StoreError: orders and wallet cannot be read: nothing may be traded without them.
        """
        self._found = found
        self._home = home
        self._time = board_time
        self._journal = journal
        self._fresh = fresh
        self._idle = idle
        self._on_clock = on_clock
        self._stack = ExitStack()
        name = found.config.device.name
        state = open_state(found.store, wallets=(f"{name}/{WALLET}",))
        self._storage = self._stack.enter_context(state.storage)
        self._compartment = Compartment(self._storage, name)
        if state.note:
            on_salvaged(f"{state.note}; nothing is offered for {reach} intervals: lost orders may stand")
            writes = [sit_out(reach), *search(self._compartment)]
            self._storage.commit([noted(), *map(self._compartment.owned, writes)])
        self.device = self._device(keys, params)
        self.connected: frozenset[str] = frozenset()

    def _device(self, keys: DeviceKeys, params: MeterParams) -> Device:
        found, chance = self._found, SystemRandom()
        genesis, market = found.genesis, found.config.market
        trader = TradingMeter(
            found.config.device.name,
            genesis,
            identity=keys.identity,
            wallet=Wallet(keys.seed, genesis.chain_id(), self._compartment),
            feeder=market.feeder,
            servers=tuple(server.name for server in market.server),
            operator=market.dso.name,
            storage=self._compartment,
            chance=chance,
            client_chance=chance,
            params=params,
            is_measured=self._may_post,
        )
        interval_s = genesis.market.interval_s
        slowest_ms = max(meter.poll_ms for meter in found.config.meter)
        return Device(
            trader,
            self._home,
            interval_s=interval_s,
            chance=chance,
            decide_after_ms=min(_PATIENCE_POLLS * slowest_ms, interval_s * 1_000 // 4),
            clock_known=lambda: self._time.is_known,
            signed_time=self._signed_time(trader),
        )

    def _signed_time(self, trader: TradingMeter) -> SignedTimeWatch | None:
        """What asks the tier for the time, where the time is a gate's."""
        if not isinstance(self._time, GateTime):
            return None
        trusted = trader.client.belief.trusted
        self._time.gate.raise_floor(trusted)
        return SignedTimeWatch(
            Rescue(self._found.genesis, trusted, self._found.config.clock),
            self._time.gate,
            servers=tuple(server.name for server in self._found.config.market.server),
            monotonic_ms=self._time.monotonic_ms,
            on_event=self._on_clock,
        )

    def _may_post(self, now_ms: int) -> bool:
        """Whether clock and grid meter are believed; the trading meter looks after the chain by itself."""
        return self._time.is_known and self._home.is_measured(now_ms)

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until the event is set.

        Raises:
            Exception: whatever store, transport or actor raised; what the last round wrote is not durable then, and
                none of its messages left.
        """
        market = self._found.config.market
        context = zmq.asyncio.Context()
        self._stack.callback(context.destroy)

        def connect(deliver: Deliver) -> Transport:
            peers = {peer.name: _address(peer) for peer in (*market.server, market.dso)}
            transport = Transport(context, key=None, peers=peers, deliver=deliver)
            self._stack.callback(transport.close)
            return transport

        driver = Driver(clock=self._time, store=self._storage, reports=self)
        driver.add(
            _Watched(self.device, self._fresh, self._idle, self._raise_floor), self._compartment, connect
        )
        await driver.run(stop)

    def _raise_floor(self) -> None:
        """A header was verified: the board's time is never believed to be earlier, and its server vouches for it."""
        if isinstance(self._time, GateTime):
            client, gate = self.device.trader.client, self._time.gate
            gate.raise_floor(client.belief.trusted)
            for event in gate.vouch(client.server, client.belief.trusted.time_ms, self._time.monotonic_ms()):
                self._on_clock(event)

    def close(self) -> None:
        """Hang up and let go of the store."""
        self._stack.close()

    # -- reports of the driver -----------------------------------------------------------------------------------------

    def add(self, time_ms: int, actor: str, name: str, value: object) -> None:
        """Tell the journal of what an owner may look for; it keeps trades to itself."""
        del time_ms, actor
        match name, value:
            case "state", (str(state), str(why)):
                self._journal.info("device.state", why or "all is well", state=state)
            case "live.connections", {"connected": list(connected)}:
                self.connected = frozenset(connected)
            case "halted" | "withdrawal-failed", _:
                self._journal.warning(f"market.{name}", str(value))

    def flush(self) -> None:
        """Nothing is held back."""


class _Watched:
    """The device's actor, which shows a sign of life with whatever it verified or decided."""

    def __init__(
        self,
        device: Device,
        fresh: Callable[[str], None],
        idle: Callable[[str, str], None],
        on_header: Callable[[], None],
    ) -> None:
        self.name = device.name
        self._device = device
        self._fresh = fresh
        self._idle = idle
        self._on_header = on_header
        self._height = -1

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let the device react, then say what came of it."""
        device = self._device
        effects = device.handle(event, now_ms)
        if device.trader.client.height != self._height:
            self._height = device.trader.client.height
            self._fresh("market")
            self._on_header()
        if isinstance(event, TimerFired) and event.name == TIMER:
            life = device.lifecycle
            if life.may(May.POST):
                self._fresh("trader")
            else:
                self._idle("trader", life.why or life.state.value)
                self._idle("market", life.why or life.state.value)
        return effects


def _address(peer: ServerSection) -> Address:
    return Address(endpoint=peer.endpoint, server_key=peer.key)
