"""What a week of mishaps has left, held to what it must never cost: offers, trades, records, hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from firmware_app.config.check import STORE
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.rows import EventRow, IntervalRow, OfferRow, TradeRow
from firmware_app.trading.order_store import load
from firmware_app.trading.orders import Order
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import LOT_J, Side
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from meter_io.span import Basis
from testbed.live.board import SEED, Board, name_of
from testbed.live.deployment import Deployment
from testbed.miner.store import BlockStore

_ALL: Final = 1_000_000
_OVERSOLD_PERCENT: Final = 150
"""A forecast errs, after a gap above all; who offers an interval twice sells twice of it."""
_NEAR_INTERVALS: Final = 1
"""How far from a gap the event may lie that tells of it."""
_TELLING: Final = (
    *("meter.silent", "meter.back", "meter.account-lost"),
    *("store.cut-off", "store.failing", "store.resumed", "store.salvaged", "store.damaged"),
    *("clock.closed", "clock.jumped", "part.failed", "market.salvaged"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is on the chain and on the board after the run."""

    orders: tuple[Order, ...]
    offers: tuple[OpenOffer, ...]
    """On the chain, from addresses that the board knows of."""
    trades: tuple[Trade, ...]
    """Final, of these offers."""
    trade_rows: tuple[TradeRow, ...]
    intervals: tuple[IntervalRow, ...]
    events: tuple[EventRow, ...]


def look(board: Board, deployment: Deployment, store: DeviceStore) -> Left:
    """Read everything, while the device does not run."""
    genesis, name = deployment.cast.genesis, name_of(deployment, board.home)
    with SqliteStorage(board.data / STORE) as storage:
        compartment = Compartment(storage, name)
        orders = tuple(load(compartment, Wallet(SEED, genesis.chain_id(), compartment)))
    ours = {order.key.address for order in orders}
    ours |= {row.address for row in store.newest(OfferRow, _ALL)}  # type: ignore[misc] # the same 20 bytes
    miner = deployment.cast.miner_names[0]
    with SqliteStorage(deployment.folder / "nodes" / f"{miner}.sqlite") as storage:
        blocks = list(BlockStore(Compartment(storage, miner)).stored())
    offers: list[OpenOffer] = []
    trades: list[Trade] = []
    numbers: set[int] = set()
    replica = MarketReplica(genesis)
    for block in blocks:
        followed = replica.follow(block.header, body_from_bytes(block.body, genesis.chain))
        posted = [offer for offer in followed.posted if offer.address in ours]
        offers += posted
        numbers |= {offer.offer_id for offer in posted}
        if followed.cleared is not None:
            trades += [trade for trade in followed.cleared.trades if trade.offer_id in numbers]
    return Left(
        orders=orders,
        offers=tuple(offers),
        trades=tuple(trades),
        trade_rows=tuple(store.newest(TradeRow, _ALL)),
        intervals=tuple(store.newest(IntervalRow, _ALL)),
        events=tuple(store.newest(EventRow, _ALL)),
    )


def findings(left: Left, board: Board, *, first: int, last: int, interval_s: int) -> list[str]:
    """Everything that must not be; empty if nothing is wrong.

    Args:
        first, last: intervals in which the device was on all the time but for mishaps.
    """
    return [
        *_offered_twice(left, board),
        *_lost_trades(left, last),
        *_untold_gaps(left, first, last, interval_s),
    ]


def _offered_twice(left: Left, board: Board) -> Iterable[str]:
    by_address = Counter(offer.address for offer in left.offers)
    yield from (
        f"address {address.hex()} offered {count} times" for address, count in by_address.items() if count > 1
    )
    offered: Counter[tuple[Side, int]] = Counter()
    for offer in left.offers:
        ((first, last),) = offer.ranges
        if first == last:
            offered[offer.side, first] += offer.remaining_j
    for (side, interval), energy_j in sorted(offered.items()):
        net_j = board.net_at(interval)
        has_j = max(0, -net_j if side is Side.SELL else net_j)
        if energy_j > has_j * _OVERSOLD_PERCENT // 100 + LOT_J:
            yield f"interval {interval}: {energy_j} J offered ({side.name}), {has_j} J there"


def _lost_trades(left: Left, last: int) -> Iterable[str]:
    """Trades on the chain that the board has on no record; those of the very end may still be on their way."""
    known = {(trade.offer_id, trade.interval) for order in left.orders for trade in order.trades}
    known |= {(row.offer_id, row.interval) for row in left.trade_rows}
    for trade in left.trades:
        if trade.interval < last and (trade.offer_id, trade.interval) not in known:
            yield f"trade of offer {trade.offer_id} in interval {trade.interval} is on no record"


def _untold_gaps(left: Left, first: int, last: int, interval_s: int) -> Iterable[str]:
    """Intervals that are missing, or not measured, without an event near them that says why."""
    told = {
        row.at_ms // (interval_s * 1_000)
        for row in left.events
        if row.at_ms is not None and row.name in _TELLING
    }
    rows = {row.interval: row for row in left.intervals}
    if len(rows) != len(left.intervals):
        yield f"{len(left.intervals) - len(rows)} intervals were counted twice"
    for interval in range(first, last):
        row = rows.get(interval)
        near = range(interval - _NEAR_INTERVALS, interval + _NEAR_INTERVALS + 1)
        if row is None:
            yield f"interval {interval} is missing"
        elif row.basis is not Basis.MEASURED and not row.reason and told.isdisjoint(near):
            yield f"interval {interval} is {row.basis.value}, and nothing says why"
