"""Cases for what stands beside the updates of a light client: older headers, checkpoints, and forks as evidence."""

from __future__ import annotations

from dataclasses import replace

from light_client.rules import ancestry, checkpoint
from light_client.rules.checkpoint import Checkpoint
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger import fork
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import CertifiedHeader, Fork, fork_of
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.light import TrustedState
from light_client.rules.verdict import Accepted, Rejected
from tests.ledger_kit import certificate_of, secret
from tests.light_ground import (
    AT_GENESIS,
    CHAIN,
    HEADERS,
    NOW_MS,
    OTHER,
    PARAMS,
    SECOND,
    SIXTH,
    THIRD,
    Case,
    rule_of,
)

IN_SIXTH = CHAIN.history.inclusion_proof(2, 5)
"""That header 3 is in the history of header 6."""
GROWN = CHAIN.history.consistency_proof(2, 5)
"""That the history of header 3 is how that of header 6 began."""
FIRST, SECOND_HEADER = HEADERS[0], HEADERS[1]


def _ancestor(older: Header = THIRD, proof: tuple[bytes, ...] = IN_SIXTH) -> str:
    return rule_of(lambda: ancestry.header_is_an_ancestor(SIXTH, older, proof))


def _grown(older: Header = THIRD, proof: tuple[bytes, ...] = GROWN) -> str:
    return rule_of(lambda: ancestry.history_has_only_grown(SIXTH, older, proof))


def _linked(*headers: Header) -> str:
    return rule_of(lambda: ancestry.headers_are_linked(headers))


ANCESTORS: dict[str, tuple[str, Case]] = {
    "an older header in the history": ("accepted", _ancestor),
    "an older header that was never there": ("LC-16", lambda: _ancestor(replace(THIRD, state_root=OTHER))),
    "an older header at another height": ("LC-16", lambda: _ancestor(replace(THIRD, height=2))),
    "an older header without its proof": ("LC-16", lambda: _ancestor(proof=())),
    "a header that is not older": (
        "LC-16",
        lambda: _ancestor(replace(SIXTH, time_ms=NOW_MS), CHAIN.history.inclusion_proof(4, 5)),
    ),
    "a history that has grown": ("accepted", _grown),
    "the first header, which has no history": ("accepted", lambda: _grown(FIRST, ())),
    "the second header": (
        "accepted",
        lambda: _grown(SECOND_HEADER, CHAIN.history.consistency_proof(1, 5)),
    ),
    "a history rewritten behind a header": ("LC-22", lambda: _grown(replace(THIRD, history_root=OTHER))),
    "a history without its proof": ("LC-22", lambda: _grown(proof=())),
    "headers in sequence": ("accepted", lambda: _linked(*HEADERS[1:4])),
    "one header": ("accepted", lambda: _linked(THIRD)),
    "a header left out": ("LC-23", lambda: _linked(HEADERS[1], HEADERS[3])),
    "a header of another parent": (
        "LC-23",
        lambda: _linked(HEADERS[1], replace(THIRD, previous_hash=OTHER)),
    ),
    "a header of the right parent at another height": (
        "LC-23",
        lambda: _linked(HEADERS[1], replace(THIRD, height=4)),
    ),
}

REGISTRY_SECRETS = tuple(sorted((secret(number) for number in range(21, 24)), key=public_key_of))
REGISTRY = MinerRegistry(
    threshold=2, keys=tuple(public_key_of(key) for key in REGISTRY_SECRETS), candidates=()
)
COMMITTEE = CHAIN.genesis.committee
THREE = Committee(members=COMMITTEE.members[:3])


def checkpoint_of(header: Header, keys: tuple[int, ...] = (0, 2), **changes: object) -> Checkpoint:
    """Return a checkpoint for a header, signed by the numbered registry keys."""
    bare = Checkpoint(header=header, signers=COMMITTEE, committee=COMMITTEE, signatures=())
    bare = replace(bare, **changes)  # type: ignore[arg-type]
    message = bare.message()
    return replace(bare, signatures=tuple((n, sign(REGISTRY_SECRETS[n], message)) for n in keys))


GOOD = checkpoint_of(SIXTH)
LATE_MS = SIXTH.time_ms + PARAMS.trusting_period_ms


def _anchored(
    made: Checkpoint = GOOD,
    *,
    start: TrustedState = SECOND,
    now_ms: int = NOW_MS,
) -> str:
    verdict, after = checkpoint.verify_checkpoint(
        start, made, registry=REGISTRY, params=PARAMS, now_ms=now_ms, max_drift_ms=10_000
    )
    if isinstance(verdict, Accepted):
        trusted = (
            after.header,
            after.header_hash,
            after.height,
            after.time_ms,
            after.committee,
            after.signers,
        )
        header = made.header
        meant = (header, header.hash(), header.height, header.time_ms, made.committee, made.signers)
        return "accepted" if trusted == meant else "accepted without being trusted"
    if after != start:
        return "trusted without being accepted"
    return verdict.rule if isinstance(verdict, Rejected) else f"undecided {verdict.rule}"


def _resigned(*signatures: tuple[int, bytes]) -> Checkpoint:
    return replace(GOOD, signatures=signatures)


TURNED = replace(SIXTH, next_committee_hash=THREE.hash())
ONE, TWO = GOOD.signatures
CHECKPOINTS: dict[str, tuple[str, Case]] = {
    "a checkpoint": ("accepted", _anchored),
    "a checkpoint for a meter fresh from the factory": ("accepted", lambda: _anchored(start=AT_GENESIS)),
    "a checkpoint at the end of an epoch": (
        "accepted",
        lambda: _anchored(checkpoint_of(TURNED, committee=THREE)),
    ),
    "a checkpoint signed by all": ("accepted", lambda: _anchored(checkpoint_of(SIXTH, (0, 1, 2)))),
    "a checkpoint of another chain": (
        "LC-17",
        lambda: _anchored(checkpoint_of(replace(SIXTH, chain_id=OTHER))),
    ),
    "a checkpoint with another committee": (
        "LC-17",
        lambda: _anchored(checkpoint_of(SIXTH, committee=THREE)),
    ),
    "a checkpoint with other signers": ("LC-17", lambda: _anchored(checkpoint_of(SIXTH, signers=THREE))),
    "a checkpoint of one key": ("LC-17", lambda: _anchored(checkpoint_of(SIXTH, (1,)))),
    "a checkpoint of nobody": ("LC-17", lambda: _anchored(checkpoint_of(SIXTH, ()))),
    "a checkpoint signed twice by one key": ("LC-17", lambda: _anchored(_resigned(ONE, ONE))),
    "a checkpoint with signatures out of order": ("LC-17", lambda: _anchored(_resigned(TWO, ONE))),
    "a checkpoint of a key from nowhere": ("LC-17", lambda: _anchored(_resigned(ONE, (3, TWO[1])))),
    "a checkpoint of a key before the first": (
        "LC-17",
        lambda: _anchored(_resigned((-1, TWO[1]), (0, ONE[1]))),
    ),
    "a checkpoint with a forged signature": ("LC-17", lambda: _anchored(_resigned(ONE, (2, bytes(64))))),
    "a checkpoint with another's signature": ("LC-17", lambda: _anchored(_resigned(ONE, (1, TWO[1])))),
    "a checkpoint with a good and a surplus forged signature": (
        "LC-17",
        lambda: _anchored(_resigned(ONE, (1, bytes(64)), TWO)),
    ),
    "a checkpoint of what is trusted": ("accepted", lambda: _anchored(checkpoint_of(SECOND_HEADER))),
    "a checkpoint below the floor": ("LC-18", lambda: _anchored(checkpoint_of(FIRST))),
    "a checkpoint below the floor of a later time": (
        "LC-18",
        lambda: _anchored(checkpoint_of(replace(FIRST, time_ms=NOW_MS))),
    ),
    "a checkpoint of another header at the floor": (
        "LC-18",
        lambda: _anchored(checkpoint_of(replace(SECOND_HEADER, state_root=OTHER, time_ms=NOW_MS))),
    ),
    "a later checkpoint of an earlier time": (
        "LC-18",
        lambda: _anchored(checkpoint_of(replace(SIXTH, time_ms=SECOND.time_ms - 1))),
    ),
    "a later checkpoint of the same time": (
        "LC-18",
        lambda: _anchored(checkpoint_of(replace(SIXTH, time_ms=SECOND.time_ms))),
    ),
    "a checkpoint that has just expired": ("undecided LC-24", lambda: _anchored(now_ms=LATE_MS)),
    "a checkpoint about to expire": ("accepted", lambda: _anchored(now_ms=LATE_MS - 1)),
    "a checkpoint at the edge of the drift": ("accepted", lambda: _anchored(now_ms=SIXTH.time_ms - 10_000)),
    "a checkpoint from the future": ("undecided LC-24", lambda: _anchored(now_ms=SIXTH.time_ms - 10_001)),
}


def certified(
    header: Header, seats: tuple[int, ...] = (0, 1, 2), round_: int | None = None
) -> CertifiedHeader:
    """Return a header with a certificate."""
    signed = certificate_of(CHAIN.chain_id, header, seats, round_=round_)
    return CertifiedHeader(header=header, certificate=signed)


TWIN = replace(THIRD, state_root=OTHER)
FORK = fork_of(certified(THIRD), certified(TWIN))


def _forked(made: Fork, committee: Committee = COMMITTEE) -> str:
    return rule_of(lambda: fork.check_fork(made, CHAIN.chain_id, committee))


def _second(**changes: object) -> Fork:
    """Return the fork with a second header changed, its certificate for that very header."""
    header = replace(FORK.second.header, **changes)  # type: ignore[arg-type]
    while header.hash() <= FORK.first.header.hash():
        header = replace(header, time_ms=header.time_ms + 1)
    return Fork(first=FORK.first, second=certified(header))


FORKS: dict[str, tuple[str, Case]] = {
    "a fork": ("accepted", lambda: _forked(FORK)),
    "a fork in two rounds": (
        "accepted",
        lambda: _forked(fork_of(certified(THIRD), certified(TWIN, round_=1))),
    ),
    "a fork in the wrong order": ("LC-19", lambda: _forked(Fork(first=FORK.second, second=FORK.first))),
    "a header against itself": (
        "LC-19",
        lambda: _forked(Fork(first=certified(THIRD), second=certified(THIRD, (1, 2, 3)))),
    ),
    "two headers of two heights": ("LC-19", lambda: _forked(_second(height=4))),
    "a fork of another chain": ("LC-19", lambda: _forked(_second(chain_id=OTHER))),
    "a fork of another committee": ("LC-19", lambda: _forked(_second(committee_hash=OTHER))),
    "a fork judged by another committee": ("LC-19", lambda: _forked(FORK, THREE)),
    "a fork with a certificate for something else": (
        "LC-19",
        lambda: _forked(replace(FORK, second=replace(FORK.second, certificate=FORK.first.certificate))),
    ),
    "a fork with a certificate of another height": (
        "LC-19",
        lambda: _forked(
            replace(
                FORK,
                second=replace(
                    FORK.second, certificate=replace(FORK.second.certificate, height=THIRD.height + 1)
                ),
            )
        ),
    ),
    "a fork with too few signers on one side": (
        "CNS-04",
        lambda: _forked(fork_of(certified(THIRD), certified(TWIN, (0, 1)))),
    ),
    "a fork with too few signers on the other side": (
        "CNS-04",
        lambda: _forked(fork_of(certified(THIRD, (0, 1)), certified(TWIN))),
    ),
    "a fork with a forged signature": (
        "CNS-05",
        lambda: _forked(
            replace(
                FORK,
                second=replace(
                    FORK.second,
                    certificate=replace(
                        FORK.second.certificate,
                        signatures=(*FORK.second.certificate.signatures[:2], bytes(64)),
                    ),
                ),
            )
        ),
    ),
}
