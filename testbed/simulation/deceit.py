"""Meters among hostile servers: some miners deceive those who follow them, and the meters tell what they make of it.

Miners, solvers and the DSO are told the truth, so that the chain goes on; only meters are deceived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

from firmware_app.device.device import Device
from firmware_app.trading.meter import TradingMeter
from light_client.client.status import Standing
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger.transactions import decode_transaction
from light_client.session.actor import Actor, PeerName, Storage
from testbed.adversaries.disguise import Window
from testbed.adversaries.fork_server import ForkingServer
from testbed.adversaries.servers import DISGUISES
from testbed.cast import DSO, Cast
from testbed.miner.miner import Miner
from testbed.network.simulator import Simulator
from testbed.simulation.day import METER_LINK, TIER_LINK

FORKS: Final = "forks"
WAYS: Final = (*DISGUISES, FORKS)
"""How a server may deceive."""
_SHARED_READS: Final = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one meter ended up with."""

    meter: PeerName
    status: dict[str, Any]
    on_the_chain: bool
    """Whether the header that it trusts is one of the honest miners' chain."""
    halted: bool
    """Whether it stopped trading, with evidence."""

    @property
    def fooled(self) -> bool:
        """Whether it believes something false and goes on trading."""
        return not self.on_the_chain and not self.halted

    def document(self) -> dict[str, Any]:
        """For JSON."""
        told = {"meter": self.meter, "fooled": self.fooled, "on_the_chain": self.on_the_chain}
        return {**told, **self.status}


def deceive(
    cast: Cast, way: str, *, servers: int, from_ms: int, progress: Callable[[], None] | None = None
) -> tuple[Outcome, ...]:
    """Run a scenario in which the first so many miners deceive meters from a moment on.

    Args:
        way: one of ``WAYS``.
        servers: how many of the miners deceive; at least one more is honest.
        from_ms: when they begin, UTC ms.
        progress: called once for each interval of virtual time.
    """
    cast = replace(cast, read=lru_cache(maxsize=_SHARED_READS)(decode_transaction))
    simulator = Simulator(seed=cast.seed, start_ms=cast.start_ms, link=TIER_LINK)
    window = Window(from_ms=from_ms, to_ms=cast.end_ms + 1)
    for number, name in enumerate(cast.miner_names):
        build = partial(cast.miner, name)
        simulator.add(name, _dressed(cast, build, way, window, number) if number < servers else build)
    for name in cast.solver_names:
        simulator.add(name, partial(cast.solver, name))
    simulator.add(DSO, cast.operator)
    for name in cast.meter_names:
        simulator.add(name, partial(cast.meter, name))
        for other in (*cast.miner_names, DSO):
            simulator.set_link(name, other, METER_LINK)
            simulator.set_link(other, name, METER_LINK)
    length_ms = cast.scenario.interval_s * 1_000
    for now_ms in range(cast.start_ms + length_ms, cast.end_ms + length_ms, length_ms):
        simulator.run(now_ms)
        if progress is not None:
            progress()
    honest = simulator.actor(cast.miner_names[-1])
    devices = [simulator.actor(name) for name in cast.meter_names]
    return tuple(_outcome(device.trader, honest) for device in devices if isinstance(device, Device))


def _dressed(
    cast: Cast, build: Callable[[Storage], Miner], way: str, window: Window, number: int
) -> Callable[[Storage], Actor]:
    told_the_truth = (*cast.miner_names, *cast.solver_names, DSO)
    secrets = [cast.secret("miner", seat) for seat in range(cast.miners)]
    keys = {public_key_of(secret): secret for secret in secrets}

    def sign_for(public_key: bytes, message: bytes) -> bytes:
        return sign(keys[public_key], message)

    def dressed(storage: Storage) -> Actor:
        inner = build(storage)
        if way == FORKS:
            return ForkingServer(inner, inner.ledger, window, told_the_truth, sign_for)
        return DISGUISES[way](inner, window, told_the_truth, cast.chance("hostile server", number))

    return dressed


def _outcome(meter: TradingMeter, honest: Actor | None) -> Outcome:
    trusted = meter.client.belief.trusted
    block = honest.ledger.store.block(trusted.height) if isinstance(honest, Miner) else None
    true_hash = None if block is None else block.header.hash()
    return Outcome(
        meter=meter.name,
        status=meter.client.status().to_document(),
        on_the_chain=trusted.height == 0 or trusted.header_hash == true_hash,
        halted=meter.client.standing is Standing.HALTED,
    )
