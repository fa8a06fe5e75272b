"""Four miners in one process and in virtual time, each with its own account of CPU time.

The network costs nothing here and nothing waits for anything, so that what is counted is what the miners compute, on
any machine and under any load beside it. Virtual time passes as the miners' timers say, however long a call took: the
latencies are those of miners that keep up, and say how the timers are set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import thread_time_ns
from typing import Any

from light_client.session.actor import Effect, Event, PeerName, Storage
from testbed.bench.load.client import LoadClient, Pace
from testbed.bench.load.figures import Rate, rounded
from testbed.bench.load.workload import MINERS, Workload
from testbed.miner.miner import Miner
from testbed.network.faults import Link
from testbed.network.simulator import Simulator

CORES = 2
"""Of the machine that the aim is stated for."""
_LONGEST_MS = 600_000


class LoadError(Exception):
    """A run did not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    """What the miners spent."""

    rate: Rate
    """By virtual time."""
    miner_cpu_s: tuple[float, ...]
    """CPU seconds of each miner from the first offer to the last final."""
    bytes_per_offer: float
    """Bytes sent between all nodes for one offer."""

    @property
    def cpu_us_per_offer(self) -> float:
        """CPU of one miner for one offer, mean over the miners, microseconds."""
        return sum(self.miner_cpu_s) * 1e6 / (self.rate.offers * MINERS)

    @property
    def per_cpu_s(self) -> float:
        """Offers made final for one CPU second of all miners together."""
        return self.rate.offers / sum(self.miner_cpu_s)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        values = {
            "cpu_us_per_offer_and_miner": self.cpu_us_per_offer,
            "offers_per_cpu_s_of_all_miners": self.per_cpu_s,
            "at_most_per_s_on_two_cores": self.per_cpu_s * CORES,
            "bytes_per_offer": self.bytes_per_offer,
        }
        spent = [round(seconds, 3) for seconds in self.miner_cpu_s]
        return {**rounded(values), "miner_cpu_s": spent, "virtual_time": self.rate.document()}


@dataclass(slots=True, eq=False)
class Metered:
    """An actor whose calls are timed."""

    actor: Miner
    name: PeerName = field(init=False)
    cpu_ns: int = 0

    def __post_init__(self) -> None:
        self.name = self.actor.name

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """As the actor does."""
        started = thread_time_ns()
        effects = self.actor.handle(event, now_ms)
        self.cpu_ns += thread_time_ns() - started
        return effects


def measure_in_process(
    workload: Workload, pace: Pace, *, on_final: Callable[[int], None] = lambda _: None
) -> InProcess:
    """Run the workload until everything is final.

    Args:
        on_final: told after each block how many offers are final.

    Raises:
        LoadError: it did not become final.
    """
    simulator = Simulator(seed=1, start_ms=workload.start_ms, link=Link(min_delay_ms=1))
    simulator.on_report = lambda _: None
    miners: list[Metered] = []
    for seat, name in enumerate(workload.miner_names):

        def build(storage: Storage, seat: int = seat) -> Metered:
            miners.append(Metered(workload.miner(seat, storage)))
            return miners[-1]

        simulator.add(name, build)
    client = LoadClient(
        "load",
        workload.genesis,
        workload.miner_names,
        [signed.raw for signed in workload.grants()],
        workload.offers_raw(),
        pace,
    )
    simulator.add(client.name, lambda _: client)
    until_ms = workload.start_ms + _LONGEST_MS
    simulator.run(until_ms, lambda: bool(client.finals.under_way))
    before_ns = [miner.cpu_ns for miner in miners]
    before_bytes = simulator.counters.bytes_sent
    height = -1

    def ended() -> bool:
        nonlocal height
        if miners[0].actor.ledger.height != height:
            height = miners[0].actor.ledger.height
            on_final(client.finals.done)
        return client.finished

    simulator.run(until_ms, ended)
    if client.finals.done != workload.offers:
        raise LoadError(f"{workload.offers - client.finals.done} offers did not become final")
    spent_ns = [miner.cpu_ns - before for miner, before in zip(miners, before_ns, strict=True)]
    return InProcess(
        rate=client.finals.rate(),
        miner_cpu_s=tuple(spent / 1e9 for spent in spent_ns),
        bytes_per_offer=(simulator.counters.bytes_sent - before_bytes) / workload.offers,
    )
