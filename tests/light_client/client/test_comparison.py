"""What a second server's answer is worth: agreement, a lag, a lie, or a fork; each answer made by hand."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from light_client.client.belief import Belief
from light_client.client.comparison import Comparison, Outcome
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import CertifiedBlock, UpdateMessage
from light_client.messages.codec import decode_message
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import Fork
from light_client.rules.light import Update
from light_client.rules.merkle import Tree
from light_client.rules.verdict import Accepted
from light_client.session.actor import Send
from light_client.sync.servers import Fault, Servers
from light_client.sync.witness import WitnessParams
from testbed.adversaries.fork_server import sign_all
from tests.light_kit import EPOCH, epochs, sign_for
from tests.light_kit import World as KitWorld

GENESIS, BLOCKS = epochs()
CHAIN_ID = GENESIS.chain_id()
NAMES = ("primary", "witness")
SHOWN = KitWorld(start=GENESIS, blocks=BLOCKS, start_ms=BLOCKS[-1].header.time_ms + 1)
STORED = SHOWN.run(BLOCKS[-1].header.time_ms + 2).block_servers["server-0"].ledger.store.turns
TURNS = {height: turn.committee for height, turn in STORED.items()}
HISTORY = Tree(block.header.hash() for block in BLOCKS)


def update_to(height: int, trusted: int) -> Update:
    """Return the update that leads from one height to another."""
    block = BLOCKS[height - 1]
    needed = 0 < trusted < height - 1
    return Update(
        header=block.header,
        certificate=block.certificate,
        history_proof=HISTORY.inclusion_proof(trusted - 1, height - 1) if needed else (),
        next_committee=TURNS.get(height),
    )


class Two:
    """A client that trusts a header, and a witness that was asked about it."""

    def __init__(self, height: int) -> None:
        self.belief = Belief(GENESIS)
        self.now_ms = BLOCKS[height - 1].header.time_ms
        trusted = 0
        for stop in (*(turn for turn in TURNS if turn < height), height):
            assert self.belief.take_update(update_to(stop, trusted), self.now_ms) == Accepted()
            trusted = stop
        self.servers = Servers(NAMES)
        self.comparison = Comparison(self.belief, self.servers, Random(1), WitnessParams())
        self.comparison.planner.woken(height, self.now_ms)
        assert self.comparison.planner.asked == "witness"

    def hears(self, *updates: Update, late_ms: int = 0) -> Outcome:
        """Hand the witness's updates over."""
        return self.comparison.updates(UpdateMessage(updates=updates), self.now_ms + late_ms)

    def is_shown(self, block: CertifiedBlock) -> Outcome:
        """Hand the confronted witness's header over."""
        height = block.header.height
        assert self.comparison.confronts("witness", height)
        message = HistoryMessage(
            header=block.header,
            certificate=block.certificate,
            head_height=height,
            inclusion=(),
            consistency=(),
        )
        return self.comparison.header("witness", message, self.now_ms)


def signed(header: Header, committee: Committee) -> CertifiedBlock:
    """Return a header with a certificate of everybody in a committee."""
    return CertifiedBlock(
        header=header, certificate=sign_all(CHAIN_ID, header, committee, sign_for, 0), body=b"\x80"
    )


def twin(height: int, committee: Committee, **changes: object) -> CertifiedBlock:
    """Return another header of a height, certified."""
    header = BLOCKS[height - 1].header
    return signed(replace(header, **{"time_ms": header.time_ms + 1, **changes}), committee)  # type: ignore[arg-type]


def update_of(block: CertifiedBlock) -> Update:
    """Return a block as an update without a proof."""
    return Update(header=block.header, certificate=block.certificate)


def asked_height(outcome: Outcome) -> int:
    """Return for which height a confronted server is asked."""
    assert isinstance(outcome, list)
    (request,) = [decode_message(effect.message) for effect in outcome if isinstance(effect, Send)]
    assert isinstance(request, GetHistory)
    assert request.height == request.head_height
    return request.height


def test_the_same_header_is_agreement() -> None:
    two = Two(9)
    assert isinstance(two.hears(update_to(9, 0)), list)
    assert two.comparison.planner.agreed_ms == two.now_ms


def test_a_header_that_is_not_at_hand_says_nothing() -> None:
    two = Two(9)
    assert isinstance(two.hears(update_to(3, 0)), list)
    assert two.comparison.planner.agreed_ms is None


def test_no_header_is_no_answer() -> None:
    assert Two(9).hears() is Fault.SILENT


def test_a_witness_that_is_ahead_shows_that_the_primary_is_late() -> None:
    two = Two(9)
    newer = update_to(10, 9)
    wait_ms = newer.header.time_ms - two.now_ms
    assert isinstance(two.hears(newer, late_ms=wait_ms), list), "just now: nobody is late"
    assert two.comparison.planner.agreed_ms is not None
    two.comparison.planner.asked = "witness"
    assert two.hears(newer, late_ms=wait_ms + 120_001) is Fault.BEHIND


def test_a_header_from_the_future_decides_nothing() -> None:
    two = Two(9)
    header = replace(BLOCKS[9].header, time_ms=two.now_ms + 60_000)
    early = signed(header, two.belief.trusted.committee)
    assert isinstance(two.hears(update_of(early)), list)
    assert two.comparison.planner.agreed_ms is None


@pytest.mark.parametrize("height", [9, 10])
def test_a_header_without_its_quorum_is_a_lie(height: int) -> None:
    two = Two(9)
    true = update_to(height, 9)
    forged = replace(true, header=replace(true.header, time_ms=true.header.time_ms + 1))
    assert two.hears(forged) is Fault.LYING
    assert sum(two.belief.checked.by_rule.values()) == 1


def test_another_certified_header_of_the_trusted_height_is_a_fork() -> None:
    two = Two(9)
    found = two.hears(update_of(twin(9, two.belief.trusted.signers)))
    assert isinstance(found, Fork)
    assert found.culprits() == (0, 1, 2, 3)


def test_a_newer_header_of_another_chain_is_confronted_and_the_fork_found() -> None:
    two = Two(9)
    committee = two.belief.trusted.committee
    ahead = twin(10, committee, previous_hash=bytes(32))
    assert asked_height(two.hears(update_of(ahead))) == 9
    assert isinstance(two.is_shown(twin(9, committee)), Fork)


def test_who_has_the_trusted_header_after_all_has_lied() -> None:
    two = Two(9)
    ahead = twin(10, two.belief.trusted.committee, previous_hash=bytes(32))
    assert asked_height(two.hears(update_of(ahead))) == 9
    assert two.is_shown(BLOCKS[8]) is Fault.LYING


def test_a_fork_at_a_turn_of_committees_is_found_one_epoch_back() -> None:
    """The other side elected another committee: its later headers are signed by nobody who is known here."""
    two = Two(EPOCH.blocks + 3)
    old = GENESIS.committee
    other = Committee(members=tuple(reversed(two.belief.trusted.committee.members)))
    ahead = twin(EPOCH.blocks + 4, other, committee_hash=other.hash(), next_committee_hash=other.hash())
    assert asked_height(two.hears(update_of(ahead))) == EPOCH.blocks + 3
    theirs = twin(EPOCH.blocks + 3, other, committee_hash=other.hash(), next_committee_hash=other.hash())
    assert asked_height(two.is_shown(theirs)) == EPOCH.blocks
    turned = twin(EPOCH.blocks, old, next_committee_hash=other.hash())
    found = two.is_shown(turned)
    assert isinstance(found, Fork)
    assert found.height == EPOCH.blocks


def test_a_committee_that_nobody_elected_anywhere_is_a_lie() -> None:
    two = Two(3)
    other = Committee(members=GENESIS.committee.members[:3])
    ahead = twin(4, other, committee_hash=other.hash(), next_committee_hash=other.hash())
    assert asked_height(two.hears(update_of(ahead))) == 3
    theirs = twin(3, other, committee_hash=other.hash(), next_committee_hash=other.hash())
    assert two.is_shown(theirs) is Fault.LYING, "there is no turn before this one"


def test_an_answer_to_no_question_is_nothing() -> None:
    two = Two(9)
    assert not two.comparison.confronts("witness", 9)
    message = HistoryMessage(
        header=BLOCKS[8].header,
        certificate=BLOCKS[8].certificate,
        head_height=9,
        inclusion=(),
        consistency=(),
    )
    assert two.comparison.header("witness", message, two.now_ms) == []


def test_without_a_certificate_of_its_own_the_client_cannot_confront() -> None:
    """Straight after a checkpoint there is no certificate to set against another."""
    two = Two(9)
    two.belief.trusted = replace(two.belief.trusted, certificate=None)
    asked = two.comparison.confront("witness", two.now_ms)
    assert [effect for effect in asked if isinstance(effect, Send)] == []
    assert isinstance(two.hears(update_of(twin(9, two.belief.trusted.signers))), list), "unproven either way"
