"""The published committee simulation: what is known exactly, and that each switch does what it says."""

from dataclasses import replace
from statistics import mean

import pytest

from testbed.experiments.dpos import PLAIN, READINGS, Network, Reading, Setting
from testbed.experiments.evidence_dpos import run_with_evidence

RUNS = 60
WRITTEN, _, VOTERS, REFORMED = READINGS


def share_at(reading: Reading, number: int, setting: Setting | None = None) -> float:
    return mean(Network(setting or Setting(), reading, seed).run().shares[number - 1] for seed in range(RUNS))


@pytest.mark.parametrize("number", [1, 8, 24])
@pytest.mark.parametrize("percent", [0, 20])
def test_plain_dpos_follows_its_formula(number: int, percent: int) -> None:
    expected = 1 - (1 - percent / 100) * 0.9 ** (number - 1)
    assert share_at(PLAIN, number, Setting(malicious_percent=percent)) == pytest.approx(expected, abs=0.03)


def test_nobody_turns_where_nobody_may() -> None:
    setting = Setting(turn_percent=0, malicious_percent=0)
    history = Network(setting, WRITTEN, 1).run()
    assert set(history.shares) == {0.0}
    assert (history.false_blocks, history.honest_barred) == (0, 0)


def test_as_written_the_malicious_take_over_and_bar_the_honest() -> None:
    histories = [Network(Setting(), WRITTEN, seed).run() for seed in range(RUNS)]
    assert all(max(history.shares) > 0.5 for history in histories)
    assert all(history.false_blocks for history in histories)
    assert sum(history.honest_barred for history in histories) > RUNS


def test_each_repair_is_needed() -> None:
    whole = share_at(REFORMED, 24)
    assert whole < 0.2
    assert share_at(replace(REFORMED, reforms=False), 24) > whole + 0.3
    assert share_at(replace(REFORMED, bars_voters=False), 24) > whole + 0.1
    assert share_at(VOTERS, 24) > whole


def test_evidence_keeps_the_malicious_out_while_there_are_honest_candidates() -> None:
    histories = [run_with_evidence(Setting(rounds=12), seed, replaced=True) for seed in range(4)]
    assert all(max(history.shares) < 0.5 and not history.overrun for history in histories)


def test_with_a_third_of_the_seats_malice_stops_the_chain() -> None:
    history = run_with_evidence(Setting(malicious_percent=60, turn_percent=0, rounds=5), 1)
    assert history.stalled == 5
    assert len(set(history.shares)) == 1, "without a block nobody is convicted and nobody elected"
