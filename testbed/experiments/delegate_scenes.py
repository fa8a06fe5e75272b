"""Who plays which part among the delegates of a council, and what comes of it, in the simulator.

Delegates C, D, E, F, G as published, and two more where two play false for good: a quorum of the consensus is strictly
more than two thirds, so five bear one that is silent for ever, and seven bear two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from light_client.session.actor import Actor, PeerName, Storage
from testbed.adversaries.delegates import Deserter, FalseLeader, LyingRelay, Plot, SilentDelegate, Voucher
from testbed.experiments.council import Case, Charge, Council, Delegate, proves
from testbed.miner.params import Timeouts
from testbed.network.faults import Link
from testbed.network.simulator import Simulator

FIVE: Final = ("G", "C", "D", "E", "F")
"""The second leads first."""
SEVEN: Final = ("G", "C", "D", "E", "F", "H", "I")
_START_MS: Final = 1_800_000_000_000
_PATIENCE_MS: Final = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Bytes of the answers that are about."""

    proven: bytes
    wrong: bytes
    """Feasible, and far from the bound."""
    broken: bytes
    """Cheap, and not feasible."""


Part = Callable[[Delegate, Case, Answers, Plot], Actor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scenario.

    Attributes:
        name: short.
        what: who does what.
        names: of the delegates.
        parts: those who play false.
        convicts: against whom some honest delegate must end with evidence.
        decides: whether there are enough to decide.
    """

    name: str
    what: str
    parts: Mapping[PeerName, Part]
    names: tuple[PeerName, ...] = FIVE
    convicts: frozenset[PeerName] = frozenset()
    decides: bool = True


def leads(*shown: PeerName, broken: bool = False, kind: type[FalseLeader] = FalseLeader) -> Part:
    """Shows some a wrong answer when it leads."""

    def part(inner: Delegate, case: Case, answers: Answers, plot: Plot) -> Actor:
        return kind(inner, case, answers.broken if broken else answers.wrong, shown, plot)

    return part


def silent(inner: Delegate, case: Case, answers: Answers, plot: Plot) -> Actor:
    """Says nothing."""
    del case, answers, plot
    return SilentDelegate(inner)


def vouches(inner: Delegate, case: Case, answers: Answers, plot: Plot) -> Actor:
    """Votes for the wrong answers of whoever leads falsely."""
    del case, answers
    return Voucher(inner, plot)


def relays(inner: Delegate, case: Case, answers: Answers, plot: Plot) -> Actor:
    """Passes wrong copies on in its own name."""
    del plot
    return LyingRelay(inner, case, answers.wrong, set(FIVE) - {inner.name})


SCENES: Final = (
    Scene(
        name="S1",
        what="leader C shows a wrong answer to F alone, who is silent",
        parts={"C": leads("F"), "F": silent},
    ),
    Scene(
        name="S1b",
        what="the same, F honest",
        parts={"C": leads("F")},
        convicts=frozenset("C"),
    ),
    Scene(name="S2", what="leader honest, F silent", parts={"F": silent}),
    Scene(name="S2b", what="leader honest, F passes wrong copies on", parts={"F": relays}),
    Scene(
        name="S3",
        what="leader C shows a feasible, dear answer to all",
        parts={"C": leads("D", "E", "F", "G")},
        convicts=frozenset("C"),
    ),
    Scene(
        name="S3b",
        what="leader C shows an infeasible, cheap answer to all",
        parts={"C": leads("D", "E", "F", "G", broken=True)},
        convicts=frozenset("C"),
    ),
    Scene(
        name="S4",
        what="leader C shows a wrong answer to D and F, and F vouches for it",
        parts={"C": leads("D", "F"), "F": vouches},
        convicts=frozenset("CF"),
    ),
    Scene(
        name="S1, seven",
        what="C says nothing but wrong answers to F, who is silent for ever",
        names=SEVEN,
        parts={"C": leads("F", kind=Deserter), "F": silent},
    ),
    Scene(
        name="S4, seven",
        what="C says nothing but wrong answers to D, E and F, and F vouches for them",
        names=SEVEN,
        parts={"C": leads("D", "E", "F", kind=Deserter), "F": vouches},
        convicts=frozenset("CF"),
    ),
    Scene(
        name="two of five",
        what="C says nothing but wrong answers, F nothing at all: three are no quorum",
        parts={"C": leads("D", "E", "F", "G", kind=Deserter), "F": silent},
        convicts=frozenset("C"),
        decides=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a scenario."""

    scene: Scene
    proven: bytes
    """The answer that honest delegates had."""
    decided: Mapping[PeerName, bytes | None]
    """By each honest delegate."""
    convicted: frozenset[PeerName]
    """Against whom an honest delegate holds evidence that anybody can check."""
    rounds: int
    took_ms: int

    def as_it_should(self) -> bool:
        """Every honest delegate with the proven answer (none, where too few), and only the guilty convicted."""
        wanted = self.proven if self.scene.decides else None
        return (
            all(found == wanted for found in self.decided.values())
            and self.scene.convicts <= self.convicted <= self.scene.parts.keys()
        )


def play(scene: Scene, case: Case, answers: Answers, *, seed: int) -> Outcome:
    """Run one scenario."""
    council = Council(names=scene.names, timeouts=Timeouts())
    simulator = Simulator(seed=seed, start_ms=_START_MS, link=Link(min_delay_ms=20, jitter_ms=10))
    plot = Plot()
    inside: dict[PeerName, Delegate] = {}

    def build(name: PeerName, storage: Storage) -> Actor:
        delegate = Delegate(name=name, council=council, case=case, answer=answers.proven, storage=storage)
        inside[name] = delegate
        part = scene.parts.get(name)
        return delegate if part is None else part(delegate, case, answers, plot)

    for name in scene.names:
        simulator.add(name, partial(build, name))
    honest = [name for name in scene.names if name not in scene.parts]

    def done() -> bool:
        return len(inside) == len(scene.names) and all(inside[name].decided for name in honest)

    simulator.run(_START_MS + _PATIENCE_MS, done)
    took_ms = simulator.now_ms - _START_MS
    simulator.run(simulator.now_ms + 2_000)
    keys = {council.seat(name).public_key: name for name in scene.names}
    charges: list[Charge] = [charge for name in honest for charge in inside[name].charges]
    blocks = {name: inside[name].decided for name in honest}
    rounds = [block.certificate.round_ for block in blocks.values() if block is not None]
    return Outcome(
        scene=scene,
        proven=answers.proven,
        decided={name: None if block is None else block.body for name, block in blocks.items()},
        convicted=frozenset(
            keys[charge.public_key] for charge in charges if proves(charge, case, council.chain_id)
        ),
        rounds=1 + max(rounds, default=-1),
        took_ms=took_ms,
    )
