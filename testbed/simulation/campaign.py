"""Campaigns: many seeded days of a small grid with things going wrong, each judged by what must never happen.

Safety: honest miners hold one chain and never contradict themselves; energy and money are conserved; no meter halts
or refuses what a quorum signed; a fresh verifier accepts every block. Liveness: once the faults are over, every
interval of the day becomes final, and every meter follows. Justice: nobody is accused, or convicted, who did not play
false. A failing seed is all that is needed to see the failure again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import Conviction
from light_client.rules.ledger.evidence import Contradiction, UnsoundClearing
from light_client.rules.ledger.state import check_state_conserves
from testbed.adversaries.troupe import Troupe
from testbed.cast import Cast
from testbed.dso.operator import OperatorParams
from testbed.miner.params import MinerParams
from testbed.scenarios import catalogue
from testbed.scenarios.files import ScenarioFile
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.recheck import recheck
from testbed.simulation.schedule import draw
from testbed.simulation.watch import SignatureWatch

_SHOWN = 100
"""Characters of a report's value that a complaint shows."""
_JOBS_AT_ONCE = 4
"""Seeds that a worker is handed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one seed."""

    seed: int
    safety: tuple[str, ...]
    """What must never happen and did; empty if nothing."""
    liveness: tuple[str, ...]
    """What should have come about and did not; empty if nothing."""
    accusations: tuple[str, ...]
    """Honest miners that were accused or convicted; empty if none."""
    finals: int
    traded_j: int
    crashes: int
    convictions: int
    """Members that were convicted, rightly."""
    parts: tuple[str, ...]
    """What the adversaries played."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.safety or self.liveness or self.accusations)

    @property
    def complaints(self) -> tuple[str, ...]:
        """All that is wrong."""
        return (*self.safety, *self.liveness, *self.accusations)


def run_seed(file: ScenarioFile, seed: int) -> Verdict:
    """Run one day with the mishaps of its seed and judge it."""
    cast = patient_cast(file, seed)
    schedule = draw(file.campaign, cast, seed)
    watch = watch_over(cast, schedule.troupe)
    day = run_day(cast, faults=schedule.faults, troupe=schedule.troupe, link=schedule.link, on_send=watch)
    faults = schedule.faults
    return judge(day, watch, seed=seed, crashes=len(faults.crashes) + len(faults.crashes_at_writes))


def patient_cast(file: ScenarioFile, seed: int) -> Cast:
    """The actors of a scenario, less talkative while nothing happens: a campaign pays for every message."""
    cast = cast_of(file, catalogue.build(file, seed=seed), seed)
    return replace(
        cast,
        warm_up_intervals=2,
        miner_params=MinerParams(batch_ms=120_000, heartbeat_ms=120_000),
        operator_params=OperatorParams(resend_ms=60_000),
    )


def watch_over(cast: Cast, troupe: Troupe) -> SignatureWatch:
    """Watches whoever is honest."""
    honest = zip(cast.miner_names, cast.miner_keys, strict=True)
    return SignatureWatch({name: key for name, key in honest if name not in troupe.hostile})


def judge(day: SimulatedDay, watch: SignatureWatch, *, seed: int, crashes: int) -> Verdict:
    """Hold a day that was run to everything that it must fulfil."""
    record = day.observed.record
    convicted = convictions_of(day)
    hostile = keys_of(day.cast, day.troupe.hostile)
    return Verdict(
        seed=seed,
        safety=(*broken_safety(day), *_contradictions(day, watch)),
        liveness=tuple(broken_liveness(day)),
        accusations=tuple(false_accusations(day)),
        finals=record.finals.total(),
        traded_j=sum(energy_j or 0 for energy_j in record.traded_j()),
        crashes=crashes,
        convictions=len(convicted.keys() & hostile.keys()),
        parts=tuple(part.kind.value for part in day.troupe.parts),
    )


def keys_of(cast: Cast, names: Iterable[str]) -> dict[bytes, str]:
    """Public key -> name, of those among ``names`` that are miners."""
    wanted = set(names)
    miners = zip(cast.miner_names, cast.miner_keys, strict=True)
    return {key: name for name, key in miners if name in wanted}


def _contradictions(day: SimulatedDay, watch: SignatureWatch) -> list[str]:
    longest = max(day.miners, key=lambda miner: miner.ledger.height, default=None)
    return [] if longest is None else watch.contradictions(longest.ledger.committee_at)


def convictions_of(day: SimulatedDay) -> dict[bytes, Conviction]:
    """Everybody whom the state of an honest miner shows as convicted."""
    return {
        conviction.public_key: conviction
        for miner in day.miners
        for conviction in miner.ledger.state.accountability.convictions
    }


def false_accusations(day: SimulatedDay) -> Iterator[str]:
    """Honest miners that an honest one accuses, or that a block has convicted."""
    honest = keys_of(day.cast, set(day.cast.miner_names) - day.troupe.hostile)
    for public_key, conviction in convictions_of(day).items():
        if public_key in honest:
            yield f"{honest[public_key]} is convicted of {conviction.fault.name} at {conviction.fault_height}"
    for seen in day.observed.notable:
        if isinstance(seen.value, Contradiction | UnsoundClearing) and seen.node not in day.troupe.hostile:
            accused = honest.get(seen.value.public_key)
            if accused is not None:
                yield f"{seen.node} accuses {accused}"


def broken_safety(day: SimulatedDay) -> Iterator[str]:
    """What must never happen."""
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
        if seen.name in ("halted", "block-refused", "fork") and seen.node not in day.troupe.hostile:
            yield f"{seen.node} {seen.name}: {str(seen.value)[:_SHOWN]}"
    check = recheck(day.genesis, day.observed.record.blocks, day.observed.record.committees)
    if check.refused is not None:
        yield f"a fresh verifier refuses: {check.refused}"


def broken_liveness(day: SimulatedDay) -> Iterator[str]:
    """What should have come about."""
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
    file: ScenarioFile, seeds: Iterable[int], *, workers: int, progress: Callable[[Verdict], None]
) -> list[Verdict]:
    """Run many seeds, several at a time; the order of the results is that of the seeds."""
    verdicts = []
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for verdict in pool.map(_job, ((file, seed) for seed in seeds), chunksize=_JOBS_AT_ONCE):
            verdicts.append(verdict)
            progress(verdict)
    return verdicts
