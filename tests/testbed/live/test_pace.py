"""A faster clock leaves every patience at least the real time that a machine needs, and at speed 1 changes nothing."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from testbed.cast import Cast
from testbed.live.pace import highest_speed, pace
from testbed.miner.params import MinerParams
from testbed.miner.serving import SUBSCRIPTION_MS
from testbed.scenarios import catalogue
from testbed.simulation.day import cast_of


def _usual() -> Cast:
    file = catalogue.find("village")
    return cast_of(file, catalogue.build(file), 1)


def test_at_the_speed_of_real_clocks_everything_is_as_in_the_simulation() -> None:
    usual, paced = _usual(), pace(1, 900)
    assert paced["chain"] == usual.chain
    assert paced["miner_params"] == usual.miner_params
    assert paced["meter_params"] == usual.meter_params
    assert paced["operator_params"] == usual.operator_params
    assert paced["solver_params"] == usual.solver_params


@given(st.integers(1, highest_speed(900)))
def test_no_patience_is_shorter_than_tens_of_real_milliseconds(speed: int) -> None:
    paced = pace(speed, 900)
    miner, meter, solver = paced["miner_params"], paced["meter_params"], paced["solver_params"]
    assert min(miner.timeouts.propose_ms, miner.resend_ms, miner.sync_retry_ms) / speed >= 300
    assert min(meter.client.follow.retry_ms, meter.resend_ms, solver.resend_ms) / speed >= 400
    assert miner.timeouts.vote_ms / speed >= 100
    assert miner.pool.parked_ms / speed >= 20_000, "longer than miners take to come back and catch up"
    assert miner.timeouts.longest_ms >= miner.timeouts.propose_ms
    assert paced["chain"].solve_deadline_ms / speed >= 500 * 3 / 4


@given(st.integers(1, highest_speed(900)))
def test_what_belongs_to_an_interval_stays_within_it(speed: int) -> None:
    paced = pace(speed, 900)
    assert paced["chain"].solve_deadline_ms < 900_000
    assert paced["miner_params"].batch_ms < 900_000
    assert paced["meter_params"].quiet_ms < 900_000
    assert paced["meter_params"].client.follow.poll_ms < SUBSCRIPTION_MS, (
        "a subscription is renewed before it ends"
    )


def test_the_floors_are_needed() -> None:
    """The usual patience of a miner would be over before two processes could have exchanged a message."""
    speed = 600
    assert MinerParams().timeouts.vote_ms / speed < 1
    assert asdict(pace(speed, 900)["miner_params"].timeouts) != asdict(MinerParams().timeouts)
