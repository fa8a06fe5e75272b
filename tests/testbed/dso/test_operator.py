"""The DSO as an actor: asked twice it answers once, batches are sorted and numbered, and a restart loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from light_client.messages.chain import Blocks, CertifiedBlock, GetBlocks, NewBlock
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.registry import WithdrawEntry, WithdrawReply, WithdrawRequest, sign_withdraw
from light_client.messages.submission import SubmitTx
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.errors import LocalError
from light_client.rules.ledger.transactions import GrantAssets, SignedTransaction, decode_transaction
from light_client.rules.units import Address
from light_client.session.actor import (
    Effect,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    TimerFired,
    Write,
)
from testbed.dso.operator import Operator, OperatorParams
from testbed.dso.registry import Registration, Registry
from tests.ledger_kit import DSO_SECRET, FIRST, KWH, Chain, Person, secret

MINERS = ("miner-0", "miner-1")
IDENTITY = secret(70)
METER = Registration(
    meter_id=7,
    identity_key=public_key_of(IDENTITY),
    feeder=1,
    production_w=4_000,
    consumption_w=8_000,
    credit_uc=1_000,
)


class Memory:
    """Storage that keeps what `World.handle` wrote."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], bytes] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return a value."""
        return self.rows.get((table, key))

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Return a table's rows in order."""
        for (name, key), value in sorted(self.rows.items()):
            if name == table and key >= start:
                yield key, value


class World:
    """A DSO, its storage, and a chain that takes its batches."""

    def __init__(self, params: OperatorParams | None = None) -> None:
        self.chain = Chain()
        self.storage = Memory()
        self.params = params
        self.operator = self.start()

    def start(self) -> Operator:
        """Build the actor on what is durable, as after a crash."""
        registry = Registry([METER], 900)
        self.operator = Operator(
            "dso",
            self.chain.genesis,
            secret=DSO_SECRET,
            registry=registry,
            miners=MINERS,
            storage=self.storage,
            params=self.params,
        )
        self.operator.handle(Started(), self.chain.tip.time_ms)
        return self.operator

    def handle(self, message: Message, peer: str = "meter-7", now_ms: int = 0) -> list[Effect]:
        """Hand in a message and make the writes durable."""
        effects = self.operator.handle(Received(peer=peer, message=encode_message(message)), now_ms)
        for effect in effects:
            if isinstance(effect, Write) and effect.value is not None:
                self.storage.rows[effect.table, effect.key] = effect.value
        return effects

    def blocks(self, start: int = 1) -> Blocks:
        """Return the chain's blocks from a height on, certified."""
        return Blocks(
            blocks=tuple(
                CertifiedBlock(
                    header=block.header,
                    certificate=self.chain.certificate(block.header),
                    body=block.body.encode(),
                )
                for block in self.chain.blocks[start - 1 :]
            )
        )

    def follow(self, start: int = 1) -> list[Effect]:
        """Send the chain's blocks to the DSO."""
        return self.handle(self.blocks(start), peer="miner-0")


def request(
    *people: Person, number: int = 1, money: int = 100, key: bytes = IDENTITY, chain: Chain
) -> WithdrawRequest:
    """Return a signed request of the meter for some addresses."""
    entries = tuple(
        WithdrawEntry(
            address=person.address,
            first_interval=FIRST,
            last_interval=FIRST + 9,
            production_j=0,
            consumption_j=0,
            money_uc=money,
        )
        for person in people
    )
    return sign_withdraw(
        chain.chain_id,
        request_id=number,
        meter_id="meter-7",
        entries=entries,
        public_key=public_key_of(key),
        signer=lambda message: sign(key, message),
    )


def sent(effects: list[Effect]) -> list[tuple[str, Message]]:
    """Return whom what was sent."""
    return [(effect.peer, decode_message(effect.message)) for effect in effects if isinstance(effect, Send)]


def batches(effects: list[Effect]) -> list[SignedTransaction]:
    """Return the batches of grants sent, one for each miner."""
    return [
        decode_transaction(message.raw, max_bytes=1 << 20)
        for _, message in sent(effects)
        if isinstance(message, SubmitTx)
    ]


def addresses(signed: SignedTransaction) -> list[Address]:
    """Return the addresses of a batch."""
    assert isinstance(signed.transaction, GrantAssets)
    return [asset.address for asset in signed.transaction.assets]


@pytest.fixture
def world() -> World:
    """A DSO with one registered meter."""
    return World()


def test_a_withdrawal_is_answered_written_and_granted(world: World) -> None:
    people = [Person(number) for number in range(5)]
    effects = world.handle(request(*people, chain=world.chain), now_ms=1_000)
    assert sent(effects) == [("meter-7", WithdrawReply(request_id=1, accepted=True))]
    assert [type(effect) for effect in effects] == [Write, SetTimer, Send], "durable before the answer"
    granted = world.operator.handle(TimerFired(name="batch"), 6_000)
    first, second = batches(granted)
    assert first == second, "every miner gets the same"
    assert [peer for peer, _ in sent(granted)] == list(MINERS)
    assert addresses(first) == sorted(person.address for person in people)
    world.chain.add(first)
    world.follow()
    assert world.operator.handle(TimerFired(name="resend"), 20_000) == []
    assert all(world.chain.account(person).money_uc == 100 for person in people)


def test_the_same_request_is_answered_again_and_granted_once(world: World) -> None:
    asked = request(Person(1), chain=world.chain)
    first = sent(world.handle(asked))
    rows = dict(world.storage.rows)
    assert sent(world.handle(asked)) == first
    assert world.storage.rows == rows
    assert world.operator.registry.accounts[7].out_uc == 100
    world.start()
    assert sent(world.handle(asked)) == first, "after a restart too"
    assert world.operator.registry.accounts[7].out_uc == 100


def test_a_refusal_says_why_and_leaves_nothing(world: World) -> None:
    effects = world.handle(request(Person(1), money=1_001, chain=world.chain))
    (peer, reply), *_ = sent(effects)
    assert peer == "meter-7"
    assert isinstance(reply, WithdrawReply)
    assert not reply.accepted
    assert "1000 uc" in reply.reason
    assert world.storage.rows == {}
    assert sent(world.handle(request(Person(1), money=1_000, chain=world.chain)))[0][1] == WithdrawReply(
        request_id=1, accepted=True
    ), "what was refused may be asked for again"


def test_too_much_energy_is_refused_in_words_that_fit_the_reply(world: World) -> None:
    entry = WithdrawEntry(
        address=Person(1).address,
        first_interval=FIRST,
        last_interval=FIRST,
        production_j=300_000 * KWH,
        consumption_j=0,
        money_uc=0,
    )
    asked = sign_withdraw(
        world.chain.chain_id,
        request_id=1,
        meter_id="meter-7",
        entries=(entry,),
        public_key=METER.identity_key,
        signer=lambda message: sign(IDENTITY, message),
    )
    (_, reply), *_ = sent(world.handle(asked))
    assert isinstance(reply, WithdrawReply)
    assert "cannot feed in" in reply.reason


def test_a_stranger_and_a_forger_get_nothing(world: World) -> None:
    stranger = world.handle(request(Person(1), key=secret(71), chain=world.chain))
    assert [message for _, message in sent(stranger)] == [
        WithdrawReply(request_id=1, accepted=False, reason="this meter is not registered")
    ]
    elsewhere = Chain()
    elsewhere.chain_id = bytes(32)
    assert world.handle(request(Person(1), chain=elsewhere)) == [
        Report(name="message-refused", value=("meter-7", "MSG-08"))
    ]
    assert world.operator.handle(Received(peer="x", message=b"\xff"), 0) == [
        Report(name="message-refused", value=("x", "MSG-01"))
    ]
    assert world.storage.rows == {}


def test_one_batch_is_under_way_at_a_time_and_the_rest_follows() -> None:
    world = World(OperatorParams(max_batch=2))
    people = [Person(number) for number in range(3)]
    world.handle(request(*people, chain=world.chain))
    first = batches(world.operator.handle(TimerFired(name="batch"), 0))[0]
    ordered = sorted(person.address for person in people)
    assert addresses(first) == ordered[:2]
    assert world.operator.handle(TimerFired(name="batch"), 5_000) == []
    assert batches(world.operator.handle(TimerFired(name="resend"), 10_000))[0] == first, (
        "sent until it is in a block"
    )
    world.chain.add(first)
    effects = world.follow()
    assert any(isinstance(effect, SetTimer) and effect.name == "batch" for effect in effects)
    rest = batches(world.operator.handle(TimerFired(name="batch"), 15_000))[0]
    assert addresses(rest) == ordered[2:]
    assert rest.transaction.sequence == 1  # type: ignore[union-attr]
    world.chain.add(rest)


def test_a_restart_grants_what_was_promised_and_nothing_twice(world: World) -> None:
    world.handle(request(Person(1), Person(2), chain=world.chain))
    world.chain.add(batches(world.operator.handle(TimerFired(name="batch"), 0))[0])
    world.handle(request(Person(3), number=2, chain=world.chain))
    world.start()
    world.follow()
    rest = batches(world.operator.handle(TimerFired(name="batch"), 0))[0]
    assert addresses(rest) == [Person(3).address]
    world.chain.add(rest)


def test_a_restart_survives_credit_that_was_used_twice(world: World) -> None:
    """Withdraw everything, deposit it, withdraw again: read back without the deposit, that is twice the credit."""
    world.handle(request(Person(1), money=1_000, chain=world.chain))
    world.chain.add(batches(world.operator.handle(TimerFired(name="batch"), 0))[0])
    world.chain.add(world.chain.deposit(Person(1)))
    world.follow()
    assert world.operator.registry.accounts[7].out_uc == 0
    world.handle(request(Person(2), number=2, money=1_000, chain=world.chain))
    world.start()
    world.follow()
    assert world.operator.registry.accounts[7].out_uc == 1_000
    assert addresses(batches(world.operator.handle(TimerFired(name="batch"), 0))[0]) == [Person(2).address]


def test_a_batch_that_lost_its_number_is_signed_anew(world: World) -> None:
    world.handle(request(Person(1), chain=world.chain))
    lost = batches(world.operator.handle(TimerFired(name="batch"), 0))[0]
    world.chain.add(world.chain.grant(Person(8).asset(money_uc=1)))
    world.follow()
    anew = batches(world.operator.handle(TimerFired(name="batch"), 0))[0]
    assert addresses(anew) == addresses(lost)
    world.chain.add(anew)


def test_blocks_are_asked_for_and_judged(world: World) -> None:
    world.chain.add()
    header = world.chain.blocks[0].header
    world.operator.handle(Received(peer="miner-0", message=encode_message(Blocks(blocks=()))), 0)
    asked = world.handle(NewBlock(header=header, certificate=world.chain.certificate(header)), peer="miner-0")
    assert ("miner-0", GetBlocks(from_height=1, limit=64)) in sent(asked)
    good = world.blocks().blocks[0]
    forged = CertifiedBlock(
        header=good.header, certificate=world.chain.certificate(good.header, (0, 1)), body=good.body
    )
    refused = world.handle(Blocks(blocks=(forged,)), peer="miner-0")
    assert refused[0] == Report(name="block-refused", value="CNS-04")
    assert [peer for peer, _ in sent(refused)] == ["miner-1", "miner-1"], "another server is asked"
    world.follow()
    assert world.operator.ledger.tip.height == 1
    assert world.follow() != [], "old blocks do no harm"
    assert sent(world.operator.handle(TimerFired(name="follow"), 10**9)) != []


def build_operator(chain: Chain, key: bytes, registry: Registry) -> Operator:
    """Return an operator with this key and registry."""
    return Operator("dso", chain.genesis, secret=key, registry=registry, miners=MINERS, storage=Memory())


def test_an_operator_without_its_key_or_with_a_foreign_feeder_does_not_start() -> None:
    chain = Chain()
    with pytest.raises(LocalError):
        build_operator(chain, secret(5), Registry([METER], 900))
    lost = Registry([replace(METER, feeder=9)], 900)
    with pytest.raises(LocalError):
        build_operator(chain, DSO_SECRET, lost)


def test_what_does_not_concern_the_dso_is_passed_over(world: World) -> None:
    assert world.handle(SubmitTx(raw=b"x")) == []
    assert world.operator.handle(TimerFired(name="resend"), 0) == [], "nothing is under way"
