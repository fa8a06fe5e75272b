"""What a hurried clock asks of the parameters: no patience may be shorter in real time than a machine needs.

Protocol time is virtual, work is not: at speed 600 a timeout of 1.5 s is over after 2.5 real ms, before anyone could
have answered. So each patience has a floor in real time, here and nowhere else. At speed 1 all of them are the usual
ones. The deadline for solutions is part of the genesis, so a hurried chain has a chain id of its own.
"""

from typing import Final, TypedDict

from firmware_app.trading.params import MeterParams
from light_client.rules.ledger.genesis import ChainParams
from testbed.dso.operator import OperatorParams
from testbed.live.patience import at_least as at_least_at
from testbed.live.patience import follow_params, meter_params
from testbed.miner.params import MinerParams, PoolLimits, Timeouts
from testbed.solver.params import SolverParams

SHORTEST_INTERVAL_MS: Final = 500
"""Least real time of an interval, ms: gate, solution and clearing are three rounds of work between processes."""


class Pace(TypedDict):
    """The parameters of a `Cast` that depend on the speed."""

    chain: ChainParams
    miner_params: MinerParams
    meter_params: MeterParams
    operator_params: OperatorParams
    solver_params: SolverParams


def highest_speed(interval_s: int) -> int:
    """The highest speed at which an interval still has the time that its work takes."""
    return max(1, interval_s * 1_000 // SHORTEST_INTERVAL_MS)


def pace(speed: int, interval_s: int) -> Pace:
    """Parameters for a clock that runs `speed` times faster than the machine's."""
    interval_ms = interval_s * 1_000

    def at_least(virtual_ms: int, real_ms: int) -> int:
        return at_least_at(virtual_ms, real_ms, speed)

    follow = follow_params(speed)
    return Pace(
        chain=ChainParams(solve_deadline_ms=min(at_least(60_000, 1_000), interval_ms * 3 // 4)),
        miner_params=MinerParams(
            batch_ms=min(at_least(600_000, 100), interval_ms * 2 // 3),
            last_call_ms=min(at_least(2_000, 100), interval_ms // 10),
            resend_ms=at_least(2_000, 400),
            sync_retry_ms=at_least(2_000, 400),
            heartbeat_ms=at_least(30_000, 1_000),
            pool=PoolLimits(parked_ms=at_least(600_000, 20_000)),
            timeouts=Timeouts(
                propose_ms=at_least(1_500, 300),
                vote_ms=at_least(500, 100),
                per_round_ms=at_least(500, 200),
                longest_ms=at_least(30_000, 2_000),
                status_ms=at_least(1_000, 200),
            ),
        ),
        meter_params=meter_params(speed, interval_s),
        operator_params=OperatorParams(
            batch_ms=at_least(5_000, 50), resend_ms=at_least(10_000, 500), follow=follow
        ),
        solver_params=SolverParams(resend_ms=at_least(5_000, 400), follow=follow),
    )
