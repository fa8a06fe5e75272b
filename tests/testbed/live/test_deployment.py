"""What is written for a run: secrets for their owner alone, node files that agree, meters that are pseudonyms."""

import asyncio
import json
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq.asyncio

from firmware_app.runtime.clock import Clock
from light_client.messages.codec import decode_message
from light_client.messages.registry import WithdrawRequest
from light_client.rules.errors import RuleViolation
from light_client.session.actor import Received
from light_client.store.memory import MemoryStorage
from light_client.transport.admission import PSEUDONYM_PREFIX, Admission, pseudonym
from light_client.transport.keys import read_key_file
from light_client.transport.node import Listening, Transport
from testbed.cast import DSO
from testbed.live.deployment import Deployment, deploy, free_ports
from testbed.live.nodefile import NodeFileError, read_node_file
from testbed.live.roles import ROLES
from testbed.live.staging import Staging, StagingError, cast_for
from testbed.live.supervisor import Supervisor
from testbed.scenarios import catalogue

_STAGING = Staging(
    scenario="scenario.toml", data=None, seed=3, skip=40, intervals=4, miners=4, solvers=1, speed=600
)
_PATIENCE_S = 30.0


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A village, written and not started."""
    return deploy(tmp_path, catalogue.find("village"), _STAGING, meters_per_process=4)


def test_secrets_are_for_their_owner_alone(deployment: Deployment) -> None:
    secret = [deployment.folder / "test-keys.json", *deployment.folder.glob("nodes/*.key")]
    assert len(secret) == 1 + 4 + 1, "all ledger keys, and a transport key for each miner and the DSO"
    for path in secret:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((deployment.folder / "nodes").stat().st_mode) == 0o700
    keys = json.loads((deployment.folder / "test-keys.json").read_text())["keys"]
    assert len({key["secret"] for key in keys.values()}) == 4 + 1 + 1 + 6
    written = "".join(path.read_text() for path in deployment.folder.glob("nodes/*.json"))
    assert not any(key["secret"] in written for key in keys.values())


def test_every_actor_is_in_one_process_and_can_be_built(deployment: Deployment) -> None:
    cast = deployment.cast
    names = [name for node in deployment.nodes for name in node.actors]
    assert sorted(names) == sorted([*cast.miner_names, DSO, *cast.solver_names, *cast.meter_names])
    assert [len(node.actors) for node in deployment.nodes if "meters" in node.name] == [4, 2]
    for node in deployment.nodes:
        file = read_node_file(node.path)
        assert file.genesis == cast.genesis
        for spec in file.actors:
            assert ROLES[spec.role](spec, file, MemoryStorage()).name == spec.name


def test_homes_of_a_process_are_metered_where_the_run_says_so(tmp_path: Path) -> None:
    staging = replace(_STAGING, meters="readings")
    metered = deploy(tmp_path, catalogue.find("village"), staging, meters_per_process=6)
    for node in metered.nodes:
        if "meters" in node.name:
            file = read_node_file(node.path)
            (options,) = {json.dumps(spec.options, sort_keys=True) for spec in file.actors}
            cast = cast_for(Staging(**json.loads(options)), file.folder)
            assert cast.homes is not None
            assert cast.genesis == file.genesis, "a meter is no matter of the chain"
            home_id = cast.meter_names[file.actors[0].name]
            assert not cast.homes.is_measured(home_id, cast.start_ms)
            assert cast.homes.is_measured(home_id, cast.start_ms + 300_000)
    with pytest.raises(StagingError, match="plan or readings"):
        replace(_STAGING, meters="guesses")


def test_another_speed_is_another_chain(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    slower = deploy(folder, catalogue.find("village"), replace(_STAGING, speed=60), meters_per_process=4)
    ours, theirs = deployment.cast.genesis, slower.cast.genesis
    assert ours.chain.solve_deadline_ms > theirs.chain.solve_deadline_ms
    assert ours.chain_id() != theirs.chain_id()


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("seed", 4, "chain id"),
        ("miners", 3, "chain id"),
        ("speed", 700, "chain id"),
        ("intervals", 97, "part of a day"),
        ("intervals", "4", "intervals is '4', expected int"),
        ("scenario", "../other.toml", "other.toml"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_process_refuses_a_cast_that_is_not_that_of_the_genesis(
    deployment: Deployment, option: str, value: Any, sentence: str
) -> None:
    path = deployment.nodes[0].path
    document = json.loads(path.read_text())
    document["actors"][0]["options"][option] = value
    path.write_text(json.dumps(document))
    file = read_node_file(path)
    with pytest.raises(NodeFileError, match=sentence):
        ROLES["miner"](file.actors[0], file, MemoryStorage())


def test_free_ports_are_distinct_and_free_and_not_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        assert 20_000 <= port < 32_000
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_meter_is_another_pseudonym_to_each_miner_and_to_the_dso(deployment: Deployment) -> None:
    """The real meter process talks to listeners of this test, which hold the keys of the miners and of the DSO."""
    heard = asyncio.run(_listen(deployment))
    assert set(heard) == {*deployment.cast.miner_names, DSO}
    names = {server: {received.peer for received in messages} for server, messages in heard.items()}
    everybody = [name for found in names.values() for name in found]
    assert len(everybody) == len(set(everybody)), "two servers can tell that they talk to the same meter"
    assert all(name.startswith(PSEUDONYM_PREFIX) for name in everybody)
    known = {pseudonym(read_key_file(path).public) for path in deployment.folder.glob("nodes/*.key")}
    assert not known & set(everybody)
    (meter,) = (node.actors for node in deployment.nodes if node.name == "meters-1")
    identities = {
        deployment.cast.meter(name, MemoryStorage()).trader.identity_key
        for name in deployment.cast.meter_names
        if name in meter
    }
    for server, messages in heard.items():
        for received in messages:
            told = any(key in received.message for key in identities)
            assert told == (server == DSO and _is_withdrawal(received.message)), server


def _is_withdrawal(message: bytes) -> bool:
    try:
        return isinstance(decode_message(message), WithdrawRequest)
    except RuleViolation:
        return False


async def _listen(deployment: Deployment) -> dict[str, list[Received]]:
    """Run the second process of meters against listeners; return what each of them heard, once all heard something.

    Nobody answers, so each meter asks one miner after the other.
    """
    heard: dict[str, list[Received]] = {}
    servers = []
    for name, address in deployment.servers.items():

        async def deliver(received: Received, name: str = name) -> None:
            heard.setdefault(name, []).append(received)

        context = zmq.asyncio.Context()
        key = read_key_file(deployment.folder / "nodes" / f"{name}.key")
        listening = Listening(endpoint=address.endpoint, admission=Admission(pseudonyms=True))
        servers.append((context, Transport(context, key=key, peers={}, deliver=deliver, listening=listening)))
    (node,) = (node for node in deployment.nodes if node.name == "meters-1")
    supervisor = Supervisor([node])
    supervisor.start()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while supervisor.ready < 1:
                await supervisor.pause(0.05)
            cast = deployment.cast
            clock = Clock(start_real_ms=Clock.real().now_ms(), start_virtual_ms=cast.start_ms, speed=600)
            supervisor.go(clock)
            while set(heard) != set(deployment.servers):
                await supervisor.pause(0.05)
    finally:
        await supervisor.stop()
        for context, server in servers:
            server.close()
            context.destroy(linger=0)
    return heard
