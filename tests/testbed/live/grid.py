"""A small deployment for the tests of processes: a counter that listens and an asker that dials it, and their program.

Run as a program it is `python -m testbed.live` with the roles of the tests.
"""

import json
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from light_client.rules.crypto import public_key_of
from light_client.rules.encoding import encode
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.market.grid import Feeder
from light_client.rules.market.params import MarketParams
from light_client.rules.units import FeederId
from light_client.session.actor import Storage
from light_client.transport.keys import TransportKey, write_key_file
from testbed.live.nodefile import SCHEMA, ActorSpec, NodeFile
from testbed.live.process import main
from tests.firmware_app.runtime.actors import Asker, Counter


def _counter(spec: ActorSpec, node: NodeFile, storage: Storage) -> Counter:
    return Counter(spec.name, storage)


def _asker(spec: ActorSpec, node: NodeFile, storage: Storage) -> Asker:
    message = str(spec.options.get("message", "count")).encode()
    return Asker(spec.name, next(iter(spec.peers)), int(spec.options["every_ms"]), message)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_genesis(path: Path, name: str = "test-live") -> None:
    """A genesis of one miner and one feeder."""
    key = public_key_of(bytes(31) + b"\x07")
    genesis = Genesis(
        name=name,
        genesis_time_ms=0,
        first_interval=10,
        market=MarketParams(interval_s=900),
        feeders=(Feeder(feeder=FeederId(1), c_ext_w=1000),),
        dso_key=key,
        committee=Committee(members=(Member(public_key=key),)),
    )
    path.write_bytes(encode(genesis.to_wire()))


def write_node(folder: Path, name: str, *actors: Mapping[str, Any], speed: int = 100) -> Path:
    """A node file with a store and a report file of its own."""
    path = folder / f"{name}.json"
    now_ms = time.time_ns() // 1_000_000
    document = {
        "schema": SCHEMA,
        "clock": {"start_real_ms": now_ms, "start_virtual_ms": 1_767_225_600_000, "speed": speed},
        "genesis": "genesis.cbor",
        "store": f"{name}.sqlite",
        "reports": f"{name}.jsonl",
        "actors": actors,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_pair(folder: Path, *, message: str = "count") -> tuple[Path, Path]:
    """Node files of a counter and of an asker, each a process."""
    folder.mkdir(exist_ok=True)
    write_genesis(folder / "genesis.cbor")
    key = TransportKey.generate()
    write_key_file(folder / "counter.key", key)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    counter = {
        "name": "counter",
        "role": "counter",
        "options": {},
        "transport_key": "counter.key",
        "listen": endpoint,
        "admission": {"names": {}, "pseudonyms": True},
        "peers": {},
    }
    asker = {
        "name": "asker",
        "role": "asker",
        "options": {"every_ms": 1_000, "message": message},
        "transport_key": None,
        "listen": None,
        "admission": None,
        "peers": {"counter": {"endpoint": endpoint, "server_key": key.public}},
    }
    return write_node(folder, "counter", counter), write_node(folder, "asker", asker)


def reports(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a report file but the first of each start."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line for line in found if "schema" not in line]


if __name__ == "__main__":
    sys.exit(main(roles={"counter": _counter, "asker": _asker}))
