"""Whether each board of a fleet ended verified: by what it said last, and by its own disk held against the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from firmware_app.config.check import STORE
from firmware_app.trading.order_store import load
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.market.clearing import Trade
from light_client.rules.units import Address
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from testbed.boards.fleet import Fleet, Seen
from testbed.live.aftermath import chain_on_disk
from testbed.live.deployment import Deployment

SCHEMA: Final = "gridlight.fleet/1"
_AHEAD: Final = 64
"""Addresses of a wallet beyond its last one that are looked for: a crash may have lost the number, not the address."""
_MB: Final = 1_000_000
_LIMIT_BYTES: Final = 64_000_000
"""Of a board's own memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardVerdict:
    """One board.

    Attributes:
        lives: how often it was switched on.
        height, level: how far, and how deep it verified.
        offers, trades: of its wallet, on the chain; trades of the day that was played.
        verified: of the trades, those that it had proven to itself.
        guest_bytes, whole_bytes: most memory that it held, its own and with the emulator; None if nobody could look.
        written_bytes: to its card, over all its lives; None if nobody counts.
        cuts_while_writing: how often its power was cut in the middle of writing to its card; likewise.
        accidents: what was done to it.
        complaints: what is not as it should be.
    """

    name: str
    profile: str
    lives: int
    height: int
    level: str
    offers: int
    trades: int
    verified: int
    guest_bytes: int | None
    whole_bytes: int | None
    written_bytes: int | None = None
    cuts_while_writing: int | None = None
    accidents: tuple[str, ...]
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChain:
    """What the chain holds: offers by address, and trades by offer."""

    offers: Mapping[Address, Sequence[int]]
    trades: Mapping[int, Sequence[Trade]]

    @classmethod
    def read(cls, deployment: Deployment) -> OnChain:
        """Replay the longest chain on the miners' disks."""
        chain = max((chain_on_disk(deployment, name) for name in deployment.cast.miner_names), key=len)
        genesis = deployment.cast.genesis
        replica = MarketReplica(genesis)
        offers, trades = defaultdict[Address, list[int]](list), defaultdict[int, list[Trade]](list)
        for block in chain:
            followed = replica.follow(block.header, body_from_bytes(block.body, genesis.chain))
            for offer in followed.posted:
                offers[offer.address].append(offer.offer_id)
            for trade in () if followed.cleared is None else followed.cleared.trades:
                trades[trade.offer_id].append(trade)
        return cls(offers=offers, trades=trades)


def verdicts(fleet: Fleet, deployment: Deployment, *, height: int) -> tuple[BoardVerdict, ...]:
    """Judge all boards of a run that has ended.

    Args:
        height: of the block that cleared the last interval.
    """
    chain, lives = OnChain.read(deployment), fleet.lives
    return tuple(
        _verdict(seen, lives[seen.site.board.name], deployment, chain, height) for seen in fleet.seen
    )


def _verdict(seen: Seen, lives: int, deployment: Deployment, chain: OnChain, height: int) -> BoardVerdict:
    name, genesis = seen.site.board.name, deployment.cast.genesis
    proven, ever = set[tuple[int, int]](), set[Address]()
    with SqliteStorage(seen.site.data / STORE) as storage:
        compartment = Compartment(storage, name)
        wallet = Wallet(seen.site.seed, genesis.chain_id(), compartment)
        ever = {wallet.key_at(index).address for index in range(wallet.next_index + _AHEAD)}
        for order in load(compartment, wallet):
            proven |= {(trade.offer_id, trade.interval) for trade in order.trades}
    offers = [offer for address in ever for offer in chain.offers.get(address, ())]
    last = deployment.cast.scenario.last_interval
    trades = [trade for offer in offers for trade in chain.trades.get(offer, ()) if trade.interval <= last]
    verified = sum((trade.offer_id, trade.interval) in proven for trade in trades)
    twice = sum(len(chain.offers.get(address, ())) > 1 for address in ever)
    return BoardVerdict(
        name=name,
        profile=seen.site.profile,
        lives=lives,
        height=seen.height,
        level=seen.level,
        offers=len(offers),
        trades=len(trades),
        verified=verified,
        guest_bytes=None if seen.memory is None else seen.memory.guest,
        whole_bytes=None if seen.memory is None else seen.memory.whole,
        written_bytes=None if seen.account is None else seen.account.written_bytes,
        cuts_while_writing=None if seen.account is None else seen.account.cuts_while_writing,
        accidents=tuple(seen.accidents),
        complaints=tuple(_complaints(seen, height, len(trades) - verified, twice)),
    )


def _complaints(seen: Seen, height: int, missing: int, twice: int) -> Iterator[str]:
    if seen.done_at_ms is None:
        yield f"verified up to height {seen.height} ({seen.level}), expected {height} (whole solutions)"
    if missing:
        yield f"{missing} of its trades on the chain are not proven on its disk"
    if twice:
        yield f"{twice} of its addresses offered twice"
    if seen.code != 0:
        yield f"ended with {seen.code}, expected 0"
    if seen.memory is not None and seen.memory.guest > _LIMIT_BYTES:
        yield f"held {seen.memory.guest / _MB:.1f} MB of its own, expected {_LIMIT_BYTES / _MB:.0f} at most"
    state = seen.status.get("life", {}).get("state")
    if state == "halted":
        yield "stopped believing the chain"


def fleet_document(
    found: Sequence[BoardVerdict], mode: str, script: Sequence[str], failures: Sequence[str]
) -> dict[str, Any]:
    """The report for programs."""
    return {
        "schema": SCHEMA,
        "mode": mode,
        "script": list(script),
        "boards": [asdict(verdict) for verdict in found],
        "failures": list(failures),
    }


def fleet_lines(found: Sequence[BoardVerdict], failures: Sequence[str]) -> list[str]:
    """The report for people."""
    lines = []
    for verdict in found:
        memory = "memory unknown"
        if verdict.guest_bytes is not None and verdict.whole_bytes is not None:
            memory = f"{verdict.guest_bytes / _MB:.1f} MB"
            if verdict.whole_bytes != verdict.guest_bytes:
                memory += f" ({verdict.whole_bytes / _MB:.1f} MB with the emulator)"
        if verdict.written_bytes is not None:
            memory += f", {verdict.written_bytes / _MB:.1f} MB written"
        accidents = f"  {', '.join(verdict.accidents)}" if verdict.accidents else ""
        lines.append(
            f"{verdict.name}  {verdict.profile:<15} {verdict.offers:>3} offers, {verdict.verified} of "
            f"{verdict.trades} trades proven, height {verdict.height}, {memory}{accidents}"
        )
    complaints = [f"{verdict.name} {text}" for verdict in found for text in verdict.complaints]
    good = sum(not verdict.complaints for verdict in found)
    lines += [f"FAIL        {text}" for text in (*failures, *complaints)]
    return [*lines, f"Verified    {good} of {len(found)} meters ended verified"]
