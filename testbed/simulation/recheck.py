"""A last, independent look at a finished day.

A fresh light client follows the whole chain, and its checks are timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter

from light_client.client.belief import Belief
from light_client.messages.chain import CertifiedBlock
from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.light import Update
from light_client.rules.verdict import Accepted, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """What a verifier that took no part says of a chain."""

    headers: int
    solutions: int
    refused: str | None
    """Why it stopped, or None if it accepts everything."""
    header_ms: tuple[float, ...]
    """Time of each header check: linkage, time, quorum of signatures."""
    clearing_ms: tuple[float, ...]
    """Time of each block that clears: decoding, roots, feasibility, both bounds, shares and money."""


def recheck(
    genesis: Genesis, blocks: Iterable[CertifiedBlock], committees: Mapping[bytes, Committee] | None = None
) -> Recheck:
    """Follow a chain from its genesis with nothing but the blocks.

    Args:
        committees: hash -> elected committee, the lists that a server sends along.
    """
    listed = committees or {}
    belief = Belief(genesis)
    header_ms: list[float] = []
    clearing_ms: list[float] = []
    refused = None
    for block in blocks:
        began = perf_counter()
        update = Update(
            header=block.header,
            certificate=block.certificate,
            next_committee=listed.get(block.header.next_committee_hash),
        )
        verdict = belief.take_update(update, block.header.time_ms)
        middle = perf_counter()
        header_ms.append(1_000 * (middle - began))
        if not isinstance(verdict, Accepted):
            refused = verdict.reason if isinstance(verdict, Rejected) else verdict.missing
            break
        followed = belief.take_body(block.header, block.body)
        taken_ms = 1_000 * (perf_counter() - middle)
        if not isinstance(followed, Followed):
            refused = followed.reason if isinstance(followed, Rejected) else followed.missing
            break
        if followed.cleared is not None:
            clearing_ms.append(taken_ms)
    return Recheck(
        headers=belief.checked.headers,
        solutions=belief.checked.solutions,
        refused=refused,
        header_ms=tuple(header_ms),
        clearing_ms=tuple(clearing_ms),
    )
