"""What a miner serves convinces a light client, and follows the chain."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import (
    Announce,
    Blocks,
    GetBlocks,
    GetUpdate,
    NewBlock,
    Subscribe,
    Unavailable,
    UpdateMessage,
)
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.proofs import AccountMessage, GetAccount, GetTrades, TradesMessage
from light_client.rules.ancestry import header_is_an_ancestor, history_has_only_grown
from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation
from light_client.rules.holdings import verify_balance, verify_trade
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import Header, body_from_bytes
from light_client.rules.ledger.committee import check_quorum
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.records import account_from_bytes, offer_from_bytes, offer_key
from light_client.rules.ledger.transactions import PostOffer
from light_client.rules.light import (
    LightParams,
    TrustedState,
    trust_genesis,
    verify_update,
)
from light_client.rules.statetree import verify_state
from light_client.rules.verdict import Accepted
from light_client.session.actor import Received, Send
from testbed.miner.ledger import RECENT_STATES
from testbed.miner.miner import Miner
from testbed.network.faults import Link
from testbed.network.simulator import Simulator
from testbed.solver.service import SolverService
from tests.testbed.miner.chains import (
    FIRST_INTERVAL,
    START_MS,
    Client,
    address,
    busy_plan,
    committee_of,
    name_of,
    offer,
    secret,
    small_genesis,
)

GENESIS = small_genesis()
MINERS = tuple(name_of(seat) for seat in range(4))
INTERVALS = 3


@pytest.fixture(scope="module")
def world() -> Simulator:
    """A chain of three intervals with four prosumers and a solver."""
    simulator = committee_of(GENESIS, seed=3, link=Link(min_delay_ms=5, jitter_ms=15))
    plan = busy_plan(GENESIS, Random(3), prosumers=4, intervals=INTERVALS)
    client = Client(name="client", plan=plan, miners=4)
    simulator.add("client", lambda _: client)
    simulator.add("solver", lambda _: SolverService("solver", GENESIS, secret(3, 0), MINERS))
    simulator.run(START_MS + (INTERVALS + 1) * 60_000)
    return simulator


def ask(world: Simulator, request: Message, peer: str = "somebody") -> list[Message]:
    """Ask miner 2, past the network."""
    miner = world.actor(name_of(2))
    assert isinstance(miner, Miner)
    effects = miner.handle(Received(peer=peer, message=encode_message(request)), world.now_ms)
    return [decode_message(effect.message) for effect in effects if isinstance(effect, Send)]


def head(world: Simulator) -> tuple[TrustedState, Header]:
    """Trust the newest header, out of the genesis alone."""
    (answer,) = ask(world, GetUpdate(trusted_height=0))
    assert isinstance(answer, UpdateMessage)
    verdict, trusted = verify_update(
        trust_genesis(GENESIS), answer.updates[0], GENESIS, LightParams(), world.now_ms
    )
    assert verdict == Accepted()
    return trusted, answer.updates[0].header


def chain(world: Simulator) -> list[Header]:
    (answer,) = ask(world, GetBlocks(from_height=1, limit=256))
    assert isinstance(answer, Blocks)
    return [block.header for block in answer.blocks]


def test_a_light_client_jumps_from_any_header_to_the_newest(world: Simulator) -> None:
    newest, _ = head(world)
    for header in chain(world)[:-1]:
        trusted = replace(
            trust_genesis(GENESIS),
            height=header.height,
            header_hash=header.hash(),
            time_ms=header.time_ms,
            header=header,
        )
        (answer,) = ask(world, GetUpdate(trusted_height=header.height))
        assert isinstance(answer, UpdateMessage)
        verdict, found = verify_update(trusted, answer.updates[0], GENESIS, LightParams(), world.now_ms)
        assert verdict == Accepted()
        assert found == newest


def test_an_older_header_is_shown_to_precede_the_newest(world: Simulator) -> None:
    _, newest = head(world)
    for header in chain(world)[:-1]:
        (answer,) = ask(world, GetHistory(height=header.height, head_height=newest.height))
        assert isinstance(answer, HistoryMessage)
        assert (answer.header, answer.head_height) == (header, newest.height)
        header_is_an_ancestor(newest, header, answer.inclusion)
        history_has_only_grown(newest, header, answer.consistency)
    (alone,) = ask(world, GetHistory(height=newest.height, head_height=newest.height))
    assert isinstance(alone, HistoryMessage)
    assert (alone.header, alone.inclusion, alone.consistency) == (newest, (), ())
    (none,) = ask(world, GetHistory(height=1, head_height=newest.height + 1))
    assert isinstance(none, Unavailable)


def test_every_interval_was_cleared_with_a_proof_and_a_replica_agrees(world: Simulator) -> None:
    replica = MarketReplica(GENESIS)
    (answer,) = ask(world, GetBlocks(from_height=1, limit=256))
    assert isinstance(answer, Blocks)
    how = []
    for block in answer.blocks:
        check_quorum(GENESIS.committee, GENESIS.chain_id(), block.certificate, verify)
        replica.follow(block.header, body_from_bytes(block.body, GENESIS.chain))
        clearing = block.header.clearing
        if clearing.interval:
            how.append((clearing.how, clearing.traded_j))
    assert how[0] == (Cleared.VACUOUS, 0)
    assert how[1 : INTERVALS + 1] == [(Cleared.PROVEN, 600_000)] * INTERVALS


def test_trades_are_proven(world: Simulator) -> None:
    headers = {header.clearing.interval: header for header in chain(world) if header.clearing.interval}
    ledger = MarketReplica(GENESIS)
    checked = 0
    (blocks,) = ask(world, GetBlocks(from_height=1, limit=256))
    assert isinstance(blocks, Blocks)
    for number in range(1, INTERVALS + 1):
        interval = FIRST_INTERVAL + number
        (answer,) = ask(world, GetTrades(interval=interval, offers=tuple(range(1, 40))))
        assert isinstance(answer, TradesMessage)
        assert answer.height == headers[interval].height
        for block in blocks.blocks:
            if ledger.height < block.header.height < answer.height:
                ledger.follow(block.header, body_from_bytes(block.body, GENESIS.chain))
        for proven in answer.trades:
            open_offer = ledger.offers[proven.trade.offer_id]  # type: ignore[index]
            signed = offer_of(open_offer.address, interval)
            verify_trade(headers[interval], proven.trade.offer_id, signed.offer, proven.trade, proven.proof)
            forged = proven.trade._replace(amount_uc=proven.trade.amount_uc + 1)
            with pytest.raises(RuleViolation, match="LC-10"):
                verify_trade(headers[interval], forged.offer_id, signed.offer, forged, proven.proof)
            checked += 1
    assert checked >= 3 * INTERVALS


def offer_of(owner: bytes, interval: int) -> PostOffer:
    """What the owner of an address signed for an interval."""
    prosumer = next(number for number in range(4) if address(number) == owner)
    signed = offer(GENESIS, prosumer, interval).transaction
    assert isinstance(signed, PostOffer)
    return signed


@pytest.mark.parametrize("back", [0, 1, 5, RECENT_STATES])
def test_accounts_and_offers_are_proven_at_recent_heights(world: Simulator, back: int) -> None:
    headers = chain(world)
    height = max(headers[-1].height - back, 1)
    header = headers[height - 1]
    for prosumer in (0, 1, 2, 3, 9):
        owner = address(prosumer)
        (answer,) = ask(world, GetAccount(address=owner, height=0 if back == 0 else height))
        assert isinstance(answer, AccountMessage)
        assert answer.height == height
        record = answer.account.record
        account = None if record is None else account_from_bytes(record)
        verify_balance(header, owner, account, answer.account.proof)
        assert (account is None) == (prosumer == 9 or height < 2)
        for proven in answer.offers:
            assert proven.record is not None
            found = offer_from_bytes(proven.record)
            assert found.address == owner
            verify_state(header.state_root, offer_key(found.offer_id), proven.record, proven.proof)
        assert len(answer.offers) == (0 if account is None else account.open_offers)


def test_what_is_not_there_is_refused(world: Simulator) -> None:
    newest = chain(world)[-1].height
    requests: list[Message] = [
        GetUpdate(trusted_height=newest + 1),
        GetTrades(interval=FIRST_INTERVAL + 900, offers=(1,)),
        GetAccount(address=address(0), height=newest + 1),
    ]
    for request in requests:
        (answer,) = ask(world, request)
        assert isinstance(answer, Unavailable)
        assert answer.height == newest
    assert ask(world, GetBlocks(from_height=newest + 1, limit=5)) == [Blocks(blocks=())]


def test_a_follower_hears_of_new_blocks(world: Simulator) -> None:
    newest = chain(world)[-1]
    (answer,) = ask(world, Subscribe(from_height=1), "late")
    assert isinstance(answer, NewBlock)
    assert answer.header == newest
    assert ask(world, Subscribe(from_height=newest.height), "level") == []
    assert ask(world, Subscribe(from_height=newest.height, announce=Announce.CLEARINGS), "meter") == []
    assert ask(world, Subscribe(from_height=newest.height, announce=Announce.BLOCKS), "whole") == []
    heard: dict[str, list[Header]] = {"late": [], "level": [], "meter": [], "whole": []}

    def listen(sender: str, send: Send) -> None:
        if sender == name_of(2) and send.peer in heard:
            message = decode_message(send.message)
            if send.peer == "whole":
                assert isinstance(message, Blocks)
                heard[send.peer] += [block.header for block in message.blocks]
                return
            assert isinstance(message, NewBlock)
            heard[send.peer].append(message.header)

    world.on_send = listen
    world.run(world.now_ms + 130_000)
    world.on_send = None
    added = chain(world)[newest.height :]
    assert heard["late"] == heard["level"] == heard["whole"] == added
    assert heard["meter"] == [header for header in added if header.clearing.interval]
    assert 2 <= len(heard["meter"]) <= 3


def test_strangers_do_not_speak_for_miners(world: Simulator) -> None:
    newest = chain(world)[-1]
    (stolen,) = ask(world, GetBlocks(from_height=newest.height, limit=1))
    assert ask(world, stolen, "stranger") == []
    assert chain(world)[-1] == newest
