"""One seeded run of a small chain under faults, and the invariants that must hold in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from light_client.messages.codec import decode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.state import check_state_conserves
from light_client.session.actor import PeerName, Send
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams, Timeouts
from testbed.network.faults import Faults, Link, Partition, random_faults
from testbed.network.simulator import Seen, Simulator
from tests.testbed.miner.chains import (
    START_MS,
    Client,
    busy_plan,
    committee_of,
    name_of,
    small_genesis,
)

FAULTS_END_MS = START_MS + 70_000
END_MS = START_MS + 200_000
PROSUMERS = 4
INTERVALS = 2
STORM = Link(min_delay_ms=10, jitter_ms=800, loss_ppm=300_000, ordered=False)
HASTE = MinerParams(timeouts=Timeouts(propose_ms=250, vote_ms=50, per_round_ms=50, status_ms=3_000))
_CONSENSUS_TYPES = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What goes wrong in a world of which nothing is left to chance."""

    link: Link
    faults: Faults
    slow: Mapping[tuple[PeerName, PeerName], Link]
    """Directions that have a quality of their own."""


class BrokenInvariantError(AssertionError):
    """An invariant does not hold; names the seed that shows it."""


@dataclass
class Watcher:
    """Sees what everybody decides and signs."""

    honest: frozenset[PeerName]
    blocks: dict[int, dict[bytes, PeerName]] = field(default_factory=dict)
    signed: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    rounds: int = 0
    proposed_ms: dict[int, int] = field(default_factory=dict)
    """Height -> when its first block was proposed."""
    clock: Callable[[], int] = lambda: 0

    def report(self, seen: Seen) -> None:
        if seen.name == "block" and seen.node in self.honest:
            header = seen.value
            self.blocks.setdefault(header.height, {})[header.hash()] = seen.node  # type: ignore[attr-defined]
        elif seen.name == "round":
            self.rounds += 1

    def send(self, sender: PeerName, send: Send) -> None:
        if sender not in self.honest or send.message[1] not in _CONSENSUS_TYPES:
            return
        message = decode_message(send.message)
        if isinstance(message, Proposal):
            self.proposed_ms.setdefault(message.height, self.clock())
        if isinstance(message, Vote) and name_of(message.seat) == sender:
            key: tuple[object, ...] = (sender, message.kind, message.height, message.round_)
            said = message.header_hash
        elif isinstance(message, Proposal) and leads(message, sender):
            key = (sender, "proposal", message.height, message.round_)
            said = message.header.hash() + repr(message.pol_round).encode()
        else:
            return
        if self.signed.setdefault(key, said) != said:
            self.contradictions.append(f"{key} signed twice")


def leads(proposal: Proposal, sender: PeerName) -> bool:
    return name_of((proposal.height + proposal.round_) % 4) == sender


def weather(rng: Random) -> Link:
    """A link quality between good and hardly bearable."""
    return Link(
        min_delay_ms=rng.randrange(1, 60),
        jitter_ms=rng.randrange(1, 200),
        loss_ppm=rng.choice((0, 20_000, 100_000, 250_000)),
        duplicate_ppm=rng.choice((0, 50_000)),
        ordered=rng.random() < 0.5,
    )


def run_seed(
    seed: int,
    *,
    genesis: Genesis | None = None,
    classes: dict[int, type[Miner]] | None = None,
    dishonest: frozenset[int] = frozenset(),
    storm: bool = False,
    schedule: Schedule | None = None,
) -> tuple[Simulator, Watcher]:
    """Run one world.

    Args:
        dishonest: seats of which nothing is expected.
        storm: a third of all messages vanish, the rest come late; safety is all that is asked then.
        schedule: what goes wrong instead of what is drawn.

    Raises:
        BrokenInvariantError: two blocks of one height, an honest miner that contradicts itself, no progress.
    """
    rng = Random(seed)
    chain = genesis or small_genesis()
    names = [name_of(seat) for seat in range(4)]
    faults = random_faults(
        rng,
        names,
        from_ms=START_MS + 500,
        to_ms=FAULTS_END_MS,
        crashes=rng.randrange(6),
        partitions=rng.randrange(3),
    )
    link = STORM if storm else weather(rng)
    params = HASTE if storm or schedule else None
    if schedule is not None:
        link, faults = schedule.link, schedule.faults
    simulator = committee_of(chain, seed=seed, link=link, faults=faults, params=params, classes=classes)
    for (sender, receiver), quality in ({} if schedule is None else schedule.slow).items():
        simulator.set_link(sender, receiver, quality)
    client = Client(
        name="client", plan=busy_plan(chain, rng, prosumers=PROSUMERS, intervals=INTERVALS), miners=4
    )
    simulator.add("client", lambda _: client)
    watcher = Watcher(frozenset(name_of(seat) for seat in range(4) if seat not in dishonest))
    watcher.clock = lambda: simulator.now_ms
    simulator.on_report, simulator.on_send = watcher.report, watcher.send
    simulator.run(END_MS)
    check_safety(seed, watcher)
    if not storm:
        check_liveness(seed, simulator, watcher, client)
    return simulator, watcher


def check_safety(seed: int, watcher: Watcher) -> None:
    """One block at each height, and nobody honest contradicts itself."""
    for height, found in watcher.blocks.items():
        if len(found) > 1:
            raise BrokenInvariantError(f"seed {seed}: {len(found)} blocks at height {height}: {found}")
    if watcher.contradictions:
        raise BrokenInvariantError(f"seed {seed}: {watcher.contradictions[:3]}")


def check_liveness(seed: int, simulator: Simulator, watcher: Watcher, client: Client) -> None:
    """Everybody has the same chain, intervals clear, transactions were answered, and nothing was lost or made."""
    miners = [miner for name in sorted(watcher.honest) if isinstance(miner := simulator.actor(name), Miner)]
    heights = [miner.ledger.height for miner in miners]
    if len(miners) != len(watcher.honest) or max(heights) - min(heights) > 1:
        raise BrokenInvariantError(f"seed {seed}: the miners stand at {heights}")
    for miner in miners:
        check_state_conserves(miner.ledger.state)
        if miner.ledger.state.meta.next_interval < simulator.now_ms // 60_000:
            raise BrokenInvariantError(f"seed {seed}: {miner.name} stands still at {miner.ledger.height}")
        if not miner.ledger.state.meta.next_grant:
            raise BrokenInvariantError(f"seed {seed}: {miner.name} never took the grant in")
    refused = [signed for _, signed in client.plan if signed.tx_id() not in client.answers]
    if refused:
        raise BrokenInvariantError(f"seed {seed}: {len(refused)} transactions were never answered")


def one_decides_alone(proposed_ms: int) -> Schedule:
    """A schedule in which one miner decides in the first round of height 2, and the others cannot know that it did.

    Miner 2 leads. Miner 1 does not hear it, and votes for nothing. The precommits of 2 and 3 are under way to miner 0,
    which is a little far off, when it is cut off from everybody; from each other, 2 and 3 do not hear them. So 0 has
    three precommits for a block, and 1, 2 and 3 have two different ones and go to the next round. What holds 2 and 3 to
    that block is their lock, and nothing else.

    Args:
        proposed_ms: when miner 2 proposes the block, in the calm world.
    """
    alone, deaf, leader, second = (frozenset({name_of(seat)}) for seat in range(4))
    cuts = (
        Partition(groups=(leader, deaf), from_ms=proposed_ms - 5, to_ms=proposed_ms + 400),
        Partition(groups=(leader, second), from_ms=proposed_ms + 65, to_ms=proposed_ms + 75),
        Partition(
            groups=(alone, deaf | leader | second), from_ms=proposed_ms + 75, to_ms=proposed_ms + 30_000
        ),
    )
    return replace(CALM, faults=Faults(partitions=cuts))


SPLIT_HEIGHT = 2
CALM = Schedule(
    link=Link(min_delay_ms=10),
    faults=Faults(),
    slow={
        (name_of(2), name_of(0)): Link(min_delay_ms=60),
        (name_of(3), name_of(0)): Link(min_delay_ms=100),
    },
)
"""Everything arrives after exactly so many milliseconds."""
