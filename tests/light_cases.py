"""What a light client must accept and refuse: a named case for each check, in which that check alone stands in the way.

Headers of the cases are signed by real quorums, as by a committee gone wrong, so that only the rule under test can
refuse them. A case is a function that returns what was decided: `accepted`, `undecided`, or the id of the broken rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from light_client.rules import light, statetree
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee, Member, QuorumCertificate, VoteKind, vote_message
from light_client.rules.light import TrustedState, Update
from light_client.rules.statetree import Node, StateProof, prove, update
from light_client.rules.verdict import Accepted, Rejected
from tests.anchor_cases import ANCESTORS, CHECKPOINTS, FORKS
from tests.holding_cases import BALANCES, TRADES
from tests.ledger_kit import (
    MINER_SECRETS,
    certificate_of,
    secret,
)
from tests.light_ground import (
    AT_GENESIS,
    CHAIN,
    HEADERS,
    NOW_MS,
    OTHER,
    PARAMS,
    PROOF,
    SECOND,
    SIXTH,
    THIRD,
    Case,
    rule_of,
    trusted,
)


def decided(
    header: Header,
    *,
    start: TrustedState = SECOND,
    certificate: QuorumCertificate | None = None,
    seats: Iterable[int] = (0, 1, 2),
    proof: tuple[bytes, ...] = (),
    following: Committee | None = None,
    now_ms: int = NOW_MS,
) -> str:
    """Return the verdict on an update, and see to it that only an accepted one moves the trusted state."""
    signed = certificate_of(start.chain_id, header, seats) if certificate is None else certificate
    offered = Update(header=header, certificate=signed, history_proof=proof, next_committee=following)
    verdict, after = light.verify_update(start, offered, CHAIN.genesis, PARAMS, now_ms)
    if isinstance(verdict, Accepted):
        if (after.height, after.header_hash) != (header.height, header.hash()):
            return "accepted without being trusted"
        if after.committee.hash() != header.next_committee_hash or after.signers != start.committee:
            return "accepted with a committee that nobody named"
        return "accepted"
    if after != start:
        return "trusted without being accepted"
    return verdict.rule if isinstance(verdict, Rejected) else f"undecided {verdict.rule}"


def _certified(header: Header, **changes: object) -> QuorumCertificate:
    """Return a certificate over other words, correctly signed."""
    return certificate_of(CHAIN.chain_id, replace(header, **changes), (0, 1, 2))  # type: ignore[arg-type]


def _mixed(header: Header, field: str, value: object) -> QuorumCertificate:
    """Return a certificate whose one field differs, signed over exactly what it says."""
    made = replace(certificate_of(CHAIN.chain_id, header, (0, 1, 2)), **{field: value})  # type: ignore[arg-type]
    return _signed(made, MINER_SECRETS[:3])


def _signed(made: QuorumCertificate, keys: Iterable[bytes]) -> QuorumCertificate:
    message = vote_message(VoteKind.PRECOMMIT, CHAIN.chain_id, made.height, made.round_, made.header_hash)
    return replace(made, signatures=tuple(sign(key, message) for key in keys))


def _by_strangers(header: Header) -> QuorumCertificate:
    """Return a certificate of a committee that nobody elected."""
    return _signed(certificate_of(CHAIN.chain_id, header, (0, 1, 2)), STRANGER_SECRETS)


GOOD = certificate_of(CHAIN.chain_id, THIRD, (0, 1, 2))
ROUND_TWO = replace(THIRD, round_=2)
THREE = Committee(members=CHAIN.genesis.committee.members[:3])
SMALL = replace(SECOND, committee=THREE)
OF_SMALL = replace(THIRD, committee_hash=THREE.hash(), next_committee_hash=THREE.hash())
STRANGER_SECRETS = tuple(secret(number) for number in (51, 52, 53))
STRANGERS = Committee(members=tuple(Member(public_key=public_key_of(key)) for key in STRANGER_SECRETS))
OF_STRANGERS = replace(THIRD, committee_hash=STRANGERS.hash(), next_committee_hash=STRANGERS.hash())
TURN = replace(THIRD, next_committee_hash=THREE.hash())
"""The last header of an epoch."""
EXPIRY = SECOND.time_ms + PARAMS.trusting_period_ms

UPDATES: dict[str, tuple[str, Case]] = {
    "the next header": ("accepted", lambda: decided(THIRD)),
    "a later header with its history": ("accepted", lambda: decided(SIXTH, proof=PROOF)),
    "the first header after the genesis": ("accepted", lambda: decided(HEADERS[0], start=AT_GENESIS)),
    "a late header after the genesis": ("accepted", lambda: decided(SIXTH, start=AT_GENESIS)),
    "a certificate of a later round": (
        "accepted",
        lambda: decided(THIRD, certificate=certificate_of(CHAIN.chain_id, THIRD, (0, 1, 2), round_=4)),
    ),
    "a header of another chain": ("LC-01", lambda: decided(replace(THIRD, chain_id=OTHER))),
    "the trusted header again": ("LC-02", lambda: decided(replace(HEADERS[1], time_ms=NOW_MS))),
    "an older header": ("LC-02", lambda: decided(replace(HEADERS[0], time_ms=NOW_MS))),
    "height 0 after the genesis": ("LC-02", lambda: decided(replace(THIRD, height=0), start=AT_GENESIS)),
    "a header as old as the trusted one": (
        "LC-02",
        lambda: decided(replace(THIRD, time_ms=SECOND.time_ms)),
    ),
    "a header of a time before": ("LC-02", lambda: decided(replace(THIRD, time_ms=SECOND.time_ms - 1))),
    "a header a moment later": ("accepted", lambda: decided(replace(THIRD, time_ms=SECOND.time_ms + 1))),
    "a trusted header that has just expired": ("undecided LC-03", lambda: decided(THIRD, now_ms=EXPIRY)),
    "a trusted header long expired": ("undecided LC-03", lambda: decided(THIRD, now_ms=10 * EXPIRY)),
    "a trusted header about to expire": ("accepted", lambda: decided(THIRD, now_ms=EXPIRY - 1)),
    "a header of another committee": (
        "LC-04",
        lambda: decided(replace(THIRD, committee_hash=OTHER), following=CHAIN.genesis.committee),
    ),
    "a certificate of another header": (
        "LC-05",
        lambda: decided(THIRD, certificate=_certified(THIRD, state_root=OTHER)),
    ),
    "a certificate of another height": (
        "LC-05",
        lambda: decided(THIRD, certificate=_mixed(THIRD, "height", 4)),
    ),
    "a certificate of an earlier round": (
        "LC-05",
        lambda: decided(ROUND_TWO, certificate=_mixed(ROUND_TWO, "round_", 1)),
    ),
    "a next header of another parent": ("LC-06", lambda: decided(replace(THIRD, previous_hash=OTHER))),
    "a later header without its history": ("LC-06", lambda: decided(SIXTH)),
    "a later header of another history": (
        "LC-06",
        lambda: decided(replace(SIXTH, history_root=OTHER), proof=PROOF),
    ),
    "a history that holds the header elsewhere": (
        "LC-06",
        lambda: decided(SIXTH, proof=CHAIN.history.inclusion_proof(2, 5)),
    ),
    "two of four signers": ("CNS-04", lambda: decided(THIRD, seats=(0, 1))),
    "no signers": ("CNS-04", lambda: decided(THIRD, seats=())),
    "two of three signers": ("CNS-04", lambda: decided(OF_SMALL, start=SMALL, seats=(0, 1))),
    "three of three signers": ("accepted", lambda: decided(OF_SMALL, start=SMALL)),
    "a signer from nowhere": (
        "CNS-03",
        lambda: decided(
            THIRD, certificate=replace(GOOD, bitmap=0b10111, signatures=(*GOOD.signatures, bytes(64)))
        ),
    ),
    "a forged signature": (
        "CNS-05",
        lambda: decided(THIRD, certificate=replace(GOOD, signatures=(*GOOD.signatures[:2], bytes(64)))),
    ),
    "one signature for three seats": (
        "CNS-05",
        lambda: decided(THIRD, certificate=replace(GOOD, signatures=(GOOD.signatures[0],) * 3)),
    ),
    "a header at the edge of the drift": (
        "accepted",
        lambda: decided(THIRD, now_ms=THIRD.time_ms - 10_000),
    ),
    "a header from the future": ("undecided LED-35", lambda: decided(THIRD, now_ms=THIRD.time_ms - 10_001)),
    "a change of committee with its list": ("accepted", lambda: decided(TURN, following=THREE)),
    "the same committee listed": (
        "accepted",
        lambda: decided(THIRD, following=CHAIN.genesis.committee),
    ),
    "a change of committee without its list": ("undecided LC-09", lambda: decided(TURN)),
    "a forged change of committee without its list": ("CNS-04", lambda: decided(TURN, seats=(0, 1))),
    "another list than the announced one": (
        "LC-07",
        lambda: decided(TURN, following=CHAIN.genesis.committee),
    ),
    "a list where nothing changes": ("LC-07", lambda: decided(THIRD, following=THREE)),
    "a header of strangers": (
        "LC-04",
        lambda: decided(
            OF_STRANGERS,
            following=STRANGERS,
            certificate=_by_strangers(OF_STRANGERS),
        ),
    ),
    "a header of the old committee after a turn": (
        "LC-04",
        lambda: decided(THIRD, start=replace(SECOND, committee=THREE), following=CHAIN.genesis.committee),
    ),
    "a change of committee within an epoch": (
        "LC-25",
        lambda: decided(
            replace(HEADERS[3], next_committee_hash=THREE.hash()), start=trusted(3), following=THREE
        ),
    ),
    "a clock that stands at 1970": ("undecided LC-08", lambda: decided(THIRD, now_ms=0)),
    "a clock just behind the anchor": (
        "undecided LC-08",
        lambda: decided(THIRD, now_ms=SECOND.time_ms - 10_001),
    ),
    "a clock a drift behind the anchor": (
        "accepted",
        lambda: decided(replace(THIRD, time_ms=SECOND.time_ms + 1), now_ms=SECOND.time_ms - 9_999),
    ),
    "a clock as far behind the anchor as may be": (
        "undecided LED-35",
        lambda: decided(THIRD, now_ms=SECOND.time_ms - 10_000),
    ),
    "a forged header from the future": (
        "CNS-04",
        lambda: decided(THIRD, now_ms=THIRD.time_ms - 10_001, seats=(0, 1)),
    ),
}


def _keys(*tops: int) -> list[bytes]:
    return [bytes((top,)) + bytes(31) for top in tops]


KEYS = _keys(0b0000_0000, 0b0100_0000, 0b1000_0000, 0b1010_0000)
"""A tree of four: two to the left, two to the right, the latter split at the third bit."""
TREE: Node = update(None, {key: statetree.value_hash_of(key) for key in KEYS})
ROOT = statetree.root_of(TREE)
ABSENT_SLOT, ABSENT_NEIGHBOUR = _keys(0b1100_0000, 0b0010_0000)


def state_decided(key: bytes, encoded: bytes | None, proof: StateProof, root: bytes = ROOT) -> str:
    """Return what a meter says of a proof."""
    return rule_of(lambda: statetree.verify_state(root, key, encoded, proof))


P0 = prove(TREE, KEYS[0])
P_SLOT, P_NEIGHBOUR = prove(TREE, ABSENT_SLOT), prove(TREE, ABSENT_NEIGHBOUR)
NEIGHBOUR = P_NEIGHBOUR.other or (b"", b"")

STATES: dict[str, tuple[str, Case]] = {
    "an entry": ("accepted", lambda: state_decided(KEYS[0], KEYS[0], P0)),
    "a deeper entry": ("accepted", lambda: state_decided(KEYS[3], KEYS[3], prove(TREE, KEYS[3]))),
    "an empty place": ("accepted", lambda: state_decided(ABSENT_SLOT, None, P_SLOT)),
    "a place taken by a neighbour": ("accepted", lambda: state_decided(ABSENT_NEIGHBOUR, None, P_NEIGHBOUR)),
    "an empty tree": ("accepted", lambda: state_decided(KEYS[0], None, StateProof((), None), bytes(32))),
    "another value": ("LC-21", lambda: state_decided(KEYS[0], b"other", P0)),
    "another key": ("LC-21", lambda: state_decided(KEYS[1], KEYS[0], P0)),
    "a present entry denied": ("LC-21", lambda: state_decided(KEYS[0], None, P0)),
    "a present entry denied by its sibling": (
        "LC-20",
        lambda: state_decided(
            KEYS[0], None, StateProof(P0.siblings, (KEYS[1], statetree.value_hash_of(KEYS[1])))
        ),
    ),
    "a present entry denied by itself": (
        "LC-20",
        lambda: state_decided(
            KEYS[0], None, StateProof(P0.siblings, (KEYS[0], statetree.value_hash_of(KEYS[0])))
        ),
    ),
    "an absent entry shown": ("LC-21", lambda: state_decided(ABSENT_SLOT, b"", P_SLOT)),
    "presence with another entry": (
        "LC-20",
        lambda: state_decided(KEYS[0], KEYS[0], StateProof(P0.siblings, NEIGHBOUR)),
    ),
    "absence by a stranger's value": (
        "LC-21",
        lambda: state_decided(
            ABSENT_NEIGHBOUR, None, StateProof(P_NEIGHBOUR.siblings, (NEIGHBOUR[0], bytes(32)))
        ),
    ),
    "a short sibling": ("LC-20", lambda: state_decided(KEYS[0], KEYS[0], StateProof((bytes(31),), None))),
    "a short key": ("LC-20", lambda: state_decided(KEYS[0][1:], KEYS[0], P0)),
    "a short other key": (
        "LC-20",
        lambda: state_decided(ABSENT_SLOT, None, StateProof((), (bytes(31), bytes(32)))),
    ),
    "a short other value": (
        "LC-20",
        lambda: state_decided(ABSENT_SLOT, None, StateProof((), (bytes(32), bytes(31)))),
    ),
    "too many siblings": (
        "LC-20",
        lambda: state_decided(KEYS[0], KEYS[0], StateProof((bytes(32),) * 257, None)),
    ),
    "as many siblings as can be": (
        "LC-21",
        lambda: state_decided(KEYS[0], KEYS[0], StateProof((bytes(32),) * 256, None)),
    ),
    "a branch shown as an entry": (
        "LC-21",
        lambda: state_decided(KEYS[0], KEYS[0], StateProof(P0.siblings[:-1], None)),
    ),
    "the root of a branch shown as empty": (
        "LC-21",
        lambda: state_decided(KEYS[0], None, StateProof((), None)),
    ),
}


CASES = {**UPDATES, **TRADES, **STATES, **BALANCES, **ANCESTORS, **CHECKPOINTS, **FORKS}


def outcomes() -> dict[str, str]:
    """Return the decision of every case as the code stands now; what escapes by an exception is a decision too."""
    return {name: _outcome(case) for name, (_, case) in CASES.items()}


def _outcome(case: Case) -> str:
    try:
        return case()
    except Exception as error:  # noqa: BLE001 - a broken twin may fail in any way
        return type(error).__name__
