"""What goes wrong in one run of a campaign: drawn from its seed, as far as the scenario file allows it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from light_client.session.actor import PeerName
from testbed.adversaries.disguise import Window
from testbed.adversaries.troupe import MINERS, OTHERS, RINGS, SPAMMER, Part, Troupe, troupe_of
from testbed.cast import DSO, Cast
from testbed.network.faults import Crash, CrashAtWrite, Faults, Link, Moment, random_faults
from testbed.scenarios.faults import CampaignRule, FaultKind

_DISTURBED_PERCENT = (10, 65)
"""Crashes, partitions and eclipses begin and end within this part of a run."""
_WRITES = 40
"""A crash at a write takes one of so many first writes of a node."""
_LONGEST_DOWN_MS = 120_000
_BUSY_MS = 3_000
_SHORT_DOWN_MS = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything that goes wrong in one run."""

    faults: Faults
    troupe: Troupe
    link: Link


def draw(rule: CampaignRule, cast: Cast, seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = Random(f"{seed}/mishaps")  # noqa: S311 - a simulation wants repeatable chance
    length_ms = cast.end_ms - cast.start_ms
    disturbed = Window(
        from_ms=cast.start_ms + length_ms * _DISTURBED_PERCENT[0] // 100,
        to_ms=cast.start_ms + length_ms * _DISTURBED_PERCENT[1] // 100,
    )
    troupe = troupe_of(_parts(rule, cast, disturbed, rng), cast)
    tier = [name for name in (*cast.miner_names, *cast.solver_names) if name not in troupe.hostile]
    faults = random_faults(
        rng,
        tier,
        from_ms=disturbed.from_ms,
        to_ms=disturbed.to_ms,
        crashes=rng.randrange(rule.crashes + 1),
        partitions=rng.randrange(rule.partitions + 1),
    )
    everybody = (*cast.miner_names, *cast.solver_names, DSO, *cast.meter_names)
    faults = Faults(
        crashes=(*faults.crashes, *_when_busy(rule, cast, tier, disturbed, rng)),
        partitions=faults.partitions,
        crashes_at_writes=tuple(_at_writes(rule, tier, rng)),
        skew_ms={name: rng.randrange(-rule.skew_ms, rule.skew_ms + 1) for name in everybody},
    )
    return Schedule(faults=faults, troupe=troupe, link=weather(rule, seed))


def weather(rule: CampaignRule, seed: int) -> Link:
    """The quality of all links in one run: from perfect to slow, lossy, repeating and out of order."""
    rng = Random(f"{seed}/weather")  # noqa: S311 - a simulation wants repeatable chance
    return Link(
        min_delay_ms=1 + rng.randrange(50),
        jitter_ms=rng.choice((0, 20, 200, 800)),
        loss_ppm=rng.choice((0, 5_000, rule.loss_percent * 10_000)),
        duplicate_ppm=rng.choice((0, 10_000, 50_000)),
        ordered=rng.random() < 0.3,
    )


def _when_busy(
    rule: CampaignRule, cast: Cast, nodes: list[PeerName], disturbed: Window, rng: Random
) -> list[Crash]:
    """Short crashes of miners in the seconds after a gate has closed, when every one of them is voting."""
    miners = [name for name in nodes if name in cast.miner_names]
    scenario, genesis = cast.scenario, cast.genesis
    gates_ms = [
        gate_ms
        for interval in range(scenario.first_interval, scenario.last_interval + 1)
        if disturbed.holds(gate_ms := genesis.gate_ms(interval))
    ]
    return [
        Crash(
            node=rng.choice(miners),
            at_ms=rng.choice(gates_ms) + rng.randrange(_BUSY_MS),
            down_ms=1 + rng.randrange(_SHORT_DOWN_MS),
            moment=rng.choice(list(Moment)),
        )
        for _ in range(rng.randrange(rule.crashes_when_busy + 1) if gates_ms else 0)
    ]


def _at_writes(rule: CampaignRule, nodes: list[PeerName], rng: Random) -> list[CrashAtWrite]:
    moments = [moment for moment in Moment if moment is not Moment.BETWEEN_CALLS]
    return [
        CrashAtWrite(
            node=rng.choice(nodes),
            number=1 + rng.randrange(_WRITES),
            moment=rng.choice(moments),
            down_ms=1 + rng.randrange(_LONGEST_DOWN_MS),
        )
        for _ in range(rng.randrange(rule.crashes_at_writes + 1))
    ]


def _parts(rule: CampaignRule, cast: Cast, disturbed: Window, rng: Random) -> list[Part]:
    """Who plays what; miners to the end, since up to f of them must not matter."""
    whole = Window(from_ms=cast.start_ms, to_ms=cast.end_ms + 1)
    kinds = [kind for kind in rule.parts if kind in MINERS]
    count = rng.randrange(rule.hostile_miners + 1) if kinds else 0
    seats = rng.sample(cast.miner_names, count)
    drawn = [rng.choice(kinds) for _ in seats]
    if drawn and drawn[0] in RINGS:
        drawn = [drawn[0]] * len(drawn)
    parts = [Part(kind=kind, name=name, window=whole) for kind, name in zip(drawn, seats, strict=True)]
    for kind in rule.parts:
        if kind in OTHERS and rng.randrange(3) == 0:
            window = _eclipse(disturbed, rng) if kind is FaultKind.METER_ECLIPSED else whole
            parts.append(Part(kind=kind, name=rng.choice(_players(kind, cast)), window=window))
    return parts


def _eclipse(disturbed: Window, rng: Random) -> Window:
    """A fifth of the disturbed time: nothing that a meter misses then may matter later."""
    fifth_ms = (disturbed.to_ms - disturbed.from_ms) // 5
    from_ms = disturbed.from_ms + rng.randrange(4 * fifth_ms)
    return Window(from_ms=from_ms, to_ms=from_ms + fifth_ms)


def _players(kind: FaultKind, cast: Cast) -> tuple[PeerName, ...]:
    return {
        FaultKind.SOLVER_LIES: cast.solver_names,
        FaultKind.METER_ECLIPSED: tuple(cast.meter_names),
        FaultKind.DSO_GRANTS_TWICE: (DSO,),
        FaultKind.DSO_GRANTS_MORE: (DSO,),
        FaultKind.SPAM: (SPAMMER,),
    }[kind]
