"""What a week of mishaps has left, each part of it from whoever knows it best, the device's own word apart.

| part                                  | from                                                      |
|---------------------------------------|-----------------------------------------------------------|
| which addresses are the device's      | the DSO's book of withdrawals                             |
| offers, final trades, deposits        | a miner's chain, re-judged by a replica that took no part |
| what truly flowed                     | the household behind the virtual meter                    |
| trades, intervals, readings, events   | the device's files                                        |
| what whole days came to               | the DSO's books: sealed reports and trades of its grants  |
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

from firmware_app.config.check import STORE
from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import EventRow, IntervalRow, ReadingRow, SettlementRow, TradeRow
from firmware_app.trading.order_store import load
from light_client.rules.crypto import public_key_of
from light_client.rules.encoding import decode
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.transactions import asset_from_wire
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, Side
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from testbed.cast import DSO
from testbed.dso.deliveries import DeliveryDesk
from testbed.dso.operator import WITHDRAWALS
from testbed.fleet.virtual_meters.household import Household
from testbed.live.aftermath import chain_on_disk
from testbed.live.deployment import Deployment
from testbed.week.board import SEED, Board, name_of

_ALL: Final = 10_000_000
_DAY_S: Final = 86_400
_REPORTED_S: Final = 4 * 3_600
"""So long after its end a day has to be with the operator: an hour passes on purpose, and the broker may be away."""
_AHEAD: Final = 96
"""Intervals after the run for which something may be offered already."""


class Posted(NamedTuple):
    """An offer of the device on the chain."""

    at_ms: int
    """Of the block that took it."""
    offer: OpenOffer


class DaySum(NamedTuple):
    """What a day came to."""

    metered_j: int
    traded_j: int
    received_uc: int
    owed_uc: int


class DayBooks(NamedTuple):
    """A whole day, as both sides have it."""

    day: int
    """Since 1970."""
    theirs: DaySum | None
    """The operator's: out of the report that it opened, and the trades of its grants on the chain; None: no report."""
    ours: DaySum | None
    """The device's; None where it has added up nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Everything that is held against each other."""

    posted: tuple[Posted, ...]
    trades: tuple[Trade, ...]
    """Final ones of the device's offers."""
    flows: Mapping[int, tuple[int, int]]
    """Interval -> (import, export) that truly flowed, J."""
    known_trades: Mapping[tuple[int, int], tuple[int, int]]
    """(offer, interval) -> (energy in J, amount in micro-currency) of what the device holds for a final trade."""
    intervals: tuple[IntervalRow, ...]
    readings_ms: tuple[int, ...]
    """When the device read its meter, ascending."""
    events: tuple[EventRow, ...]
    days: tuple[DayBooks, ...] = ()
    """Of the run, each that had to be reported; none where there was no broker to send a report to."""


def look(board: Board, deployment: Deployment, reports: tuple[bytes, ...] | None = None) -> Left:
    """Read everything, while neither device nor tier runs.

    Args:
        reports: sealed ones that reached the operator; None where nothing could reach it.

    Raises:
        RuleViolation: the operator cannot open a report, or its signature is wrong.
    """
    posted, trades = _on_chain(deployment, _addresses(board, deployment))
    with closing(board.open_store()) as store:
        readings = (row.at_ms for row in store.newest(ReadingRow, _ALL))
        return Left(
            posted=posted,
            trades=trades,
            flows=flows_of(board.household, deployment),
            known_trades=_known_trades(board, deployment, store),
            intervals=tuple(store.newest(IntervalRow, _ALL)),
            readings_ms=tuple(sorted(at_ms for at_ms in readings if at_ms is not None)),
            events=tuple(store.newest(EventRow, _ALL)),
            days=() if reports is None else _days(board, deployment, trades, store, reports),
        )


def _days(
    board: Board,
    deployment: Deployment,
    trades: tuple[Trade, ...],
    store: DeviceStore,
    reports: tuple[bytes, ...],
) -> tuple[DayBooks, ...]:
    """Whole days of the run that are over for long enough."""
    cast, name = deployment.cast, name_of(deployment, board.home)
    keys = {name: public_key_of(cast.secret("meter", board.home.home_id))}
    desk = DeliveryDesk(keys.get, ImbalancePrices(), cast.secret("seal"))
    for sealed in reports:
        desk.take(sealed)
    ours = {
        row.day: DaySum(row.metered_j, row.traded_j, row.received_uc, row.owed_uc)
        for row in store.newest(SettlementRow, _ALL)
    }
    interval_s, scenario = cast.scenario.interval_s, cast.scenario
    first = -(-scenario.first_interval * interval_s // _DAY_S)
    over = ((scenario.last_interval + 1) * interval_s - _REPORTED_S) // _DAY_S
    finals = tuple(map(_final, trades))
    return tuple(
        DayBooks(day, _their_sum(desk, name, day * (_DAY_S // interval_s), finals), ours.get(day))
        for day in range(first, over)
    )


def _their_sum(desk: DeliveryDesk, name: str, first: int, finals: tuple[FinalTrade, ...]) -> DaySum | None:
    if desk.newest(name, first) is None:
        return None
    settled = desk.settle(name, first, finals)
    return DaySum(settled.metered_j, settled.traded_j, settled.received_uc, settled.owed_uc)


def _final(trade: Trade) -> FinalTrade:
    return FinalTrade(
        offer_id=trade.offer_id,
        side=Side(trade.side),
        interval=trade.interval,
        energy_j=trade.energy_j,
        amount_uc=trade.amount_uc,
    )


def flows_of(household: Household, deployment: Deployment) -> dict[int, tuple[int, int]]:
    """What flowed in each interval of the run, and flows soon after it, by the household itself."""
    scenario = deployment.cast.scenario
    length_ms = scenario.interval_s * 1_000
    flows = {}
    for interval in range(scenario.first_interval, scenario.last_interval + 1 + _AHEAD):
        begin, end = household.at(interval * length_ms), household.at((interval + 1) * length_ms)
        flows[interval] = (end.import_j - begin.import_j, end.export_j - begin.export_j)
    return flows


def _addresses(board: Board, deployment: Deployment) -> frozenset[Address]:
    """All that the DSO ever granted anything to in the device's name."""
    identity = public_key_of(deployment.cast.secret("meter", board.home.home_id))
    granted = set()
    with SqliteStorage(deployment.folder / "nodes" / f"{DSO}.sqlite") as storage:
        for key, value in Compartment(storage, DSO).scan(WITHDRAWALS):
            if key.startswith(identity):
                rows = decode(value, max_bytes=1 << 20)
                granted |= (
                    {asset_from_wire(row).address for row in rows} if isinstance(rows, tuple) else set()
                )
    return frozenset(granted)


def _on_chain(
    deployment: Deployment, ours: frozenset[Address]
) -> tuple[tuple[Posted, ...], tuple[Trade, ...]]:
    """The device's offers and final trades on the longest chain that a miner has."""
    genesis = deployment.cast.genesis
    chain = max((chain_on_disk(deployment, name) for name in deployment.cast.miner_names), key=len)
    posted: list[Posted] = []
    trades: list[Trade] = []
    numbers: set[int] = set()
    replica = MarketReplica(genesis)
    for block in chain:
        followed = replica.follow(block.header, body_from_bytes(block.body, genesis.chain))
        found = [Posted(block.header.time_ms, one) for one in followed.posted if one.address in ours]
        posted += found
        numbers |= {one.offer.offer_id for one in found}
        if followed.cleared is not None:
            trades += [trade for trade in followed.cleared.trades if trade.offer_id in numbers]
    return tuple(posted), tuple(trades)


def _known_trades(
    board: Board, deployment: Deployment, store: DeviceStore
) -> dict[tuple[int, int], tuple[int, int]]:
    """What the device has for final: orders of the last days, and its history."""
    known = {
        (row.offer_id, row.interval): (row.energy_j, row.amount_uc) for row in store.newest(TradeRow, _ALL)
    }
    with SqliteStorage(board.data / STORE) as storage:
        compartment = Compartment(storage, name_of(deployment, board.home))
        for order in load(compartment, Wallet(SEED, deployment.cast.genesis.chain_id(), compartment)):
            for trade in order.trades:
                known[trade.offer_id, trade.interval] = (trade.energy_j, trade.amount_uc)
    return known
