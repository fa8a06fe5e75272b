"""A light client among servers: it follows, skips over epochs, comes back after any crash, and is fooled by nobody."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from light_client.client.news import Halted
from light_client.client.params import ClientParams
from light_client.client.status import ProofLevel, Standing
from light_client.messages.anchors import CheckpointMessage, ForkMessage
from light_client.messages.chain import Blocks
from light_client.messages.codec import encode_message
from light_client.rules.checkpoint import Checkpoint
from light_client.rules.ledger.fork import CertifiedHeader, fork_from_bytes, fork_of
from light_client.rules.light import LightParams
from light_client.session.actor import Actor, Received
from light_client.store import trust
from light_client.sync.follow import FollowParams
from light_client.sync.servers import ServersParams
from light_client.sync.witness import WitnessParams
from testbed.adversaries.disguise import Window
from testbed.adversaries.fork_server import ForkingServer, sign_all
from testbed.adversaries.servers import DISGUISES
from testbed.miner.ledger import Ledger
from testbed.network.faults import Crash, CrashAtWrite, Faults, Link, Moment
from tests.light_kit import METER, MINUTE_MS, SERVERS, Dress, World, epochs, sign_for

GENESIS, BLOCKS = epochs()
BEGAN_MS = BLOCKS[0].header.time_ms - 1
END_MS = BLOCKS[-1].header.time_ms
HEIGHT = len(BLOCKS)
QUICK = ClientParams(
    witness=WitnessParams(every_ms=10 * MINUTE_MS),
    follow=FollowParams(poll_ms=2 * MINUTE_MS),
    persist_ms=10 * MINUTE_MS,
)
ALWAYS = Window(from_ms=0, to_ms=1 << 60)


def world(**changes: object) -> World:
    """Return a client and three honest servers of the chain."""
    return World(start=GENESIS, blocks=BLOCKS, **{"params": QUICK, **changes})  # type: ignore[arg-type]


def hostile(kind: str, window: Window = ALWAYS) -> Dress:
    """Return a disguise for a server."""

    def dress(inner: Actor, _: Ledger) -> Actor:
        return DISGUISES[kind](inner, window, (), Random(7))

    return dress


def forking(from_ms: int, stands_still_after: int | None = None) -> Dress:
    """Return a server with the keys of every committee."""

    def dress(inner: Actor, ledger: Ledger) -> Actor:
        window = Window(from_ms=from_ms, to_ms=1 << 60)
        return ForkingServer(inner, ledger, window, (), sign_for, stands_still_after)

    return dress


def check_in_order(heights: list[int]) -> None:
    """See to it that each block was verified once, in sequence."""
    assert heights == list(range(1, len(heights) + 1))


def test_it_follows_a_chain_through_its_epochs_and_a_witness_agrees() -> None:
    found = world().run(END_MS + 30 * MINUTE_MS)
    status = found.client.status()
    assert (status.standing, status.level, status.height) == (
        Standing.FOLLOWING,
        ProofLevel.SOLUTIONS,
        HEIGHT,
    )
    assert (status.may_trade, status.why, status.refused, status.switches) == (True, "", {}, 0)
    assert status.witness_agreed_ms is not None
    check_in_order(found.actor.heights)
    assert found.client.belief.trusted.committee.hash() == BLOCKS[-1].header.next_committee_hash
    assert status.to_document()["level"] == "whole solutions"


def test_a_late_comer_skips_from_epoch_to_epoch_and_then_audits_without_signatures() -> None:
    found = world(start_ms=END_MS + 1).run(END_MS + 2 * MINUTE_MS)
    checked = found.client.belief.checked
    assert found.client.status().level is ProofLevel.SOLUTIONS
    assert checked.headers == 4, "one for each committee, the newest header being the last of an epoch"
    assert checked.ancestors == HEIGHT
    check_in_order(found.actor.heights)


def test_old_blocks_come_in_pieces_each_proven_by_the_history() -> None:
    few = replace(QUICK, follow=FollowParams(limit=5))
    found = world(start_ms=END_MS + 1, params=few).run(END_MS + 2 * MINUTE_MS)
    assert found.client.status().level is ProofLevel.SOLUTIONS
    assert found.block_servers["server-0"].asked.count("GetHistory") == 4, (
        "24 blocks, the last 4 end at the head"
    )
    assert found.client.belief.checked.ancestors == HEIGHT
    check_in_order(found.actor.heights)


@pytest.mark.parametrize("kind", ["lies", "garbles"])
def test_old_blocks_with_a_wrong_proof_are_had_from_somebody_else(kind: str) -> None:
    few = replace(QUICK, follow=FollowParams(limit=5))
    window = Window(from_ms=END_MS + 2, to_ms=1 << 60)
    found = world(start_ms=END_MS + 1, params=few, dresses={"server-0": hostile(kind, window)})
    found.run(END_MS + 20 * MINUTE_MS)
    assert found.client.status().level is ProofLevel.SOLUTIONS
    check_in_order(found.actor.heights)


def test_where_the_blocks_are_out_of_reach_headers_are_followed_and_the_status_says_so() -> None:
    far = replace(QUICK, replay_blocks=3)
    middle_ms = BLOCKS[14].header.time_ms
    found = world(start_ms=middle_ms + 90 * MINUTE_MS - 1, params=far).run(END_MS + 120 * MINUTE_MS)
    status = found.client.status()
    assert (status.standing, status.height, status.audited_height) == (Standing.FOLLOWING, HEIGHT, 0)
    assert status.level is ProofLevel.HEADERS
    assert "are out of reach" in status.why
    assert found.actor.heights == []


def test_headers_alone_are_followed_one_by_one_as_they_come() -> None:
    far = replace(QUICK, replay_blocks=0)
    found = world(start_ms=BLOCKS[8].header.time_ms + 61 * MINUTE_MS, params=far)
    assert found.run(found.simulator.now_ms + MINUTE_MS).client.height > 8
    found.run(END_MS + 10 * MINUTE_MS)
    assert found.client.height == HEIGHT
    assert found.block_servers["server-0"].asked.count("GetBlocks") == 0


def pruned(inner: Actor, ledger: Ledger) -> Actor:
    """Return a server that has thrown its first blocks away."""
    stored = ledger.store.block
    ledger.store.block = lambda height: None if height < 4 else stored(height)  # type: ignore[method-assign]
    return inner


def test_where_nobody_has_the_old_blocks_any_more_headers_are_followed() -> None:
    found = world(start_ms=END_MS + 1, dresses=dict.fromkeys(SERVERS, pruned)).run(END_MS + 60 * MINUTE_MS)
    status = found.client.status()
    assert (status.standing, status.height, status.level) == (
        Standing.FOLLOWING,
        HEIGHT,
        ProofLevel.HEADERS,
    )


def test_too_much_at_once_is_not_even_read() -> None:
    rationed = replace(QUICK, servers=ServersParams(burst_bytes=4_000, bytes_per_s=1))
    found = world(params=rationed).run(END_MS)
    assert any(seen.name == "too-much" for seen in found.simulator.reports)
    assert found.client.status().refused == {}


def test_a_clearing_that_a_quorum_signed_and_no_rule_allows_ends_trading() -> None:
    found = world().run(BLOCKS[5].header.time_ms + MINUTE_MS)
    client, good = found.client, BLOCKS[client_height(found)]
    clearing = replace(good.header.clearing, traded_j=good.header.clearing.traded_j + 1)
    header = replace(good.header, clearing=clearing)
    committee = client.belief.trusted.committee
    signed = sign_all(GENESIS.chain_id(), header, committee, sign_for, 0)
    wrong = Blocks(blocks=(replace(good, header=header, certificate=signed),))
    outputs = client.received(client.server, encode_message(wrong), header.time_ms)
    assert client.standing is Standing.HALTED
    assert [output for output in outputs if isinstance(output, Halted)] != []
    assert "LED-33" in client.status().why
    assert client.received(client.server, encode_message(Blocks(blocks=(good,))), header.time_ms) == []


def client_height(found: World) -> int:
    """Return how far the client has followed."""
    return found.client.belief.trusted.height


@pytest.mark.parametrize("kind", DISGUISES)
@pytest.mark.parametrize("from_minute", [0, 30])
def test_one_hostile_server_of_three_neither_fools_nor_stops_it(kind: str, from_minute: int) -> None:
    window = Window(from_ms=BEGAN_MS + from_minute * MINUTE_MS, to_ms=1 << 60)
    found = world(dresses={"server-0": hostile(kind, window)}).run(END_MS + 60 * MINUTE_MS)
    status = found.client.status()
    assert (status.standing, status.height) == (Standing.FOLLOWING, HEIGHT), status
    assert status.level is ProofLevel.SOLUTIONS
    assert status.server != "server-0"
    assert found.client.belief.trusted.header_hash == BLOCKS[-1].header.hash()
    check_in_order(found.actor.heights)


@pytest.mark.parametrize("kind", DISGUISES)
def test_two_hostile_servers_of_three_do_not_fool_it(kind: str) -> None:
    dresses = {"server-0": hostile(kind), "server-2": hostile(kind)}
    found = world(dresses=dresses).run(END_MS + 120 * MINUTE_MS)
    assert found.client.belief.trusted.header_hash == BLOCKS[-1].header.hash()
    assert found.client.status().height == HEIGHT


@pytest.mark.parametrize("kind", [kind for kind in DISGUISES if kind not in ("slow", "stale")])
def test_among_liars_only_it_learns_nothing_and_believes_nothing(kind: str) -> None:
    found = world(dresses=dict.fromkeys(SERVERS, hostile(kind))).run(END_MS + 60 * MINUTE_MS)
    status = found.client.status()
    assert found.actor.heights == []
    assert status.height in (0, *(block.header.height for block in BLOCKS)), (
        "what it trusts was really signed"
    )
    sent = [send for peer, send in found.sent if peer == METER]
    assert len(sent) < 1_500, "it backs off instead of asking for ever"


def test_what_breaks_a_rule_is_counted_and_its_server_is_left() -> None:
    found = world(dresses={"server-0": hostile("lies")}).run(END_MS)
    assert set(found.client.status().refused) <= {"LC-05", "LC-06", "LC-16", "LC-19"}
    assert sum(found.client.status().refused.values()) >= 1
    assert found.client.servers.failures("server-0") > 0


# -- forks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minute", [5, 40, 80])
@pytest.mark.parametrize("liar", ["server-0", "server-1"])
def test_a_fork_is_seen_kept_told_and_ends_trading(minute: int, liar: str) -> None:
    """Whether the primary forks or the witness does, in the same epoch or since an earlier one."""
    from_ms = BEGAN_MS + minute * MINUTE_MS
    servers = ("server-0", "server-1")
    found = world(dresses={liar: forking(from_ms)}, servers=servers).run(END_MS + 60 * MINUTE_MS)
    assert found.client.standing is Standing.HALTED
    assert not found.client.may_trade
    raw = trust.evidence(found.storage)
    assert raw is not None
    fork = fork_from_bytes(raw)
    assert fork.culprits() == (0, 1, 2, 3), "everybody signed both"
    told = {send.peer for peer, send in found.sent if peer == METER and send.message[:2] == b"\x82\x15"}
    assert told == set(servers)
    assert [news.reason for news in found.actor.news] == [f"two certified headers of height {fork.height}"]
    assert trust.alarm(found.storage) == found.actor.news[0].reason


def test_a_halted_client_stays_halted_after_a_restart() -> None:
    faults = Faults(crashes=(Crash(node=METER, at_ms=END_MS, down_ms=MINUTE_MS),))
    found = world(
        dresses={"server-0": forking(BEGAN_MS + 40 * MINUTE_MS)}, servers=SERVERS[:2], faults=faults
    ).run(END_MS + 60 * MINUTE_MS)
    assert found.client.standing is Standing.HALTED
    assert found.client.status().why.startswith("two certified headers")
    assert found.actor.heights == [], "nothing is followed in the second life"


def test_somebody_elses_evidence_is_believed_only_if_it_is_proven_here() -> None:
    found = world().run(END_MS + 5 * MINUTE_MS)
    client, newest = found.client, BLOCKS[-1]
    committee = client.belief.trusted.signers
    twin = replace(newest.header, time_ms=newest.header.time_ms + 1)

    def told(header: object, round_: int = 0) -> list[object]:
        signed = sign_all(GENESIS.chain_id(), twin, committee, sign_for, round_)
        other = CertifiedHeader(header=twin, certificate=signed if header is twin else newest.certificate)
        fork = fork_of(CertifiedHeader(header=newest.header, certificate=newest.certificate), other)
        message = encode_message(ForkMessage(fork=fork.encode()))
        return [*client.received("server-1", message, END_MS + 6 * MINUTE_MS)]

    assert told(newest.header) != []
    assert client.standing is Standing.FOLLOWING
    assert client.status().refused == {"LC-19": 1}
    assert client.received("stranger", b"", END_MS) == []
    assert told(twin) != []
    assert client.standing.value == "halted"


# -- time and anchors ------------------------------------------------------------------------------------------------

SHORT = replace(QUICK, light=LightParams(trusting_period_ms=60 * MINUTE_MS))


def checkpoint_at(height: int, keys: int = 2) -> Checkpoint:
    """Return a checkpoint of the registry for a block of the chain."""
    header = BLOCKS[height - 1].header
    registry = GENESIS.registry
    assert registry is not None
    names = [block.header.committee_hash for block in BLOCKS]
    full = World(start=GENESIS, blocks=BLOCKS, start_ms=END_MS + 1)
    full.run(END_MS + 2)
    stored = full.block_servers["server-0"].ledger.store.turns
    turns = {at: turn.committee for at, turn in stored.items()}
    signers = next((turns[at] for at in turns if turns[at].hash() == names[height - 1]), GENESIS.committee)
    made = Checkpoint(header=header, signers=signers, committee=turns.get(height, signers), signatures=())
    rows = tuple((n, sign_for(registry.keys[n], made.message())) for n in range(keys))
    return replace(made, signatures=rows)


def hand(found: World, made: Checkpoint) -> None:
    """Give a checkpoint to all servers."""
    message = encode_message(CheckpointMessage(checkpoint=made.encode()))
    for server in found.block_servers.values():
        server.handle(Received(peer="registry", message=message), END_MS + MINUTE_MS)


def test_after_the_trusting_period_only_a_checkpoint_of_the_registry_helps() -> None:
    began_ms = END_MS + MINUTE_MS
    found = world(start_ms=began_ms, params=SHORT).run(began_ms + 5 * MINUTE_MS)
    assert found.client.standing is Standing.EXPIRED
    assert "LC-03" in found.client.status().why
    hand(found, checkpoint_at(20))
    found.run(began_ms + 20 * MINUTE_MS)
    status = found.client.status()
    assert (status.standing, status.height) == (Standing.FOLLOWING, HEIGHT)
    assert trust.recall(found.storage, GENESIS.chain_id())[-1].height >= 20


def test_a_checkpoint_that_too_few_keys_signed_is_not_even_served() -> None:
    began_ms = END_MS + MINUTE_MS
    found = world(start_ms=began_ms, params=SHORT).run(began_ms + 2 * MINUTE_MS)
    hand(found, checkpoint_at(20, keys=1))
    found.run(began_ms + 10 * MINUTE_MS)
    assert found.client.standing is Standing.EXPIRED
    message = encode_message(CheckpointMessage(checkpoint=checkpoint_at(20, keys=1).encode()))
    found.client.received("server-1", message, began_ms + 11 * MINUTE_MS)
    assert found.client.standing is Standing.EXPIRED
    assert found.client.status().refused == {"LC-17": 1}


def test_a_clock_that_is_not_set_is_waited_for() -> None:
    skew_ms = -40 * 365 * 86_400_000 % END_MS - END_MS
    found = world(faults=Faults(skew_ms={METER: skew_ms})).run(END_MS)
    assert found.client.standing is Standing.WAITING_FOR_CLOCK
    assert "LC-08" in found.client.status().why
    assert found.actor.heights == []
    assert found.client.woken("anchor", END_MS) != []
    assert found.client.standing.value == "syncing", "set in the meantime"


def test_expiry_comes_while_it_runs_if_the_chain_stands_still() -> None:
    found = world(params=SHORT).run(END_MS + 90 * MINUTE_MS)
    assert found.client.standing is Standing.EXPIRED
    assert not found.client.may_trade


# -- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [moment for moment in Moment if moment is not Moment.BETWEEN_CALLS])
@pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
def test_killed_at_any_write_it_comes_back_and_never_below_its_floor(number: int, moment: Moment) -> None:
    crash = CrashAtWrite(node=METER, number=number, moment=moment, down_ms=3 * MINUTE_MS)
    found = world(faults=Faults(crashes_at_writes=(crash,)))
    floor, lives = (0, 0), set()
    for minute in range(1, 180, 3):
        found.run(BEGAN_MS + minute * MINUTE_MS)
        kept = trust.recall(found.storage, GENESIS.chain_id())
        here = (kept[-1].height, kept[-1].time_ms) if kept else (0, 0)
        assert here >= floor, "what is on disk never goes back"
        assert (found.client.belief.trusted.height, found.client.belief.trusted.time_ms) >= here
        floor = here
        lives.add(id(found.client))
    assert len(lives) == 2, "it did crash"
    status = found.client.status()
    assert (status.standing, status.height) == (Standing.FOLLOWING, HEIGHT)
    assert status.refused == {}
    check_in_order(found.actor.heights)


def test_servers_with_less_than_the_floor_are_not_followed() -> None:
    """After a restart all servers show an old chain, rightly signed: the meter knows better, and waits."""
    first = world().run(BEGAN_MS + 90 * MINUTE_MS)
    kept = trust.recall(first.storage, GENESIS.chain_id())
    old = World(
        start=GENESIS,
        blocks=BLOCKS[: kept[-1].height - 4],
        params=QUICK,
        start_ms=BEGAN_MS + 91 * MINUTE_MS,
        remembered=kept,
    ).run(END_MS)
    assert old.client.belief.trusted == kept[-1]
    assert (old.client.standing, old.client.may_trade) == (Standing.SYNCING, False)
    assert old.actor.heights == []
    assert len([send for peer, send in old.sent if peer == METER]) < 100


def test_what_is_kept_stays_small() -> None:
    found = world().run(END_MS + 60 * MINUTE_MS)
    kept = sum(len(key) + len(value) for key, value in found.storage.scan(trust.TABLE))
    assert 0 < kept < 8 << 10
    assert found.storage.bytes_written < 100 << 10


def test_two_runs_of_one_seed_are_the_same() -> None:
    def run() -> list[bytes]:
        link = Link(min_delay_ms=10, jitter_ms=500, loss_ppm=50_000)
        found = world(dresses={"server-1": hostile("garbles")}, link=link).run(END_MS)
        return [send.message for peer, send in found.sent if peer == METER]

    assert run() == run()
