"""The supervisor: what falls over is started again, what can never run ends the run, and nothing stays behind."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from firmware_app.runtime.clock import Clock
from testbed.live.deployment import Deployment, deploy
from testbed.live.staging import Staging
from testbed.live.supervisor import Supervisor, SupervisorError
from testbed.scenarios import catalogue

_STAGING = Staging(
    scenario="scenario.toml", data=None, seed=3, skip=40, intervals=4, miners=1, solvers=0, speed=600
)
_PATIENCE_S = 30.0


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A village with one miner, written and not started."""
    return deploy(tmp_path, catalogue.find("village"), _STAGING, meters_per_process=6)


async def _until_ready(supervisor: Supervisor, count: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while supervisor.ready < count:
            await supervisor.pause(0.05)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_process_that_can_never_run_ends_the_run_with_what_it_said(deployment: Deployment) -> None:
    async def scene() -> None:
        supervisor = Supervisor(deployment.nodes)
        supervisor.start()
        try:
            await _until_ready(supervisor, len(deployment.nodes))
        finally:
            pids = supervisor.pids
            await supervisor.stop()
            assert all(_is_gone(pid) for pid in pids.values())

    deployment.nodes[1].path.write_text("{}")
    with pytest.raises(SupervisorError, match=r"dso cannot run: .*missing keys"):
        asyncio.run(scene())


def test_a_killed_process_is_started_again_and_all_end_when_told(deployment: Deployment) -> None:
    async def scene() -> None:
        supervisor = Supervisor(deployment.nodes)
        supervisor.start()
        try:
            await _until_ready(supervisor, 3)
            before = supervisor.pids
            os.kill(before["dso"], signal.SIGKILL)
            async with asyncio.timeout(_PATIENCE_S):
                while supervisor.pids.get("dso") in {None, before["dso"]}:
                    await supervisor.pause(0.05)
            after = supervisor.pids
        finally:
            await supervisor.stop()
        assert supervisor.restarts == {"dso": 1}
        assert {name: pid for name, pid in after.items() if name != "dso"} == {
            name: pid for name, pid in before.items() if name != "dso"
        }
        assert supervisor.pids == {}
        assert all(_is_gone(pid) for pid in after.values())

    asyncio.run(scene())


def test_a_port_that_is_taken_for_a_while_is_tried_again(deployment: Deployment) -> None:
    async def scene() -> None:
        supervisor = Supervisor(deployment.nodes)
        miner = deployment.servers["miner-0"].endpoint
        port = int(miner.rpartition(":")[2])
        try:
            with socket.create_server(("127.0.0.1", port)):
                supervisor.start()
                await _until_ready(supervisor, 3)
                now_ms = Clock.real().now_ms()
                start_ms = deployment.cast.start_ms
                supervisor.go(Clock(start_real_ms=now_ms, start_virtual_ms=start_ms, speed=600))
                async with asyncio.timeout(_PATIENCE_S):
                    while not supervisor.restarts:
                        await supervisor.pause(0.05)
            async with asyncio.timeout(_PATIENCE_S):
                while not _listens(port):
                    await supervisor.pause(0.05)
            assert set(supervisor.restarts) == {"miner-0"}
        finally:
            await supervisor.stop()

    asyncio.run(scene())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
