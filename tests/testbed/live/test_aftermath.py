"""Every acknowledged transaction that is in no block is explained, or counts as lost."""

import json

import pytest

from light_client.session.actor import Write
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from testbed.live.aftermath import LOST, PENDING, Aftermath, aftermath_lines, fates_of
from testbed.live.deployment import Deployment, deploy
from testbed.live.staging import Staging
from testbed.miner.receipts import TABLE
from testbed.scenarios import catalogue

_TX = b"\x07" * 32


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    staging = Staging(
        scenario="scenario.toml", data=None, seed=1, skip=44, intervals=2, miners=4, solvers=1, speed=450
    )
    folder = tmp_path_factory.mktemp("aftermath")
    return deploy(folder, catalogue.find("village"), staging, meters_per_process=6)


@pytest.fixture
def deployment(deployed: Deployment) -> Deployment:
    """Reports that say nothing, and disks that hold nothing."""
    for node in deployed.nodes:
        node.reports.write_text('{"schema": "gridlight.live-report/1"}\n', encoding="utf-8")
        node.path.with_suffix(".sqlite").unlink(missing_ok=True)
    return deployed


def _report(deployment: Deployment, miner: str, name: str, rule: str) -> None:
    (node,) = [node for node in deployment.nodes if node.name == miner]
    row = {"time_ms": 1, "actor": miner, "name": name, "value": [_TX.hex(), rule]}
    with node.reports.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def _fate(deployment: Deployment) -> str:
    return fates_of({_TX.hex()}, deployment)[_TX.hex()]


def test_what_nobody_speaks_of_is_lost(deployment: Deployment) -> None:
    assert _fate(deployment) == LOST


def test_what_found_no_room_after_a_restart_is_not_thereby_explained(deployment: Deployment) -> None:
    _report(deployment, "miner-1", "kept-waits", "POOL-01")
    assert _fate(deployment) == LOST


def test_what_a_rule_refused_is_named_by_it_and_a_gate_counts_before_all(deployment: Deployment) -> None:
    _report(deployment, "miner-2", "dropped", "MKT-07")
    assert _fate(deployment) == "MKT-07"
    _report(deployment, "miner-3", "dropped", "LED-09")
    assert _fate(deployment) == "MKT-07"


def test_another_rule_is_named_too(deployment: Deployment) -> None:
    _report(deployment, "miner-0", "dropped", "LED-09")
    assert _fate(deployment) == "LED-09"


def test_what_a_miner_still_has_on_its_disk_is_pending(deployment: Deployment) -> None:
    with SqliteStorage(deployment.folder / "nodes" / "miner-1.sqlite") as store:
        store.commit([Compartment(store, "miner-1").owned(Write(table=TABLE, key=_TX, value=b"raw"))])
    assert _fate(deployment) == PENDING


def test_people_read_how_many_of_each() -> None:
    found = Aftermath(
        height=9,
        acknowledged=12,
        expired=2,
        refused={"LED-09": 3},
        pending=1,
        lost=("ab" * 32,),
        contradictions=(),
        forgotten=(),
        state_root="00" * 32,
        wrong_roots=(),
    )
    line = aftermath_lines(found, 5)[1]
    assert "12 acknowledged, 1 lost; 2 missed their gate, 1 pending, refused later: 3 by LED-09" in line
    assert len(found.failures()) == 1
