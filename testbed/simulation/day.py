"""Runs a scenario in virtual time and hands over its trading day.

Everybody lives in one process here, so they share one thing that a hundred boards and each miner would do for
themselves: the same bytes of a transaction are turned into the same frozen values once. Every check (signatures,
roots, quorums, feasibility, bounds, shares, money, balances) is made by every meter, and by every miner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from time import perf_counter
from typing import TYPE_CHECKING

from firmware_app.device.device import Device
from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.trading.meter import TradingMeter
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import decode_transaction
from light_client.rules.market.params import MarketParams
from light_client.session.actor import Actor, PeerName, Send
from testbed.adversaries.eclipse import Eclipse
from testbed.adversaries.troupe import NOBODY, Troupe
from testbed.cast import DSO, Cast
from testbed.dso.operator import FollowedBlock, Operator
from testbed.miner.miner import Miner
from testbed.network.faults import NO_FAULTS, Faults, Link
from testbed.network.simulator import Build, Seen, Simulator
from testbed.scenarios.files import ScenarioFile
from testbed.scenarios.model import Scenario
from testbed.simulation.record import DayRecord

if TYPE_CHECKING:
    from testbed.fleet.metered_home import MeteredHome

_SHARED_READS = 1 << 14
METER_LINK = Link(min_delay_ms=20, jitter_ms=30)
"""A meter's way to the tier, as over a mobile network."""
TIER_LINK = Link(min_delay_ms=2, jitter_ms=5)


@dataclass(slots=True)
class Observed:
    """What happened, besides what is in the blocks."""

    record: DayRecord
    latencies_ms: list[int] = field(default_factory=list)
    """Offer sent to trade final."""
    notable: list[Seen] = field(default_factory=list)
    """Everything that somebody may have to look into."""


def _nothing_granted(home_id: int) -> tuple[FinalTrade, ...]:
    """What a DSO that plays false is believed to have granted."""
    del home_id
    return ()


@dataclass(frozen=True, kw_only=True)
class SimulatedDay:
    """A day that has been run."""

    cast: Cast
    troupe: Troupe
    observed: Observed
    meters: tuple[TradingMeter, ...]
    miners: tuple[Miner, ...]
    """Those that are honest, and up at the end."""
    wall_s: float
    homes: Mapping[int, MeteredHome] = field(default_factory=dict)
    """Home -> its electricity meter, read to the end; empty where homes go by their plan."""
    granted: Callable[[int], tuple[FinalTrade, ...]] = _nothing_granted
    """Home -> the trades of the addresses that the DSO granted it, as the DSO saw them."""

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        return self.cast.genesis


def cast_of(file: ScenarioFile, scenario: Scenario, seed: int) -> Cast:
    """The actors that a scenario file asks for."""
    market = MarketParams(
        interval_s=scenario.interval_s,
        t_clear=file.window.t_clear,
        horizon=file.window.horizon,
        uniform_price_uc_per_kwh=file.prices.uniform_uc_per_kwh,
        mechanism=file.mechanism.params(),
    )
    return Cast(
        scenario=scenario,
        seed=seed,
        market=market,
        miners=file.tier.miners,
        solvers=file.tier.solvers,
        candidates=file.tier.candidates,
        epoch_blocks=file.tier.epoch_blocks,
        meters=file.meters,
    )


def run_day(
    cast: Cast,
    *,
    faults: Faults = NO_FAULTS,
    troupe: Troupe = NOBODY,
    link: Link | None = None,
    on_send: Callable[[PeerName, Send], None] | None = None,
    progress: Callable[[int, DayRecord], None] | None = None,
) -> SimulatedDay:
    """Run a scenario from the interval before its day to the end of its day.

    Args:
        troupe: who plays false.
        link: quality of all links instead of the usual ones.
        on_send: sees every message that leaves a node.
        progress: called once per interval of virtual time with the number of intervals that have passed.
    """
    began = perf_counter()
    cast = replace(cast, read=lru_cache(maxsize=_SHARED_READS)(decode_transaction))
    if cast.homes is None:
        cast = cast.metered()
    observed = Observed(record=DayRecord(scenario=cast.scenario))
    simulator = Simulator(seed=cast.seed, start_ms=cast.start_ms, link=link or TIER_LINK, faults=faults)
    simulator.on_report = partial(_observe, observed)
    simulator.on_send = on_send
    _populate(simulator, cast, troupe)
    if link is None:
        _slow_meters(simulator, cast)
    length_ms = cast.scenario.interval_s * 1_000
    passed = 0
    now_ms = cast.start_ms
    while now_ms < cast.end_ms:
        now_ms = min(now_ms + length_ms, cast.end_ms)
        simulator.run(now_ms)
        passed += 1
        if progress is not None:
            progress(passed, observed.record)
    devices = [_honest(simulator.actor(name)) for name in cast.meter_names]
    miners = [_honest(simulator.actor(name)) for name in cast.miner_names]
    operator = simulator.actor(DSO)
    return SimulatedDay(
        cast=cast,
        troupe=troupe,
        observed=observed,
        meters=tuple(device.trader for device in devices if isinstance(device, Device)),
        miners=tuple(miner for miner in miners if isinstance(miner, Miner)),
        wall_s=perf_counter() - began,
        homes={} if cast.homes is None else cast.homes.finish(),
        granted=operator.trades.of if isinstance(operator, Operator) else _nothing_granted,
    )


def _populate(simulator: Simulator, cast: Cast, troupe: Troupe) -> None:
    builders: dict[PeerName, Build] = {name: partial(cast.miner, name) for name in cast.miner_names}
    builders |= {name: partial(cast.solver, name) for name in cast.solver_names}
    builders |= {DSO: cast.operator}
    builders |= {name: partial(cast.meter, name) for name in cast.meter_names}
    for name, build in builders.items():
        simulator.add(name, troupe.dressed(name, build))
    for name, stranger in troupe.strangers.items():
        simulator.add(name, lambda _, stranger=stranger: stranger())  # type: ignore[misc]


def _honest(actor: Actor | None) -> Actor | None:
    """An eclipsed meter is honest inside; everybody else in a disguise is not."""
    return actor.inner if isinstance(actor, Eclipse) else actor


def _slow_meters(simulator: Simulator, cast: Cast) -> None:
    for name in cast.meter_names:
        for other in (*cast.miner_names, DSO):
            simulator.set_link(name, other, METER_LINK)
            simulator.set_link(other, name, METER_LINK)


_QUIET = {"solved", "tx-refused", "tx-taken"}
"""Reports of ordinary work that nobody counts here."""


def _observe(observed: Observed, seen: Seen) -> None:
    match seen.value:
        case FollowedBlock() as block:
            observed.record.take(block)
        case int() as latency_ms if seen.name == "offer-to-final-ms":
            observed.latencies_ms.append(latency_ms)
        case _ if seen.name not in _QUIET:
            observed.notable.append(seen)
