"""Whoever finds a fault tells the miners, and they convict the guilty: once, by their own signatures, and nobody else.

The guilty here are members that were elected later: they have no seat in the committee of the genesis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from light_client.messages.anchors import ForkMessage
from light_client.messages.codec import Message, encode_message
from light_client.messages.consensus import Vote
from light_client.rules.crypto import sign
from light_client.rules.ledger.accountability import Conviction, Fault
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind, vote_message
from light_client.rules.ledger.events import MinerConvicted
from light_client.rules.ledger.evidence import Contradiction, Evidence, contradictions_in
from light_client.rules.ledger.fork import CertifiedHeader, Fork, fork_from_bytes, fork_of
from light_client.session.actor import Effect, Event, PeerName, Received, Report, Send, SetTimer, Started
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams, PoolLimits
from testbed.miner.witness import Witness
from testbed.network.memory import MemoryStorage
from testbed.network.simulator import Simulator
from tests.testbed.miner.chains import START_MS, build_miner, name_of, secret, small_genesis
from tests.testbed.miner.elections import END_MS, EPOCHS, PARAMS, Watcher, key_of, ledgers, miner, world

CANDIDATES = 6
SECRETS = {key_of(number): secret(1, number) for number in range(CANDIDATES)}
FAULT_MS = START_MS + 40_000
"""By then some epochs have passed."""
NIL_TWIN = b"\x05" * 32


@dataclass
class Informer:
    """Tells miners something at one moment, and again later; no miner itself."""

    tell: Callable[[], Iterable[tuple[PeerName, Message]]]
    name: PeerName = "meter-1"

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        if isinstance(event, Received):
            return []
        if isinstance(event, Started):
            return [SetTimer(name="tell", at_ms=FAULT_MS)]
        effects: list[Effect] = [
            Send(peer=peer, message=encode_message(message)) for peer, message in self.tell()
        ]
        return [*effects, SetTimer(name="tell", at_ms=now_ms + 3_000)]


def newcomers(ledger: Ledger, height: int) -> dict[int, bytes]:
    """Seat -> key of the members that sign a height and had no seat in the beginning."""
    first = ledger.genesis.committee
    members = enumerate(ledger.committee_at(height).members)
    return {seat: each.public_key for seat, each in members if first.index_of(each.public_key) is None}


def fault_height(ledger: Ledger) -> int:
    """The newest height that two newcomers at least sign."""
    return max(height for height in range(1, ledger.height + 1) if len(newcomers(ledger, height)) >= 2)


def certified(ledger: Ledger, header: Header, round_: int, seats: Iterable[int]) -> CertifiedHeader:
    """A header under the signatures of these seats."""
    signers, members = sorted(seats), ledger.committee_at(header.height).members
    message = vote_message(
        VoteKind.PRECOMMIT, ledger.genesis.chain_id(), header.height, round_, header.hash()
    )
    certificate = QuorumCertificate(
        height=header.height,
        round_=round_,
        header_hash=header.hash(),
        bitmap=sum(1 << seat for seat in signers),
        signatures=tuple(sign(SECRETS[members[seat].public_key], message) for seat in signers),
    )
    return CertifiedHeader(header=header, certificate=certificate)


def forked(ledger: Ledger, *, rounds: tuple[int, int] = (0, 0)) -> tuple[Fork, set[bytes]]:
    """A fork that the newcomers and one seat on either side have signed, and the keys of who signed both."""
    height = fault_height(ledger)
    guilty = newcomers(ledger, height)
    block = ledger.store.block(height)
    assert block is not None
    one, other = (seat for seat in range(4) if seat not in guilty)
    twin = replace(block.header, time_ms=block.header.time_ms + 1)
    fork = fork_of(
        certified(ledger, block.header, rounds[0], {*guilty, one}),
        certified(ledger, twin, rounds[1], {*guilty, other}),
    )
    return fork, set(guilty.values())


def convictions(ledger: Ledger) -> dict[bytes, Conviction]:
    """Key -> conviction, by the state of a miner."""
    return {found.public_key: found for found in ledger.state.accountability.convictions}


def accused(watcher: Watcher) -> list[tuple[PeerName, bytes]]:
    """Who accuses whom."""
    return [
        (seen.node, seen.value.public_key)
        for seen in watcher.named("evidence")
        if isinstance(seen.value, Contradiction)
    ]


def told(
    tell: Callable[[Ledger], Iterable[tuple[PeerName, Message]]],
) -> tuple[Simulator, Watcher, list[Ledger]]:
    """A world in which somebody tells the miners something, again and again; the ledgers at its end."""
    simulator, watcher, genesis = world(candidates=CANDIDATES)
    simulator.add("meter-1", lambda _: Informer(lambda: tell(miner(simulator, 0).ledger)))
    simulator.run(END_MS)
    stand = ledgers(simulator, genesis)
    assert len(stand) == CANDIDATES
    assert min(ledger.height for ledger in stand) > fault_height(stand[0])
    return simulator, watcher, stand


class Once:
    """Makes something the first time, and says the same from then on."""

    def __init__(self) -> None:
        self.guilty: set[bytes] = set()
        self._message: Message | None = None

    def fork(self, ledger: Ledger) -> Message:
        if self._message is None:
            fork, self.guilty = forked(ledger)
            self._message = ForkMessage(fork=fork.encode())
        return self._message


def test_a_fork_that_a_meter_tells_of_convicts_whoever_signed_both_sides_and_nobody_else() -> None:
    once = Once()
    _, watcher, stand = told(lambda ledger: [(name_of(2), once.fork(ledger))])
    assert len(once.guilty) == 2
    for ledger in stand:
        found = convictions(ledger)
        assert found.keys() == once.guilty
        assert {each.fault for each in found.values()} == {Fault.CONTRADICTION}
        first = ledger.genesis.committee
        assert all(first.index_of(key) is None for key in found), "they were elected later"
    assert sorted(accused(watcher)) == sorted((name_of(2), key) for key in once.guilty), (
        "once, by who was told"
    )


def test_whoever_tells_all_miners_gets_one_conviction_for_each_of_the_guilty() -> None:
    once = Once()
    _, watcher, stand = told(lambda ledger: [(name_of(number), once.fork(ledger)) for number in range(6)])
    assert convictions(stand[0]).keys() == once.guilty
    events = [event for seen in watcher.named("events") for event in cast(tuple[object, ...], seen.value)]
    convicted = [event for event in events if isinstance(event, MinerConvicted)]
    assert len(convicted) == len(once.guilty) * CANDIDATES, "each miner sees each conviction once"
    assert len(accused(watcher)) <= len(once.guilty) * CANDIDATES
    assert all("EVI-06" in str(seen.value) for seen in watcher.named("refused")), "somebody was quicker"


class Regretful(Miner):
    """Has been elected, has signed, and signs something else at the same height long afterwards."""

    said = False

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React, and contradict itself once."""
        effects = super().handle(event, now_ms)
        if now_ms < FAULT_MS or self.said:
            return effects
        self.said = True
        height, seat, round_ = signed_last(self.ledger, self._public_key)
        message = vote_message(VoteKind.PRECOMMIT, self.ledger.genesis.chain_id(), height, round_, NIL_TWIN)
        vote = Vote(
            kind=VoteKind.PRECOMMIT,
            height=height,
            round_=round_,
            header_hash=NIL_TWIN,
            seat=seat,
            signature=sign(SECRETS[self._public_key], message),
        )
        return [*effects, *(Send(peer=name_of(number), message=encode_message(vote)) for number in range(4))]


def signed_last(ledger: Ledger, key: bytes) -> tuple[int, int, int]:
    """Height, seat and round of the newest block that somebody certified."""
    for height in range(ledger.height, 0, -1):
        block, seat = ledger.store.block(height), ledger.committee_at(height).index_of(key)
        if block is not None and seat is not None and block.certificate.bitmap >> seat & 1:
            return height, seat, block.certificate.round_
    raise AssertionError("it was never elected")


def test_a_member_elected_later_that_contradicts_itself_is_convicted_and_not_elected_again() -> None:
    simulator, _, genesis = world(candidates=CANDIDATES, classes={5: Regretful}, intervals=2)
    simulator.run(END_MS + 20_000)
    guilty = key_of(5)
    assert genesis.committee.index_of(guilty) is None
    for ledger in ledgers(simulator, genesis):
        (found,) = convictions(ledger).values()
        assert (found.public_key, found.fault) == (guilty, Fault.CONTRADICTION)
        assert ledger.committee_at(found.fault_height).index_of(guilty) is not None
        later = range(found.height + EPOCHS.blocks, ledger.height + 1)
        assert later
        assert all(ledger.committee_at(height).index_of(guilty) is None for height in later)


@pytest.fixture(scope="module")
def old() -> tuple[Miner, Ledger]:
    """A miner of a chain that has seen some epochs, with little patience for rubbish."""
    simulator, _, genesis = world(candidates=CANDIDATES)
    simulator.run(FAULT_MS)
    source = miner(simulator, 0).ledger
    params = replace(PARAMS, pool=PoolLimits(refusals=2))
    fresh = build_miner(genesis, 0, MemoryStorage(), params)
    for height in range(1, source.height + 1):
        block = source.store.block(height)
        assert block is not None
        fresh.ledger.adopt(block)
    return fresh, source


def _witness(ledger: Ledger) -> Witness:
    genesis = small_genesis(epochs=EPOCHS, candidates=CANDIDATES)
    seat = build_miner(genesis, 0, MemoryStorage(), MinerParams())._seat
    return Witness(ledger, replace(seat, verify_signature=SignatureMemo()), MemoryStorage())


def test_a_fork_across_rounds_accuses_nobody(old: tuple[Miner, Ledger]) -> None:
    """An honest member may sign a second block after a later quorum of prevotes."""
    _, ledger = old
    fork, _ = forked(ledger, rounds=(0, 1))
    assert _witness(ledger).in_fork(fork.encode()) == []


class _Credulous(Witness):
    """Believes a fork without looking at its signatures."""

    def in_fork(self, raw: bytes) -> list[Evidence]:
        """Return what the certificates would prove."""
        fork = fork_from_bytes(raw)
        committee = self._ledger.committee_at(fork.height)
        return list(contradictions_in(fork.first.certificate, fork.second.certificate, committee))


def slander(ledger: Ledger) -> bytes:
    """A fork whose second side nobody has signed."""
    fork, _ = forked(ledger)
    forged = tuple(bytes(63) + b"\x01" for _ in fork.second.certificate.signatures)
    second = replace(fork.second, certificate=replace(fork.second.certificate, signatures=forged))
    return replace(fork, second=second).encode()


def test_a_forged_fork_accuses_nobody_and_costs_whoever_brings_it(old: tuple[Miner, Ledger]) -> None:
    told_miner, ledger = old
    now_ms = FAULT_MS
    message = encode_message(ForkMessage(fork=slander(ledger)))
    seen: list[Report] = []
    for _ in range(4):
        effects = told_miner.handle(Received(peer="anon", message=message), now_ms)
        seen += [effect for effect in effects if isinstance(effect, Report)]
    assert {report.name for report in seen} <= {"refused", "round"}
    assert sum("CNS-05" in str(report.value) for report in seen) == 2, "then it is not listened to"
    assert not told_miner._witness.pending()
    doubtful = _Credulous(ledger, told_miner._seat, MemoryStorage())
    assert doubtful.in_fork(slander(ledger)), "without the signatures the honest would be accused"


def test_a_fork_of_another_time_or_of_the_convicted_is_not_looked_into(
    old: tuple[Miner, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ledger = old
    witness = _witness(ledger)
    fork, guilty = forked(ledger)
    found = witness.in_fork(fork.encode())
    assert {each.public_key for each in found} == guilty
    for each in found:
        assert witness.report(each) is not None

    def never(*_: object) -> None:
        raise AssertionError("signatures were checked")

    monkeypatch.setattr("testbed.miner.witness.check_fork", never)
    assert witness.in_fork(fork.encode()) == []
    header = replace(fork.first.header, height=ledger.height + 2)
    far = fork_of(certified_anyhow(header), certified_anyhow(replace(header, time_ms=header.time_ms + 1)))
    assert _witness(ledger).in_fork(far.encode()) == []


def certified_anyhow(header: Header) -> CertifiedHeader:
    """A header with signatures that are none."""
    certificate = QuorumCertificate(
        height=header.height, round_=0, header_hash=header.hash(), bitmap=7, signatures=(bytes(64),) * 3
    )
    return CertifiedHeader(header=header, certificate=certificate)
