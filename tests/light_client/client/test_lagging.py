"""A witness that has less than is trusted: honestly behind, or stuck on a branch that contradicts the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.client.comparison import Outcome
from light_client.client.lagging import Lagging
from light_client.client.status import Standing
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import CertifiedBlock, Unavailable
from light_client.messages.codec import decode_message, number_of
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import Fork, fork_from_bytes
from light_client.session.actor import Effect, Send
from light_client.store import trust
from light_client.sync.servers import Fault
from tests.light_client.client.test_client import BEGAN_MS, END_MS, forking, hostile, world
from tests.light_client.client.test_comparison import (
    BLOCKS,
    GENESIS,
    HISTORY,
    TURNS,
    Two,
    asked_height,
    twin,
)
from tests.light_kit import EPOCH, MINUTE_MS, SERVERS


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


# -- among servers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minute", "blocks"), [(5, 1), (40, 1), (40, 3)])
def test_a_witness_that_is_stuck_on_another_branch_is_found_out_however_far_behind(
    minute: int, blocks: int
) -> None:
    """It never has what is trusted here; what its branch ends with contradicts the history that we verified."""
    stuck = forking(BEGAN_MS + minute * MINUTE_MS, stands_still_after=blocks)
    found = world(dresses={"server-1": stuck}, servers=SERVERS[:2]).run(END_MS + 60 * MINUTE_MS)
    assert found.client.standing is Standing.HALTED
    raw = trust.evidence(found.storage)
    assert raw is not None
    fork = fork_from_bytes(raw)
    assert fork.culprits() == (0, 1, 2, 3)
    assert fork.height < found.client.status().height
    headers = {block.header.height: block.header for block in BLOCKS}
    assert headers[fork.height] in (fork.first.header, fork.second.header), "one side is our history"


def test_a_client_that_takes_such_a_witness_for_a_slow_one_notices_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behind(self: Lagging, peer: str, message: Unavailable, now_ms: int) -> list[Effect] | None:
        del message
        return self._planner.failed(Fault.BEHIND, now_ms) if peer == self._planner.asked else None

    monkeypatch.setattr(Lagging, "unavailable", behind)
    stuck = forking(BEGAN_MS + 40 * MINUTE_MS, stands_still_after=1)
    found = world(dresses={"server-1": stuck}, servers=SERVERS[:2]).run(END_MS + 60 * MINUTE_MS)
    assert found.client.standing is Standing.FOLLOWING


def test_a_witness_that_is_honestly_behind_is_let_rest_and_nothing_more() -> None:
    found = world(dresses={"server-1": hostile("stale")}, servers=SERVERS[:2]).run(END_MS + 60 * MINUTE_MS)
    assert found.client.standing is Standing.FOLLOWING
    assert found.client.status().refused == {}
    assert found.client.servers.failures("server-1") > 0
