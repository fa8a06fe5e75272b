"""Chains whose committee is elected: candidates, registry keys, reports, and blocks until an epoch is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.delivery import DeliveryRow, ReportDelivery
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.registry import ChangeRegistry, MinerRegistry, registry_message
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.rules.units import JOULES_PER_KWH
from tests.ledger_kit import DSO_SECRET, FIRST, INTERVAL_MS, Chain, genesis, secret

SECRETS: dict[bytes, bytes] = {public_key_of(secret(n)): secret(n) for n in (*range(11, 19), *range(31, 37))}
"""Public key -> secret of everybody here."""
CANDIDATES = tuple(sorted(public_key_of(secret(number)) for number in range(11, 19)))
"""Eight miners, the four of the first committee among them."""
REGISTRY_KEYS = tuple(public_key_of(secret(number)) for number in range(31, 37))
EPOCH_BLOCKS = 5
PARAMS = EpochParams(blocks=EPOCH_BLOCKS, seats=4, min_seats=4, history=2)


def registry(
    *,
    version: int = 1,
    keys: Sequence[bytes] = REGISTRY_KEYS[:3],
    threshold: int = 2,
    candidates: Iterable[bytes] = CANDIDATES,
) -> MinerRegistry:
    """Return a registry, its keys put into order."""
    return MinerRegistry(
        version=version,
        threshold=threshold,
        keys=tuple(sorted(keys)),
        candidates=tuple(sorted(candidates)),
    )


def epoch_chain(params: EpochParams = PARAMS, start: MinerRegistry | None = None) -> Chain:
    """Return a chain whose committee is elected."""
    return Chain(genesis(epochs=params, registry=start or registry()))


def report(
    chain: Chain,
    energies_kwh: Mapping[bytes, tuple[int, int]],
    *,
    first: int | None = None,
    last: int | None = None,
    key: bytes = DSO_SECRET,
) -> SignedTransaction:
    """Return a delivery report: key -> (promised, delivered) in kWh, by default of the next interval only."""
    begin = chain.state.meta.next_report if first is None else first
    rows = tuple(
        DeliveryRow(
            public_key=miner, promised_j=promised * JOULES_PER_KWH, delivered_j=delivered * JOULES_PER_KWH
        )
        for miner, (promised, delivered) in sorted(energies_kwh.items())
    )
    content = ReportDelivery(first_interval=begin, last_interval=begin if last is None else last, rows=rows)
    return chain.sign(content, key)


def change(
    chain_id: bytes, new: MinerRegistry, signers: Iterable[bytes], *, over: MinerRegistry | None = None
) -> ChangeRegistry:
    """Return a registry change signed by some keys, over another registry if one is given."""
    message = registry_message(chain_id, over or new)
    rows = tuple((key, sign(SECRETS[key], message)) for key in sorted(signers))
    return ChangeRegistry(registry=new, signatures=rows)


def changed(chain: Chain, new: MinerRegistry, signers: Iterable[bytes]) -> SignedTransaction:
    """Return the transaction of a registry change, sent by somebody."""
    return chain.sign(change(chain.chain_id, new, signers), secret(99))


def pass_intervals(chain: Chain, count: int) -> None:
    """Let intervals go by, each cleared by a block; afterwards ``count`` more intervals can be reported."""
    for _ in range(count):
        chain.add(at_ms=chain.gate(chain.state.meta.next_interval))


def time_of(interval: int) -> int:
    """When an interval is over, UTC ms."""
    return (interval + 1) * INTERVAL_MS


def broken_succession(headers: list[Header], params: EpochParams) -> Iterator[str]:
    """What a chain of headers must never show, whatever was reported: the committee changes within an epoch, or
    without the header before having named the next one.
    """
    for before, after in pairwise(headers):
        if after.committee_hash != before.next_committee_hash:
            yield f"height {after.height}: a committee that the header before did not name"
        if after.committee_hash != before.committee_hash and not params.ends_at(before.height):
            yield f"height {after.height}: another committee within an epoch"


def finish_epoch(chain: Chain) -> None:
    """Add blocks until the epoch under way is over."""
    epochs = chain.genesis.epochs
    chain.add()
    while not epochs.ends_at(chain.tip.height):
        chain.add()


LATER = time_of(FIRST + 20)
"""A time at which the first twenty intervals are over."""
