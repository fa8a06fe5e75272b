"""A whole market day in virtual time, and everything that its homes say to their operator meanwhile.

The market is the simulator's. Beside it every home has the device's own management part with its own store, which is
fed what the home's trading meter tells of itself, and a line that writes down what would go over the broker.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

import testbed.cast
from firmware_app.device import accounting
from firmware_app.device.reporting import Reporting
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.verification import Clock
from firmware_app.management import part as management
from firmware_app.management.link import Said
from firmware_app.management.part import FleetPart
from firmware_app.management.steward import Steward
from firmware_app.reconcile.deviation import ImbalancePrices
from firmware_app.reconcile.metered import metered_of
from firmware_app.reconcile.sealing import public_seal_key
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.status.snapshot import Snapshot, StoreView
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import Row
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from firmware_app.trading.orders import Stage
from light_client.rules.crypto import sign
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.transactions import decode_transaction
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId
from meter_io.span import Basis
from testbed.fleet.planned_home import PlannedHome
from testbed.privacy.planes import Trace, Word, amounts_of
from testbed.scenarios import catalogue
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from tests.firmware_app.fleet.world import EXAMPLE, KEY_SET, example
from tests.status_kit import TRADING

TICK_MS: Final = 100_000
BLOCK_BYTES: Final = 4_096
ROWS_A_BLOCK: Final = 8
AFTER_MS: Final = 3 * 3_600_000
"""So long after the day devices are still listened to: the report of the day leaves then."""
SHOWN: Final = frozenset({Stage.POSTED, Stage.OPEN, Stage.CLOSED, Stage.DEPOSITED})


@dataclass(slots=True)
class Told:
    """What a home's trading meter told of itself."""

    at_ms: int
    rows: list[Row]


@dataclass(slots=True)
class Known:
    """What the ledger shows of one address, and whose it is."""

    home: int
    at_ms: list[int] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TwoPlanes:
    """Both sides of one day."""

    day: SimulatedDay
    words: tuple[Word, ...]
    traces: tuple[Trace, ...]
    secrets: frozenset[bytes]
    """Everything on the ledger that stands for somebody or something."""
    homes: int


class _Ear:
    """Hears what every home's trading meter tells of itself."""

    def __init__(self) -> None:
        self.told: dict[int, list[Told]] = defaultdict(list)
        self.known: dict[bytes, Known] = {}

    def hear(self, home: int, news: News, now_ms: int) -> None:
        rows: list[Row] = [accounting.header_row(header) for header in news.headers]
        rows += [accounting.offer_row(order, now_ms) for order in news.orders if not order.is_spare]
        rows += [accounting.trade_row(final, now_ms) for final in news.finals]
        self.told[home].append(Told(now_ms, rows))
        for order in news.orders:
            known = self.known.setdefault(order.key.address, Known(home))
            if order.stage in SHOWN:
                known.at_ms.append(now_ms)
            if order.wish is not None:
                known.values |= {
                    "energy_j": order.wish.energy_j,
                    "price_uc_per_kwh": order.wish.price_uc_per_kwh,
                }
        for final in news.finals:
            known = self.known.setdefault(final.order.key.address, Known(home))
            known.at_ms.append(now_ms)
            number = len(known.values)
            known.values |= {f"{number}_j": final.trade.energy_j, f"{number}_uc": final.trade.amount_uc}


def play(folder: Path, monkeypatch: pytest.MonkeyPatch, scenario: str = "village") -> TwoPlanes:
    """Run the day, and let the devices speak."""
    ear = _Ear()

    class Listening(PlannedHome):
        """Whose news are heard."""

        def __init__(self, intents: Any, is_measured: Any) -> None:
            planned: tuple[Intent, ...] = tuple(intents)
            super().__init__(planned, is_measured)
            self._home = next((int(getattr(one, "home_id")) for one in planned), -1)  # noqa: B009

        def hear(self, news: News, now_ms: int) -> None:
            ear.hear(self._home, news, now_ms)

    monkeypatch.setattr(testbed.cast, "PlannedHome", Listening)
    file = catalogue.find(scenario)
    cast = cast_of(file, catalogue.build(file, seed=1), 1)
    day = run_day(cast)
    homes = sorted(home for home in ear.told if home >= 0)
    words = [
        word
        for number, home in enumerate(homes)
        for word in _Home(folder / str(home), number, monkeypatch).live(
            ear.told[home], cast.start_ms, cast.end_ms + AFTER_MS
        )
    ]
    traces = tuple(
        Trace(
            home=homes.index(known.home),
            at_ms=tuple(sorted(set(known.at_ms))),
            amounts=amounts_of(known.values),
        )
        for known in ear.known.values()
        if known.home in homes and known.at_ms
    )
    return TwoPlanes(day, tuple(words), traces, frozenset(_secrets(day, ear)), len(homes))


def _secrets(day: SimulatedDay, ear: _Ear) -> Iterator[bytes]:
    """Addresses and keys, names of transactions, blocks and the chain, and the roots that blocks commit to."""
    yield from ear.known
    yield day.genesis.chain_id()
    for certified in day.observed.record.blocks:
        header = certified.header
        yield from (header.hash(), header.tx_root, header.state_root, header.solution_root)
        for raw in body_from_bytes(certified.body, day.genesis.chain).transactions:
            signed = decode_transaction(raw, max_bytes=day.genesis.chain.max_tx_bytes)
            yield from (signed.tx_id(), signed.public_key)


class _Home:
    """The management side of one home."""

    def __init__(self, folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._number = number
        self._now_ms = 0
        self._start_ms = 0
        self._written = 0
        self._waiting = 0
        self._words: list[Word] = []
        self._store = DeviceStore(
            folder, StoreParams(), clock=self, boot_id="boot", counter=lambda: self._written
        )
        name = f"meter-{number:04d}"
        document = example()
        document["device"]["name"] = name
        memory = Memory(key_set=KEY_SET, current=Configuration(document=document))
        steward = Steward(
            EXAMPLE,
            memory,
            MemoryFile(folder / "memory"),
            clock=lambda: Clock(utc_ms=self._now_ms),
            monotonic_ms=self.monotonic_ms,
        )
        monkeypatch.setattr(management, "_monotonic_ms", self.monotonic_ms)
        self._part = FleetPart(
            steward,
            self._store,
            snapshot=self._snapshot,
            supervised=lambda: (),
            utc_ms=lambda: self._now_ms,
            apply=self._apply,
        )
        self._name = name
        self._part.caller.link = self  # type: ignore[assignment] # what goes over the broker ends here
        self._reporting = Reporting(
            meter_id=name,
            interval_s=900,
            prices=ImbalancePrices(),
            settings=ReportSettings(operator_key=public_seal_key(bytes(range(32))).hex()),
            store=self._store,
            sign=partial(sign, bytes(31) + bytes([number + 1])),
            chance=Random(number).randbytes,
        )

    # -- clock and line ------------------------------------------------------------------------------------------------

    is_ready = True

    def utc_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms - self._start_ms

    def publish(self, said: Said) -> bool:
        self._words.append(
            Word(at_ms=self._now_ms, device=self._number, topic=said.topic, payload=said.payload)
        )
        return True

    async def _apply(self, _: object) -> str:
        return ""

    # -- the day -------------------------------------------------------------------------------------------------------

    def live(self, told: list[Told], start_ms: int, end_ms: int) -> list[Word]:
        """From its birth on, minute by minute."""
        self._start_ms = self._now_ms = start_ms
        chance = Random(f"loads {self._number}")
        asyncio.run(self._live(list(reversed(told)), end_ms, chance))
        self._store.close()
        return self._words

    async def _live(self, told: list[Told], end_ms: int, chance: Random) -> None:
        self._part.caller._held()
        interval = self._now_ms // 900_000
        while self._now_ms < end_ms:
            self._now_ms += TICK_MS
            while told and told[-1].at_ms <= self._now_ms:
                self._write(*told.pop().rows)
            while (interval + 1) * 900_000 <= self._now_ms:
                self._count(interval, chance)
                interval += 1
            if self._store.commit_if_due() and self._waiting:
                self._written += BLOCK_BYTES * (2 + self._waiting // ROWS_A_BLOCK)
                self._waiting = 0
            await self._part._tick()

    def _write(self, *rows: Row) -> None:
        self._store.hold(*rows)
        self._waiting += len(rows)

    def _count(self, interval: int, chance: Random) -> None:
        energy = IntervalEnergy(
            meter=MeterId("house"),
            interval=interval,
            energy_j=(chance.randrange(1_000_000), 0),
            basis=Basis.MEASURED,
            covered_ms=900_000,
        )
        self._reporting.counted(metered_of(energy))
        self._reporting.look(self._now_ms)

    def _snapshot(self) -> Snapshot:
        """As the device's own page shows it: with its trades, which must not leave it beside its name."""
        assert isinstance(TRADING.store, StoreView)
        store = replace(TRADING.store, written_today_bytes=self._written)
        return replace(
            TRADING,
            made_utc_ms=self._now_ms,
            made_monotonic_ms=self.monotonic_ms(),
            device=replace(TRADING.device, name=self._name, up_ms=self.monotonic_ms()),
            store=store,
            notices=(),
        )
