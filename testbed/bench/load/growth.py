"""What a block costs as the ledger grows: the same offers per block, over ever more accounts.

Each size is a ledger with that many accounts, most of which nobody has a key to; blocks of offers from accounts all
over the tree are made, signed by the committee and adopted as a miner does it, every signature known from admission.
Counted are CPU time, the nodes of the state tree that a block makes anew, and memory.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import log, log2
from pathlib import Path
from statistics import median
from time import thread_time_ns
from typing import Any, Final

from light_client.messages.chain import CertifiedBlock
from light_client.rules.crypto import sign
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind, vote_message
from light_client.rules.ledger.records import Account, account_key, encode_account
from light_client.rules.ledger.transactions import SignedTransaction, check_signature
from light_client.rules.statetree import Branch, Node, update, value_hash_of
from light_client.rules.units import Address
from testbed.bench.load.figures import rounded
from testbed.bench.load.workload import MINERS, Workload, miner_secret
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.wal import SeenBlock
from testbed.network.memory import MemoryStorage

_QUORUM: Final = 3
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One size."""

    accounts: int
    offers_per_block: int
    block_ms: float
    """CPU of making and adopting one block, median, ms."""
    nodes_per_offer: float
    """Nodes of the state tree made anew, per offer: its account and its own record, each with the way to the root."""
    bytes_per_account: float
    """Resident memory, account and tree together."""

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return rounded(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """All sizes, and what they say."""

    costs: tuple[Cost, ...]

    @property
    def exponent(self) -> float:
        """Of block time over accounts, by least squares on logarithms: 1 is linear, 0 independent."""
        points = [(log(cost.accounts), log(cost.block_ms)) for cost in self.costs]
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread

    @property
    def ratio(self) -> float:
        """Block time at the largest size over that at the smallest."""
        return self.costs[-1].block_ms / self.costs[0].block_ms

    @property
    def logarithms(self) -> float:
        """What the ratio would be if a block cost exactly as the logarithm of the accounts."""
        return log2(self.costs[-1].accounts) / log2(self.costs[0].accounts)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        figures = {"exponent": self.exponent, "ratio": self.ratio, "ratio_of_logarithms": self.logarithms}
        return {"sizes": [cost.document() for cost in self.costs], **rounded(figures)}


def measure_growth(
    start_ms: int,
    sizes: Sequence[int],
    *,
    offers_per_block: int,
    blocks: int,
    on_size: Callable[[int], None] = lambda _: None,
) -> Growth:
    """Measure every size, smallest first."""
    workload = Workload(start_ms=start_ms, addresses=offers_per_block, offers_each=blocks, batch_ms=1_000)
    memo = SignatureMemo()
    rounds: list[list[SignedTransaction]] = []
    for sequence in range(blocks):
        rounds.append([workload.offer(home, sequence) for home in range(offers_per_block)])
        for signed in rounds[-1]:
            check_signature(signed, workload.genesis.chain_id(), memo)
    costs = []
    for accounts in sizes:
        on_size(accounts)
        costs.append(_measure(workload, memo, rounds, accounts))
    return Growth(costs=tuple(costs))


def _measure(
    workload: Workload, memo: SignatureMemo, rounds: Sequence[Sequence[SignedTransaction]], accounts: int
) -> Cost:
    gc.collect()
    before = _resident_bytes()
    ledger = Ledger(workload.genesis, MemoryStorage(), memo)
    _populate(ledger, workload, accounts)
    held = _resident_bytes() - before
    gc.collect()
    gc.freeze()
    times, nodes = [], 0
    for number, offers in enumerate(rounds):
        tree = ledger.state.tree
        started = thread_time_ns()
        seen = ledger.make(0, workload.start_ms + 1_000 * (number + 1), b"", offers)
        made = thread_time_ns()
        block = _certified(workload, seen)
        certified = thread_time_ns()
        ledger.adopt(block)
        times.append((made - started) + (thread_time_ns() - certified))
        nodes += made_anew(tree, ledger.state.tree)
    gc.unfreeze()
    per_block = len(rounds[0])
    return Cost(
        accounts=accounts,
        offers_per_block=per_block,
        block_ms=median(times) / 1e6,
        nodes_per_offer=nodes / (per_block * len(rounds)),
        bytes_per_account=held / accounts,
    )


def _populate(ledger: Ledger, workload: Workload, accounts: int) -> None:
    """Give the ledger its accounts as if they had been granted long ago: those that post, and others."""
    state = ledger.state
    posting = workload.assets()
    known = {
        asset.address: Account(
            feeder=asset.feeder,
            first_interval=asset.first_interval,
            last_interval=asset.last_interval,
            production_j=asset.production_j,
            consumption_j=asset.consumption_j,
            money_uc=asset.money_uc,
        )
        for asset in posting
    }
    template = next(iter(known.values()))
    for number in range(accounts - len(known)):
        known[Address(sha256(number.to_bytes(8, "big")).digest()[:20])] = Account(
            feeder=template.feeder,
            first_interval=template.first_interval,
            last_interval=template.last_interval,
            production_j=3_600 * (number % 1_000),
            consumption_j=template.consumption_j,
            money_uc=number,
        )
    state.accounts.update(known)
    state.tree = update(
        state.tree,
        {account_key(address): value_hash_of(encode_account(account)) for address, account in known.items()},
    )


def _certified(workload: Workload, seen: SeenBlock) -> CertifiedBlock:
    """The block with the signatures of three miners."""
    header_hash = seen.header.hash()
    message = vote_message(
        VoteKind.PRECOMMIT, workload.genesis.chain_id(), seen.header.height, 0, header_hash
    )
    certificate = QuorumCertificate(
        height=seen.header.height,
        round_=0,
        header_hash=header_hash,
        bitmap=(1 << _QUORUM) - 1,
        signatures=tuple(sign(miner_secret(seat), message) for seat in range(MINERS)[:_QUORUM]),
    )
    return CertifiedBlock(header=seen.header, certificate=certificate, body=seen.body)


def made_anew(old: Node, new: Node) -> int:
    """How many nodes of a tree are not those of the tree before."""
    count, pairs = 0, [(old, new)]
    while pairs:
        before, now = pairs.pop()
        if now is None or now is before:
            continue
        count += 1
        if isinstance(now, Branch):
            left, right = (before.left, before.right) if isinstance(before, Branch) else (before, before)
            pairs += [(left, now.left), (right, now.right)]
    return count


def _resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say. Source: proc(5), /proc/PID/statm."""
    try:
        fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * _PAGE
