"""Campaigns: many seeded days of a small grid with things going wrong, each judged by what must never happen.

Safety: honest miners hold one chain; energy and money are conserved; no meter halts or refuses what a quorum
signed; a fresh verifier accepts every block. Liveness: once the faults are over, every interval of the day becomes
final. A failing seed is all that is needed to see the failure again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from random import Random

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.state import check_state_conserves
from testbed.cast import Cast
from testbed.network.faults import Faults, Link, random_faults
from testbed.scenarios import catalogue
from testbed.scenarios.files import ScenarioFile
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.recheck import recheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one seed."""

    seed: int
    safety: tuple[str, ...]
    """What must never happen and did; empty if nothing."""
    liveness: tuple[str, ...]
    """What should have come about and did not; empty if nothing."""
    finals: int
    traded_j: int
    crashes: int

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.safety and not self.liveness


def weather(seed: int) -> Link:
    """The quality of all links in one run: from perfect to slow, lossy, repeating and out of order."""
    rng = Random(f"{seed}/weather")  # noqa: S311 - a simulation wants repeatable chance
    return Link(
        min_delay_ms=1 + rng.randrange(50),
        jitter_ms=rng.choice((0, 20, 200, 800)),
        loss_ppm=rng.choice((0, 5_000, 30_000)),
        duplicate_ppm=rng.choice((0, 10_000, 50_000)),
        ordered=rng.random() < 0.3,
    )


def mishaps(cast: Cast, seed: int) -> Faults:
    """Crashes of miners and solvers, one at a time, over by the evening: never more than f miners at once."""
    rng = Random(f"{seed}/mishaps")  # noqa: S311 - a simulation wants repeatable chance
    length_ms = cast.scenario.interval_s * 1_000
    from_ms = cast.start_ms + 30 * length_ms
    to_ms = cast.start_ms + 75 * length_ms
    nodes = (*cast.miner_names, *cast.solver_names)
    return random_faults(
        rng, nodes, from_ms=from_ms, to_ms=to_ms, crashes=rng.randrange(1, 5), partitions=rng.randrange(2)
    )


def run_seed(file: ScenarioFile, seed: int) -> Verdict:
    """Run one day with the mishaps of its seed and judge it."""
    scenario = catalogue.build(file, seed=seed)
    cast = cast_of(file, scenario, seed)
    faults = mishaps(cast, seed)
    day = run_day(cast, faults=faults, link=weather(seed))
    finals = day.observed.record.finals.total()
    return Verdict(
        seed=seed,
        safety=tuple(_broken_safety(day)),
        liveness=tuple(_broken_liveness(day)),
        finals=finals,
        traded_j=sum(energy_j or 0 for energy_j in day.observed.record.traded_j()),
        crashes=len(faults.crashes),
    )


def _broken_safety(day: SimulatedDay) -> Iterator[str]:
    longest = max(day.miners, key=lambda miner: miner.ledger.height, default=None)
    for miner in day.miners:
        height = miner.ledger.height
        if longest is not None and miner.ledger.history.root(height) != longest.ledger.history.root(height):
            yield f"{miner.name} and {longest.name} hold different chains"
    for miner in day.miners:
        try:
            check_state_conserves(miner.ledger.state)
        except RuleViolation as broken:
            yield f"{miner.name}: {broken}"
    for seen in day.observed.notable:
        if seen.name in ("halted", "block-refused"):
            yield f"{seen.node} {seen.name}: {seen.value}"
    check = recheck(day.genesis, day.observed.record.blocks, day.observed.record.committees)
    if check.refused is not None:
        yield f"a fresh verifier refuses: {check.refused}"


def _broken_liveness(day: SimulatedDay) -> Iterator[str]:
    finals, wanted = day.observed.record.finals.total(), day.cast.scenario.intervals
    if finals < wanted:
        yield f"{finals} of {wanted} intervals became final"
    height = max((miner.ledger.tip.height for miner in day.miners), default=0)
    for meter in day.meters:
        if meter.client.belief.replica.height < height - 3:
            yield f"{meter.name} is at height {meter.client.belief.replica.height} of {height}"


def _job(arguments: tuple[ScenarioFile, int]) -> Verdict:
    return run_seed(*arguments)


def run_campaign(
    file: ScenarioFile, seeds: range, *, workers: int, progress: Callable[[Verdict], None]
) -> list[Verdict]:
    """Run many seeds, several at a time; the order of the results is that of the seeds."""
    verdicts = []
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for verdict in pool.map(_job, ((file, seed) for seed in seeds)):
            verdicts.append(verdict)
            progress(verdict)
    return verdicts
