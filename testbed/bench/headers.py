"""A year offline: what a light client reads, checks and waits for until it trusts the newest header again.

The chain has a block every five minutes and an epoch a day, and every epoch another committee, which is the worst
case: one header, one certificate, one list of members and one proof of history for each. Between the ends of epochs
only the hashes of headers exist here, since nobody looks at more of them. Messages are encoded, decoded and verified
as over the wire; what is not measured is the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter
from typing import Any, Final

from light_client.messages.anchors import CheckpointMessage, GetCheckpoint
from light_client.messages.chain import MAX_UPDATES, GetUpdate, UpdateMessage
from light_client.messages.codec import decode_message, encode_message
from light_client.rules.checkpoint import Checkpoint, checkpoint_from_bytes, verify_checkpoint
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.errors import LocalError
from light_client.rules.ledger.block import NO_CLEARING, Header
from light_client.rules.ledger.committee import Committee, Member, QuorumCertificate, VoteKind, vote_message
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.light import LightParams, TrustedState, Update, trust_genesis, verify_update
from light_client.rules.market.grid import Feeder
from light_client.rules.market.params import MarketParams
from light_client.rules.merkle import Tree
from light_client.rules.units import HASH_BYTES, FeederId
from light_client.rules.verdict import Accepted
from testbed.bench.section import Aim, Options, Section, Step, at_most

SUMMARY: Final = "What a meter reads and checks after a year offline."
BLOCK_MS: Final = 300_000
DAY_BLOCKS: Final = 86_400_000 // BLOCK_MS
_YEAR_DAYS: Final = 365
_QUICK_DAYS: Final = 30
_SIZES: Final = (4, 7, 21)
_ASKED_BYTES: Final = 1_000_000
"""For a committee of seven; a client of Ethereum's sync committees reads about eight times as much in a year."""
_REGISTRY: Final = 3


def steps(options: Options) -> int:
    """How many cases there are."""
    return len(_sizes(options)) + 1


def _sizes(options: Options) -> tuple[int, ...]:
    return _SIZES[:2] if options.quick else _SIZES


def measure(options: Options, step: Step) -> Section:
    """Walk over the epochs with each size of committee; then do it by a checkpoint."""
    days = _QUICK_DAYS if options.quick else _YEAR_DAYS
    rows: list[dict[str, Any]] = []
    for members in _sizes(options):
        step(f"{days} days offline, {members} miners")
        rows.append(walk(OfflineChain(days=days, members=members)))
    step("checkpoint")
    rows.append(anchor(OfflineChain(days=days, members=7)))
    lines = [f"{days} days offline, a block every 5 minutes, another committee every day"]
    lines += [
        f"{row['way']:<34} {row['bytes']:>9,} B  {row['headers']:>4} headers  {row['signatures']:>6,} signatures"
        f"  {row['round_trips']:>3} round trips  {row['seconds'] * 1e3:>9,.1f} ms"
        for row in rows
    ]
    return Section(document={"days": days, "ways": rows}, lines=lines, aims=_aims(rows, days))


def _aims(rows: list[dict[str, Any]], days: int) -> list[Aim]:
    if days != _YEAR_DAYS:
        return []
    walked = next(row for row in rows if row["miners"] == 7)
    return [at_most("headers of a year, 7 miners", "bytes", asked=_ASKED_BYTES, measured=walked["bytes"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Epoch:
    """One committee and its keys."""

    committee: Committee
    secrets: tuple[bytes, ...]


class OfflineChain:
    """The ends of all epochs, certified, and a history to prove them in."""

    def __init__(self, *, days: int, members: int) -> None:
        """Make the chain; two committees take turns."""
        self.members = members
        self._epochs = tuple(_epoch(members, first) for first in (1, 101))
        self._registry_secrets = tuple(_secret(200 + number) for number in range(_REGISTRY))
        keys = tuple(sorted(public_key_of(key) for key in self._registry_secrets))
        self.genesis = Genesis(
            name="test-offline",
            genesis_time_ms=0,
            first_interval=0,
            market=MarketParams(interval_s=900),
            feeders=(Feeder(feeder=FeederId(1), c_ext_w=1_000),),
            dso_key=public_key_of(_secret(250)),
            committee=self._epochs[0].committee,
            epochs=EpochParams(blocks=DAY_BLOCKS),
            registry=MinerRegistry(threshold=2, keys=keys, candidates=()),
        )
        self.history = Tree()
        self.updates: list[Update] = []
        """One for each end of an epoch, from the genesis on."""
        for day in range(days):
            self._add(day)

    @property
    def now_ms(self) -> int:
        """A moment after the last block."""
        return self.updates[-1].header.time_ms + 1

    def _add(self, day: int) -> None:
        chain_id, last = self.genesis.chain_id(), (day + 1) * DAY_BLOCKS
        mine, other = self._epochs[day % 2], self._epochs[(day + 1) % 2]
        while self.history.size < last - 1:
            self.history.append(sha256(self.history.size.to_bytes(8, "big")).digest())
        trusted = day * DAY_BLOCKS
        proof = self.history.inclusion_proof(trusted - 1, last - 1) if trusted else ()
        none = bytes(HASH_BYTES)
        header = Header(
            chain_id=chain_id,
            height=last,
            round_=0,
            time_ms=last * BLOCK_MS,
            previous_hash=none,
            history_root=self.history.root(last - 1),
            tx_root=none,
            state_root=none,
            solution_root=none,
            committee_hash=mine.committee.hash(),
            next_committee_hash=other.committee.hash(),
            clearing=NO_CLEARING,
        )
        certificate = _quorum(chain_id, header, mine)
        self.history.append(header.hash())
        self.updates.append(
            Update(
                header=header, certificate=certificate, history_proof=proof, next_committee=other.committee
            )
        )

    def checkpoint(self) -> Checkpoint:
        """The registry's word for the last header but one."""
        update, day = self.updates[-2], len(self.updates) - 2
        bare = Checkpoint(
            header=update.header,
            signers=self._epochs[day % 2].committee,
            committee=self._epochs[(day + 1) % 2].committee,
            signatures=(),
        )
        ordered = sorted(self._registry_secrets, key=public_key_of)
        signed = tuple((number, sign(ordered[number], bare.message())) for number in range(2))
        return Checkpoint(
            header=bare.header, signers=bare.signers, committee=bare.committee, signatures=signed
        )

    def answers(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Requests and answers on the way from the end of a day to the newest header."""
        while start < len(self.updates):
            batch = tuple(self.updates[start : start + MAX_UPDATES])
            request = encode_message(GetUpdate(trusted_height=start * DAY_BLOCKS))
            yield request, encode_message(UpdateMessage(updates=batch))
            start += len(batch)


def _secret(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _epoch(members: int, first: int) -> _Epoch:
    secrets = tuple(_secret(first + number) for number in range(members))
    committee = Committee(members=tuple(Member(public_key=public_key_of(key)) for key in secrets))
    return _Epoch(committee=committee, secrets=secrets)


def _quorum(chain_id: bytes, header: Header, epoch: _Epoch) -> QuorumCertificate:
    """Precommits of no more members than a quorum takes."""
    needed = 2 * len(epoch.secrets) // 3 + 1
    message = vote_message(VoteKind.PRECOMMIT, chain_id, header.height, 0, header.hash())
    return QuorumCertificate(
        height=header.height,
        round_=0,
        header_hash=header.hash(),
        bitmap=(1 << needed) - 1,
        signatures=tuple(sign(key, message) for key in epoch.secrets[:needed]),
    )


def _followed(
    chain: OfflineChain, trusted: TrustedState, answers: list[bytes], params: LightParams
) -> TrustedState:
    for raw in answers:
        message = decode_message(raw)
        for update in message.updates if isinstance(message, UpdateMessage) else ():
            verdict, trusted = verify_update(trusted, update, chain.genesis, params, chain.now_ms)
            if not isinstance(verdict, Accepted):
                raise LocalError("a header of the bench's own chain is not accepted", got=verdict)
    return trusted


def walk(chain: OfflineChain) -> dict[str, Any]:
    """From the genesis over every epoch, with a trusting period that allows it."""
    params = LightParams(trusting_period_ms=2 * chain.now_ms)
    pairs = list(chain.answers())
    began = perf_counter()
    _followed(chain, trust_genesis(chain.genesis), [answer for _, answer in pairs], params)
    seconds = perf_counter() - began
    return {
        "way": f"over every epoch, {chain.members} miners",
        "miners": chain.members,
        "bytes": sum(len(request) + len(answer) for request, answer in pairs),
        "headers": len(chain.updates),
        "signatures": sum(len(update.certificate.signatures) for update in chain.updates),
        "round_trips": len(pairs),
        "seconds": round(seconds, 6),
    }


def anchor(chain: OfflineChain) -> dict[str, Any]:
    """By a checkpoint of the registry, as the usual trusting period of two weeks demands."""
    params, registry = LightParams(), chain.genesis.registry
    if registry is None:
        raise LocalError("the bench's genesis has a registry", got=None)
    made = chain.checkpoint()
    asked = encode_message(GetCheckpoint(above_height=0))
    told = encode_message(CheckpointMessage(checkpoint=made.encode()))
    pairs = [(asked, told), *chain.answers(len(chain.updates) - 1)]
    began = perf_counter()
    message = decode_message(told)
    raw = message.checkpoint if isinstance(message, CheckpointMessage) else b""
    verdict, trusted = verify_checkpoint(
        trust_genesis(chain.genesis),
        checkpoint_from_bytes(raw),
        registry=registry,
        params=params,
        now_ms=chain.now_ms,
        max_drift_ms=chain.genesis.chain.max_drift_ms,
    )
    if not isinstance(verdict, Accepted):
        raise LocalError("the bench's own checkpoint is not accepted", got=verdict)
    _followed(chain, trusted, [answer for _, answer in pairs[1:]], params)
    seconds = perf_counter() - began
    return {
        "way": f"by a checkpoint, {chain.members} miners",
        "miners": chain.members,
        "bytes": sum(len(request) + len(answer) for request, answer in pairs),
        "headers": 2,
        "signatures": len(made.signatures) + len(chain.updates[-1].certificate.signatures),
        "round_trips": len(pairs),
        "seconds": round(seconds, 6),
    }
