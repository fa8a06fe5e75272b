"""The election: at the last block of an epoch the ledger itself names the next committee.

Candidates are ranked by score; the best take the seats, one vote each. The order of the seats is the order of the
scores, turned so that the best candidate leads the first height of the new epoch; the leader then passes from seat to
seat. Equal scores are ordered by a hash of chain, epoch and key: no leader can influence it, since nothing in a block
enters it, and whoever chose a key that favours one epoch has chosen it at random for all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.delivery import DeliveryRecord
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.score import scores

_NO_RECORD = DeliveryRecord()


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """What an election came to."""

    epoch: int
    """The epoch that the committee signs."""
    committee: Committee
    scores: tuple[tuple[bytes, int], ...]
    """All eligible candidates, best first, with their scores."""
    elected: bool
    """False where too few were eligible, and the old committee stays."""


def tie_break(chain_id: bytes, epoch: int, public_key: bytes) -> bytes:
    """The order of candidates with equal scores, ascending."""
    return tagged_hash("gridlight/election/1", chain_id, encode((epoch, public_key)))


def elect(
    params: EpochParams,
    chain_id: bytes,
    epoch: int,
    eligible: Iterable[bytes],
    records: Mapping[bytes, DeliveryRecord],
    sitting: Committee,
) -> Election:
    """Choose the committee of ``epoch``.

    Args:
        epoch: the one that begins; at least 1.
        eligible: registered candidates that are not convicted.
        records: what was reported of candidates; a missing record is an empty one.
        sitting: the committee that stays if fewer than ``min_seats`` are eligible.
    """
    first_epoch = epoch - params.history
    deliveries = {key: records.get(key, _NO_RECORD).total(first_epoch) for key in eligible}
    scored = scores(deliveries, params)
    ranking = sorted(scored, key=lambda key: (-scored[key], tie_break(chain_id, epoch, key)))
    elected = len(ranking) >= params.min_seats
    return Election(
        epoch=epoch,
        committee=_seated(ranking[: params.seats], epoch * params.blocks + 1) if elected else sitting,
        scores=tuple((key, scored[key]) for key in ranking),
        elected=elected,
    )


def _seated(ranking: list[bytes], first_height: int) -> Committee:
    """The seats: the best candidate has the one that leads ``first_height`` in round 0, the others follow."""
    first = first_height % len(ranking)
    turned = ranking[-first:] + ranking[:-first] if first else ranking
    return Committee(members=tuple(Member(public_key=key) for key in turned))
