"""The published score-based delegated proof of stake as a simulation, with a switch for whatever it leaves open.

Delegates compute a hash of the slot's routing; the one that more than half of them share counts as the right one; a
producer with another hash loses its turn and is barred for some rounds. Nobody can check which hash is *correct*: that
is the point of the experiment.

Source: section 2 of the paper on blockchain-based distributed power transactions (FAIA241134). Scores are
``alpha * reputation + (1 - alpha) * amount``; what reputation an honest and a malicious node earn is not stated there
and is drawn here, uniformly from 0.9..1 and 0.5..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random


class Turning(Enum):
    """Who may turn malicious in a round."""

    EVERYBODY = "everybody"
    DELEGATES = "delegates"


class Electing(Enum):
    """When the delegates are chosen anew."""

    NEVER = "never"
    """Plain DPoS: the same delegates take turns."""
    WHEN_EMPTY = "when-empty"
    """As written: when all of the queue have had their turn."""
    EVERY_ROUND = "every-round"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read the paper."""

    name: str
    electing: Electing
    turning: Turning = Turning.EVERYBODY
    bars_voters: bool = False
    """Whether delegates who shared the minority's hash are barred, not only a producer."""
    refills: bool = False
    """Whether places that become free are filled at once."""
    reforms: bool = False
    """Whether a barred node comes back honest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The published experiment."""

    nodes: int = 150
    delegates: int = 50
    rounds: int = 24
    turn_percent: int = 10
    """Chance of an honest node to turn malicious in a round; it stays so unless it is reformed."""
    malicious_percent: int = 20
    """Malicious nodes at the beginning; the paper states none for its own variant."""
    barred_rounds: int = 5
    """K."""
    alpha: float = 0.5


PLAIN = Reading(name="plain DPoS", electing=Electing.NEVER)
READINGS = (
    Reading(name="as written", electing=Electing.WHEN_EMPTY),
    Reading(name="elected every round", electing=Electing.EVERY_ROUND),
    Reading(
        name="voters barred, queue refilled",
        electing=Electing.WHEN_EMPTY,
        turning=Turning.DELEGATES,
        bars_voters=True,
        refills=True,
    ),
    Reading(
        name="voters barred, refilled, reformed",
        electing=Electing.WHEN_EMPTY,
        bars_voters=True,
        refills=True,
        reforms=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One run."""

    shares: tuple[float, ...]
    """Malicious share of the delegates at the beginning of each round."""
    false_blocks: int
    """Rounds in which the wrong hash had the majority."""
    honest_barred: int
    """Honest nodes that were barred."""


class Network:
    """The nodes of one run."""

    def __init__(self, setting: Setting, reading: Reading, seed: int) -> None:
        self._setting, self._reading = setting, reading
        self._chance = Random(f"{reading.name}/{seed}")  # noqa: S311 - a simulation
        count = setting.nodes
        self._malicious = set(self._chance.sample(range(count), count * setting.malicious_percent // 100))
        self._amount = [self._chance.random() for _ in range(count)]
        self._reputation = [1.0] * count  # nobody has a history yet
        self._barred: dict[int, int] = {}
        self._queue: list[int] = []
        self._false_blocks = 0
        self._honest_barred = 0

    def run(self) -> History:
        """All rounds."""
        shares = []
        for number in range(self._setting.rounds):
            self._release(number)
            self._elect(number)
            queue = self._queue
            wrong = [node for node in queue if node in self._malicious]
            shares.append(len(wrong) / len(queue) if queue else 1.0)
            self._produce(number, is_wrong_right=2 * len(wrong) > len(queue))
            self._live_on(queue)
        return History(
            shares=tuple(shares), false_blocks=self._false_blocks, honest_barred=self._honest_barred
        )

    def _release(self, now: int) -> None:
        for node in [node for node, until in self._barred.items() if until <= now]:
            del self._barred[node]
            if self._reading.reforms:
                self._malicious.discard(node)

    def _ranked(self) -> list[int]:
        """Everybody who may be elected, best score first."""
        alpha = self._setting.alpha
        free = [node for node in range(self._setting.nodes) if node not in self._barred]
        return sorted(
            free,
            key=lambda node: alpha * self._reputation[node] + (1 - alpha) * self._amount[node],
            reverse=True,
        )

    def _elect(self, now: int) -> None:
        reading, seats = self._reading, self._setting.delegates
        if not now or reading.electing is Electing.EVERY_ROUND or not self._queue:
            self._queue = self._ranked()[:seats]
        elif reading.refills:
            sitting = set(self._queue)
            newcomers = [node for node in self._ranked() if node not in sitting]
            self._queue = self._queue + newcomers[: seats - len(self._queue)]
        else:
            self._queue = list(self._queue)

    def _produce(self, now: int, *, is_wrong_right: bool) -> None:
        """Let delegates try until one has the majority's hash; bar those who have not."""
        self._false_blocks += is_wrong_right
        queue = list(self._queue)
        if self._reading.electing is Electing.NEVER:
            return
        for producer in tuple(queue):
            queue.remove(producer)
            if (producer in self._malicious) == is_wrong_right:
                break
            self._bar(producer, now)
        if self._reading.bars_voters:
            for node in tuple(queue):
                if (node in self._malicious) != is_wrong_right:
                    queue.remove(node)
                    self._bar(node, now)
        self._queue = queue

    def _bar(self, node: int, now: int) -> None:
        self._barred[node] = now + 1 + self._setting.barred_rounds
        self._honest_barred += node not in self._malicious

    def _live_on(self, delegates: list[int]) -> None:
        """Some turn malicious, and everybody's reputation is what it did in this round."""
        nodes = range(self._setting.nodes) if self._reading.turning is Turning.EVERYBODY else delegates
        for node in nodes:
            if node not in self._malicious and self._chance.randrange(100) < self._setting.turn_percent:
                self._malicious.add(node)
        for node in range(self._setting.nodes):
            low = 0.5 if node in self._malicious else 0.9
            self._reputation[node] = low + (1 - low) * self._chance.random()
