"""What a second server's answer is worth: agreement, a lag, a lie, or a fork; each answer made by hand."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from light_client.client.belief import Belief
from light_client.client.comparison import Comparison, Outcome
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import CertifiedBlock, Unavailable, UpdateMessage
from light_client.messages.codec import decode_message, number_of
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import Fork
from light_client.rules.light import Update
from light_client.rules.merkle import Tree
from light_client.rules.verdict import Accepted
from light_client.session.actor import Effect, Send
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


# -- witnesses that are behind ----------------------------------------------------------------------------------------


class Behind(Two):
    """A client that trusts a header, and a witness that says it has less."""

    def __init__(self, height: int = 9, at: int = 5) -> None:
        super().__init__(height)
        self.at = at
        asked = self.says(at)
        assert asked is not None
        assert self.question(asked) == ("witness", GetHistory(height=at, head_height=at))

    def says(self, height: int, request: int = 8, peer: str = "witness") -> list[Effect] | None:
        """A server has not got something."""
        return self.comparison.unavailable(peer, Unavailable(request=request, height=height), self.now_ms)

    @staticmethod
    def question(effects: list[Effect]) -> tuple[str, GetHistory] | None:
        """Who is asked for which header."""
        for effect in effects:
            if isinstance(effect, Send):
                message = decode_message(effect.message)
                assert isinstance(message, GetHistory)
                return effect.peer, message
        return None

    def ends_with(self, block: CertifiedBlock) -> Outcome:
        """The witness shows its newest header."""
        return self.answer("witness", block, block.header.height)

    def answer(self, peer: str, block: CertifiedBlock, head: int, now_ms: int | None = None) -> Outcome:
        """Somebody shows a header, with its place in our history if it is ours."""
        height = block.header.height
        message = HistoryMessage(
            header=block.header,
            certificate=block.certificate,
            head_height=head,
            inclusion=HISTORY.inclusion_proof(height - 1, head - 1) if height < head else (),
            consistency=(),
        )
        judged = self.comparison.history(peer, message, now_ms or self.now_ms)
        assert judged is not None
        self.blamed, outcome = judged
        return outcome

    def contested(self, block: CertifiedBlock) -> None:
        """The witness shows a header that is not known here, so the primary is asked for ours."""
        self.belief._headers.pop(block.header.height, None)
        asked = self.ends_with(block)
        assert isinstance(asked, list)
        question = GetHistory(height=block.header.height, head_height=self.belief.trusted.height)
        assert self.question(asked) == ("primary", question)

    def ours(self, now_ms: int | None = None) -> Outcome:
        """The primary proves ours."""
        return self.answer("primary", BLOCKS[self.at - 1], self.belief.trusted.height, now_ms)


def committee_at(height: int) -> Committee:
    """Who signs a height."""
    turns = [turn for turn in TURNS if turn < height]
    return TURNS[max(turns)] if turns else GENESIS.committee


def test_a_header_of_a_witness_that_contradicts_our_history_is_a_fork() -> None:
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    found = two.ours()
    assert isinstance(found, Fork)
    assert (found.height, found.culprits(), two.blamed) == (5, (0, 1, 2, 3), "witness")


def test_a_witness_that_has_our_header_of_its_height_is_behind_and_no_more() -> None:
    two = Behind()
    two.contested(BLOCKS[4])
    assert two.ours() == []
    assert two.servers.failures("witness") == Fault.BEHIND
    assert two.belief.checked.by_rule == {}


def test_a_known_header_needs_no_proof() -> None:
    two = Behind()
    two.belief._headers[5] = BLOCKS[4].header
    asked = two.ends_with(BLOCKS[4])
    assert isinstance(asked, list)
    assert two.question(asked) is None


def test_a_header_that_nobody_signed_is_the_lie_of_the_witness() -> None:
    two = Behind()
    forged = twin(5, committee_at(5))
    two.contested(replace(forged, certificate=replace(forged.certificate, signatures=(bytes(64),) * 4)))
    assert two.ours() is Fault.LYING
    assert two.blamed == "witness"
    assert two.belief.checked.by_rule == {"CNS-05": 1}


def test_a_primary_that_shows_another_header_than_ours_lies() -> None:
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    assert two.answer("primary", twin(5, committee_at(5)), 9) is Fault.LYING
    assert two.blamed == "primary"
    assert two.belief.checked.by_rule == {"LC-16": 1}


def test_a_primary_that_shows_ours_without_its_signatures_lies() -> None:
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    bare = replace(
        BLOCKS[4], certificate=replace(BLOCKS[4].certificate, signatures=(bytes(64),) * 3, bitmap=7)
    )
    assert two.answer("primary", bare, 9) is Fault.LYING
    assert two.blamed == "primary"
    assert two.belief.checked.by_rule == {"CNS-05": 1}


def test_a_branch_with_another_committee_is_followed_down_to_the_turn_where_it_parted() -> None:
    height = EPOCH.blocks + 2
    two = Behind(EPOCH.blocks + 3, at=height)
    other = Committee(members=tuple(reversed(committee_at(height).members)))
    two.contested(twin(height, other, committee_hash=other.hash(), next_committee_hash=other.hash()))
    assert asked_height(two.ours()) == EPOCH.blocks
    turned = twin(EPOCH.blocks, GENESIS.committee, next_committee_hash=other.hash())
    assert isinstance(two.is_shown(turned), Fork)


def test_a_committee_that_is_not_remembered_cannot_be_held_to_anything() -> None:
    two = Behind(EPOCH.blocks + 3, at=5)
    two.contested(twin(5, committee_at(5)))
    two.belief.genesis = replace(GENESIS, committee=two.belief.trusted.committee)
    two.belief.turns.clear()
    assert two.ours() == []
    assert two.servers.failures("witness") == Fault.BEHIND


def test_an_old_branch_is_no_alarm_once_its_signers_are_not_accountable_any_more() -> None:
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    late_ms = BLOCKS[4].header.time_ms + two.belief.params.trusting_period_ms
    assert two.ours(late_ms) == []
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    assert isinstance(two.ours(late_ms - 1), Fork)


def test_a_primary_that_has_not_got_ours_decides_nothing_and_is_not_blamed() -> None:
    two = Behind()
    two.contested(twin(5, committee_at(5)))
    history = number_of(GetHistory)
    assert two.says(9, request=history, peer="primary") == []
    assert two.says(9, request=history, peer="primary") is None, "that was not for a comparison"
    assert two.servers.failures("primary") == two.servers.failures("witness") == 0


def test_a_witness_that_has_not_even_its_own_header_is_let_rest() -> None:
    two = Behind()
    again = two.says(5, request=number_of(GetHistory))
    assert again is not None
    assert two.question(again) is None
    assert two.servers.failures("witness") == Fault.BEHIND


@pytest.mark.parametrize("height", [0, 9, 12])
def test_whoever_is_not_behind_has_nothing_to_show(height: int) -> None:
    two = Two(9)
    answer = two.comparison.unavailable("witness", Unavailable(request=8, height=height), two.now_ms)
    assert answer is not None
    assert [effect for effect in answer if isinstance(effect, Send)] == []


def test_nobody_else_is_listened_to() -> None:
    two = Behind()
    message = HistoryMessage(
        header=BLOCKS[4].header,
        certificate=BLOCKS[4].certificate,
        head_height=5,
        inclusion=(),
        consistency=(),
    )
    assert two.comparison.history("primary", message, two.now_ms) is None
    assert two.comparison.history("witness", replace(message, head_height=6), two.now_ms) is None
