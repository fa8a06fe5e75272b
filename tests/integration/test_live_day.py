"""A part of a day between real processes: a miner is killed, comes back, catches up; everybody has one chain."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest

from light_client.messages.chain import CertifiedBlock
from light_client.rules.ledger.events import Cleared
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from testbed.cast import DSO
from testbed.live.deployment import Deployment, deploy
from testbed.live.staging import Staging
from testbed.live.up import Outcome, Running, State, run
from testbed.live.watching import View
from testbed.miner.store import BlockStore
from testbed.scenarios import catalogue
from testbed.simulation.recheck import recheck

pytestmark = pytest.mark.slow

_INTERVALS = 12
_KILLED = "miner-2"
_AFTER_FINALS = 4


class _Killer:
    """Kills one miner as soon as some intervals are final; otherwise looks on."""

    def __init__(self) -> None:
        self.killed_at_height = 0

    def starting(self, ready: int, total: int) -> None:
        """Nothing to do yet."""

    def begun(self, running: Running) -> None:
        """Nothing to do yet."""

    def progress(self, running: Running, view: View) -> None:
        """Kill, once, without a warning."""
        if not self.killed_at_height and len(view.finals) >= _AFTER_FINALS:
            self.killed_at_height = view.heights[_KILLED]
            os.kill(running.supervisor.pids[_KILLED], signal.SIGKILL)


def _reports(deployment: Deployment, node: str, name: str) -> list[dict[str, Any]]:
    path = deployment.folder / "nodes" / f"{node}.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.get("name") == name]


def _chain(deployment: Deployment, miner: str) -> list[CertifiedBlock]:
    """What a miner has on its disk."""
    path = deployment.folder / "nodes" / f"{miner}.sqlite"
    with SqliteStorage(path) as store:
        return list(BlockStore(Compartment(store, miner)).stored())


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, Outcome, _Killer]:
    """The day, run once for all tests of this file."""
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=1,
        skip=40,
        intervals=_INTERVALS,
        miners=4,
        solvers=1,
        speed=900,
    )
    folder = tmp_path_factory.mktemp("live")
    deployment = deploy(folder, catalogue.find("village"), staging, meters_per_process=3)
    killer = _Killer()
    return deployment, asyncio.run(run(deployment, killer)), killer


def test_the_day_ends_with_every_interval_final_and_energy_traded(
    day: tuple[Deployment, Outcome, _Killer],
) -> None:
    _, outcome, _ = day
    assert outcome.state is State.ENDED
    assert outcome.summary.failures == ()
    assert outcome.summary.final == _INTERVALS
    assert outcome.summary.by_how.get("proven", 0) > 0
    assert outcome.summary.traded_j > 0


def test_the_killed_miner_came_back_with_its_chain_and_caught_up(
    day: tuple[Deployment, Outcome, _Killer],
) -> None:
    deployment, outcome, killer = day
    assert killer.killed_at_height > 0
    assert outcome.summary.restarts.get(_KILLED, 0) >= 1
    first, *again = [line["value"] for line in _reports(deployment, _KILLED, "started")]
    assert first == 0
    assert again[0] >= killer.killed_at_height - 1, "what it had decided was on its disk"
    heights = [block.header.height for block in _chain(deployment, _KILLED)]
    assert heights == list(range(1, len(heights) + 1))
    assert len(heights) > killer.killed_at_height + 4


def test_all_copies_of_the_chain_are_one(day: tuple[Deployment, Outcome, _Killer]) -> None:
    deployment, _, _ = day
    chains = {miner: _chain(deployment, miner) for miner in deployment.cast.miner_names}
    longest = max(chains.values(), key=len)
    final_height = max(b.header.height for b in longest if b.header.clearing.interval in _wanted(deployment))
    hashes = [block.header.hash() for block in longest]
    for miner, chain in chains.items():
        assert len(chain) >= final_height, miner
        assert [block.header.hash() for block in chain] == hashes[: len(chain)], miner
    followed = _reports(deployment, DSO, "block")
    assert [line["value"]["hash"] for line in followed] == [h.hex() for h in hashes[: len(followed)]]
    assert len(followed) >= final_height
    for name in ("meters-0", "meters-1"):
        for line in _reports(deployment, name, "live.status"):
            height, tip = line["value"]["height"], line["value"]["tip"]
            assert tip is None or tip == hashes[height - 1].hex(), line["actor"]


def test_a_verifier_that_took_no_part_accepts_the_chain(day: tuple[Deployment, Outcome, _Killer]) -> None:
    deployment, outcome, _ = day
    blocks = _chain(deployment, "miner-0")
    check = recheck(deployment.cast.genesis, blocks)
    assert check.refused is None
    assert check.headers == len(blocks)
    traded = [b.header.clearing for b in blocks if b.header.clearing.interval in _wanted(deployment)]
    assert sum(clearing.traded_j for clearing in traded) == outcome.summary.traded_j
    assert {clearing.how for clearing in traded} <= {Cleared.PROVEN, Cleared.KEPT, Cleared.VACUOUS}


def test_every_meter_verified_the_finals_itself(day: tuple[Deployment, Outcome, _Killer]) -> None:
    deployment, _, _ = day
    newest: dict[str, dict[str, Any]] = {}
    for name in ("meters-0", "meters-1"):
        newest |= {line["actor"]: line["value"] for line in _reports(deployment, name, "live.status")}
    assert newest.keys() == deployment.cast.meter_names.keys()
    for meter, status in newest.items():
        assert status["solutions"] >= _INTERVALS, meter
        assert status["headers"] >= status["solutions"], meter
        assert status["rejected"] == 0, meter
    assert sum(status["trades"] for status in newest.values()) > 0


def _wanted(deployment: Deployment) -> range:
    scenario = deployment.cast.scenario
    return range(scenario.first_interval, scenario.last_interval + 1)
