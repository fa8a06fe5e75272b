"""Delegates that agree on a proven answer: every part that somebody may play, and what evidence is good for."""

from dataclasses import replace

import pytest

from light_client.messages.chain import Blocks, CertifiedBlock
from light_client.messages.codec import encode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind
from light_client.rules.verdict import Accepted, Rejected, Verdict
from light_client.session.actor import Received, Send, Started
from testbed.adversaries.disguise import saying
from testbed.experiments.council import (
    HEIGHT,
    Case,
    Council,
    Delegate,
    UnsoundAnswer,
    header_for,
    proves,
)
from testbed.experiments.delegate_scenes import FIVE, SCENES, Answers, Scene, play
from testbed.miner.params import Timeouts
from testbed.miner.wal import SeenBlock
from testbed.miner.witness import said
from testbed.network.faults import Crash, Faults, Link, Partition
from testbed.network.memory import MemoryStorage
from testbed.network.simulator import Simulator

GOOD, DEAR, BROKEN = b"proven", b"dear", b"broken"
ANSWERS = Answers(proven=GOOD, wrong=DEAR, broken=BROKEN)


def checked(raw: bytes) -> Verdict:
    return Accepted() if raw == GOOD else Rejected(rule="PSO-13", reason="too far from the bound")


CASE = Case(problem=b"p" * 32, judge=checked)
COUNCIL = Council(names=FIVE, timeouts=Timeouts())


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("seed", range(6))
def test_every_honest_delegate_ends_with_the_proven_answer(scene: Scene, seed: int) -> None:
    outcome = play(scene, CASE, ANSWERS, seed=seed)
    assert outcome.as_it_should(), (outcome.decided, outcome.convicted)
    assert DEAR not in outcome.decided.values()
    assert BROKEN not in outcome.decided.values()


def test_delegates_that_believe_anything_end_with_the_wrong_answer() -> None:
    believing = Case(problem=CASE.problem, judge=lambda _: Accepted())
    scene = next(scene for scene in SCENES if scene.name == "S3")
    outcome = play(scene, believing, ANSWERS, seed=1)
    assert set(outcome.decided.values()) == {DEAR}
    assert not outcome.as_it_should()


def test_a_false_leader_costs_one_round_and_its_seat() -> None:
    scene = next(scene for scene in SCENES if scene.name == "S3")
    outcome = play(scene, CASE, ANSWERS, seed=2)
    assert outcome.rounds == 2
    assert outcome.convicted == {"C"}


@pytest.mark.parametrize("at_ms", [5, 25, 45, 65, 85])
def test_a_delegate_that_dies_and_comes_back_ends_the_same(at_ms: int) -> None:
    start_ms = 1_800_000_000_000
    crashes = tuple(Crash(node=name, at_ms=start_ms + at_ms, down_ms=3_000) for name in "CDE")
    simulator = Simulator(
        seed=at_ms, start_ms=start_ms, link=Link(min_delay_ms=20), faults=Faults(crashes=crashes)
    )
    for name in FIVE:
        simulator.add(
            name,
            lambda storage, name=name: Delegate(  # type: ignore[misc]
                name=name, council=COUNCIL, case=CASE, answer=GOOD, storage=storage
            ),
        )

    def all_decided() -> bool:
        actors = [simulator.actor(name) for name in FIVE]
        return all(isinstance(actor, Delegate) and actor.decided is not None for actor in actors)

    assert simulator.run(start_ms + 120_000, all_decided)
    for name in FIVE:
        actor = simulator.actor(name)
        assert isinstance(actor, Delegate)
        assert actor.charges == []


def test_a_delegate_that_was_cut_off_is_told_the_decision() -> None:
    start_ms = 1_800_000_000_000
    apart = Partition(from_ms=start_ms, to_ms=start_ms + 20_000, groups=(frozenset("F"), frozenset("GCDE")))
    faults = Faults(partitions=(apart,))
    simulator = Simulator(seed=1, start_ms=start_ms, link=Link(min_delay_ms=20), faults=faults)
    inside = {}
    for name in FIVE:
        inside[name] = Delegate(name=name, council=COUNCIL, case=CASE, answer=GOOD, storage=MemoryStorage())
        simulator.add(name, lambda _, name=name: inside[name])  # type: ignore[misc]
    simulator.run(start_ms + 15_000)
    assert inside["D"].decided is not None
    assert inside["F"].decided is None
    simulator.run(start_ms + 60_000)
    assert inside["F"].decided is not None
    assert inside["F"].decided.body == GOOD
    assert not any(delegate.charges for delegate in inside.values())


def test_a_decision_without_a_quorum_is_not_believed() -> None:
    delegate = Delegate(name="F", council=COUNCIL, case=CASE, answer=GOOD, storage=MemoryStorage())
    header = header_for(CASE, COUNCIL.chain_id, GOOD, 0, 1_000)
    votes = [COUNCIL.seat(name).sign_vote(VoteKind.PRECOMMIT, HEIGHT, 0, header.hash()) for name in "GCD"]
    certificate = QuorumCertificate(
        height=HEIGHT,
        round_=0,
        header_hash=header.hash(),
        bitmap=0b111,
        signatures=tuple(vote.signature for vote in votes),
    )
    told = Blocks(blocks=(CertifiedBlock(header=header, certificate=certificate, body=GOOD),))
    effects = delegate.handle(Received(peer="C", message=encode_message(told)), 2_000)
    assert [getattr(effect, "name", "") for effect in effects] == ["refused"]
    assert delegate.decided is None


def test_two_proposals_of_one_round_convict() -> None:
    delegate = Delegate(name="D", council=COUNCIL, case=CASE, answer=GOOD, storage=MemoryStorage())
    delegate.handle(Started(), 0)
    for time_ms in (1_000, 1_001):
        header = header_for(CASE, COUNCIL.chain_id, GOOD, 0, time_ms)
        twin = COUNCIL.seat("C").sign_proposal(SeenBlock(header, GOOD), header.hash(), 0, None)
        delegate.handle(Received(peer="C", message=encode_message(twin)), 2_000)
    (found,) = delegate.charges
    assert found.public_key == COUNCIL.seat("C").public_key
    assert proves(found, CASE, COUNCIL.chain_id)


def proposal(name: str, answer: bytes, round_: int = 0) -> Proposal:
    header = header_for(CASE, COUNCIL.chain_id, answer, round_, 1_000)
    return COUNCIL.seat(name).sign_proposal(SeenBlock(header, answer), header.hash(), round_, None)


def charge(answer: bytes = DEAR) -> UnsoundAnswer:
    wrong = proposal("C", answer)
    return UnsoundAnswer(
        public_key=COUNCIL.seat("C").public_key, statement=said(wrong), header=wrong.header, answer=answer
    )


def test_a_signed_wrong_answer_convicts_whoever_looks() -> None:
    assert proves(charge(), CASE, COUNCIL.chain_id)


def test_a_vote_for_a_wrong_answer_convicts() -> None:
    header = charge().header
    vote = COUNCIL.seat("F").sign_vote(VoteKind.PREVOTE, HEIGHT, 0, header.hash())
    accused = replace(charge(), public_key=COUNCIL.seat("F").public_key, statement=said(vote))
    assert proves(accused, CASE, COUNCIL.chain_id)


@pytest.mark.parametrize(
    "false",
    [
        charge(GOOD),
        replace(charge(), public_key=COUNCIL.seat("D").public_key),
        replace(charge(), answer=BROKEN),
        replace(charge(), header=replace(charge().header, time_ms=7)),
        replace(charge(), statement=replace(charge().statement, signature=bytes(64))),
    ],
    ids=["a good answer", "somebody else", "another answer", "another header", "no signature"],
)
def test_a_charge_that_was_made_up_convicts_nobody(false: UnsoundAnswer) -> None:
    assert not proves(false, CASE, COUNCIL.chain_id)


def test_an_answer_to_another_problem_convicts_nobody() -> None:
    other = replace(CASE, problem=b"q" * 32)
    assert not proves(charge(), other, COUNCIL.chain_id)
    assert not proves(charge(), CASE, bytes(32))


def test_an_honest_delegate_votes_nil_on_a_wrong_answer() -> None:
    delegate = Delegate(name="D", council=COUNCIL, case=CASE, answer=GOOD, storage=MemoryStorage())
    delegate.handle(Started(), 0)
    raw = encode_message(proposal("C", DEAR))
    effects = delegate.handle(Received(peer="C", message=raw), 2_000)
    votes = [
        message
        for e in effects
        if isinstance(e, Send)
        for message in (saying(e),)
        if isinstance(message, Vote)
    ]
    assert votes
    assert {vote.header_hash for vote in votes} == {bytes(32)}
    assert len(delegate.charges) == 1
    assert delegate.handle(Received(peer="C", message=raw), 2_100) == []
    assert delegate.handle(Received(peer="stranger", message=raw), 2_200) == []
    refused = delegate.handle(Received(peer="C", message=b"noise"), 2_300)
    assert [getattr(effect, "name", "") for effect in refused] == ["refused"]
