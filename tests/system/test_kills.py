"""Real processes, killed at random moments: a sample of `gridlight-testbed up --kills 200`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from light_client.session.actor import Write
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from testbed.live.aftermath import Aftermath, acknowledged, aftermath, aftermath_lines, chain_on_disk
from testbed.live.deployment import Deployment, deploy
from testbed.live.killing import Killer
from testbed.live.staging import Staging
from testbed.live.up import Outcome, Running, State, run
from testbed.live.watching import View
from testbed.scenarios import catalogue

pytestmark = pytest.mark.slow

KILLS = 6
INTERVALS = 8


class Quiet:
    """Shows nothing."""

    def starting(self, ready: int, total: int) -> None:
        """Nothing to show."""

    def begun(self, running: Running) -> None:
        """Nothing to show."""

    def progress(self, running: Running, view: View) -> None:
        """Nothing to show."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, Outcome, Killer]:
    """The run, made once for all tests of this file."""
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=1,
        skip=44,
        intervals=INTERVALS,
        miners=4,
        solvers=1,
        speed=450,
    )
    deployment = deploy(
        tmp_path_factory.mktemp("kills"), catalogue.find("village"), staging, meters_per_process=6
    )
    killer = Killer(show=Quiet(), kills=KILLS, chance=Random(7))
    return deployment, asyncio.run(run(deployment, killer)), killer


def test_everything_that_was_killed_came_back_and_the_day_became_final(
    killed: tuple[Deployment, Outcome, Killer],
) -> None:
    deployment, outcome, killer = killed
    assert len(killer.killed) == KILLS
    assert set(killer.killed) <= {node.name for node in deployment.nodes}
    assert outcome.state is State.ENDED
    assert outcome.summary.failures == ()
    assert outcome.summary.final == INTERVALS
    assert sum(outcome.summary.restarts.values()) >= KILLS


def test_nothing_acknowledged_is_lost_nothing_contradicted_and_the_state_is_that_of_a_clean_replay(
    killed: tuple[Deployment, Outcome, Killer],
) -> None:
    deployment, _, _ = killed
    found = aftermath(deployment)
    assert found.failures() == ()
    assert found.acknowledged > 0
    chain = chain_on_disk(deployment, "miner-0")
    assert found.height >= len(chain) > 0
    longest = max((chain_on_disk(deployment, name) for name in deployment.cast.miner_names), key=len)
    assert found.state_root == longest[-1].header.state_root.hex()
    assert "0 lost" in aftermath_lines(found, KILLS)[1]


def test_a_disk_that_lost_a_block_would_be_seen(killed: tuple[Deployment, Outcome, Killer]) -> None:
    """Take the last block from every miner's disk, and restore it afterwards."""
    deployment, _, _ = killed
    cut: list[tuple[str, bytes, bytes]] = []
    for name in deployment.cast.miner_names:
        with SqliteStorage(deployment.folder / "nodes" / f"{name}.sqlite") as store:
            compartment = Compartment(store, name)
            key, value = list(compartment.scan("block"))[-1]
            store.commit([compartment.owned(Write(table="block", key=key, value=None))])
            cut.append((name, key, value))
    found = aftermath(deployment)
    for name, key, value in cut:
        with SqliteStorage(deployment.folder / "nodes" / f"{name}.sqlite") as store:
            store.commit([Compartment(store, name).owned(Write(table="block", key=key, value=value))])
    assert found.forgotten


def test_each_kind_of_loss_is_named() -> None:
    clean = Aftermath(
        height=1,
        acknowledged=1,
        expired=0,
        refused={},
        pending=0,
        lost=(),
        contradictions=(),
        forgotten=(),
        state_root="00",
        wrong_roots=(),
    )
    assert clean.failures() == ()
    for broken in (
        replace(clean, lost=("x",)),
        replace(clean, contradictions=("x",)),
        replace(clean, forgotten=("x",)),
        replace(clean, wrong_roots=("x",)),
    ):
        assert len(broken.failures()) == 1


def test_a_report_cut_off_by_a_kill_is_left_out(
    killed: tuple[Deployment, Outcome, Killer], tmp_path: Path
) -> None:
    deployment, _, _ = killed
    whole = sorted(acknowledged(deployment))
    meters = next(node for node in deployment.nodes if node.name.startswith("meters"))
    with meters.reports.open("a", encoding="utf-8") as out:
        out.write('{"time_ms": 1, "actor": "meter-0101", "name": "tx-ta')
    assert sorted(acknowledged(deployment)) == whole
