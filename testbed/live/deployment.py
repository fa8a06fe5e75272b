"""Writes what a whole grid of processes needs into one folder: scenario, genesis, keys, and a node file per process.

    up.json         what is running and where, schema gridlight.up/1
    scenario.toml   the scenario, as it was when the run began
    genesis.cbor    the first agreement in canonical form
    test-keys.json  the secrets of everybody; worthless elsewhere, since the chain is a test chain
    nodes/P.json    what process P runs; beside it its transport key, store, reports and log

A meter has no transport key: it takes a fresh one for each peer and each start, so that the market plane sees
pseudonyms only.
"""

import json
import os
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from errno import EADDRINUSE
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from light_client.rules.crypto import public_key_of
from light_client.rules.encoding import encode
from light_client.transport.keys import TransportKey, write_key_file
from light_client.transport.node import Address
from testbed.cast import DSO, Cast
from testbed.live.nodefile import SCHEMA
from testbed.live.staging import Staging, cast_for
from testbed.scenarios.files import ScenarioFile, TransaxSection

HOST: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections, so that none of them takes ours while a node restarts."""
_TRIES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One process of the run."""

    name: str
    path: Path
    """The node file."""
    actors: tuple[str, ...]

    @property
    def reports(self) -> Path:
        """Where its actors' reports go."""
        return self.path.with_suffix(".jsonl")

    @property
    def log(self) -> Path:
        """Where its standard error goes."""
        return self.path.with_suffix(".log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A grid that is ready to be started."""

    folder: Path
    staging: Staging
    cast: Cast
    nodes: tuple[Node, ...]
    servers: Mapping[str, Address]
    """Name of each actor that listens -> where, and its transport key."""
    elsewhere: tuple[str, ...] = ()
    """Meters that take part in the run without being nodes of it."""

    def without_meters(self) -> "Deployment":
        """The same tier; the meters are somebody else's matter."""
        meters = set(self.cast.meter_names)
        nodes = tuple(node for node in self.nodes if not meters & set(node.actors))
        return replace(self, nodes=nodes, elsewhere=tuple(self.cast.meter_names))


def deploy(
    folder: Path,
    file: ScenarioFile,
    staging: Staging,
    *,
    meters_per_process: int,
    meter_processes: int | None = None,
    host: str = HOST,
    elsewhere: Collection[int] = (),
) -> Deployment:
    """Write everything into an existing, empty folder.

    Args:
        meters_per_process: the most meters in one process.
        meter_processes: instead of that, over how many processes the meters are spread evenly.
        host: address of this machine that the servers listen on.
        elsewhere: numbers of homes whose meters somebody else plays.

    Raises:
        StagingError: no cast can be derived.
        OSError: something cannot be written, or no port is free.
    """
    (folder / "scenario.toml").write_bytes(file.path.read_bytes())
    if isinstance(file.particulars, TransaxSection):
        staging = replace(staging, data=str((file.path.parent / file.particulars.folder).resolve()))
    nodes = folder / "nodes"
    nodes.mkdir(mode=0o700)
    staging = replace(staging, scenario="../scenario.toml")
    cast = cast_for(staging, nodes)
    (folder / "genesis.cbor").write_bytes(encode(cast.genesis.to_wire()))
    _write_secret(folder / "test-keys.json", _test_keys(cast))
    writer = _NodeWriter(nodes, cast, asdict(staging), host)
    guests = tuple(name for name, home_id in cast.meter_names.items() if home_id in elsewhere)
    meters = [name for name in cast.meter_names if name not in guests]
    count = -(-len(meters) // meters_per_process) if meter_processes is None else meter_processes
    ends = [
        (at + 1) * meters_per_process if meter_processes is None else len(meters) * (at + 1) // count
        for at in range(count)
    ]
    groups = [meters[begin:end] for begin, end in pairwise((0, *ends))]
    written = [
        *(writer.server(name, "miner") for name in cast.miner_names),
        writer.server(DSO, "dso"),
        *(writer.clients(name, "solver", [name]) for name in cast.solver_names),
        *(writer.clients(f"meters-{number}", "meter", group) for number, group in enumerate(groups)),
    ]
    return Deployment(
        folder=folder,
        staging=staging,
        cast=cast,
        nodes=tuple(written),
        servers=writer.servers,
        elsewhere=guests,
    )


class _NodeWriter:
    """Writes node files that know of each other."""

    def __init__(self, folder: Path, cast: Cast, options: Mapping[str, Any], host: str) -> None:
        self._folder = folder
        self._cast = cast
        self._options = options
        servers = (*cast.miner_names, DSO)
        self._keys = {name: TransportKey.generate() for name in servers}
        ports = free_ports(len(servers), host)
        self.servers = {
            name: Address(endpoint=f"tcp://{host}:{port}", server_key=self._keys[name].public)
            for name, port in zip(servers, ports, strict=True)
        }

    def server(self, name: str, role: str) -> Node:
        """A process of one actor that listens and dials the miners, known to all servers by its key."""
        write_key_file(self._folder / f"{name}.key", self._keys[name])
        known = {self._keys[other].public: other for other in self._keys if other != name}
        actor = {
            **self._actor(name, role, [miner for miner in self._cast.miner_names if miner != name]),
            "transport_key": f"{name}.key",
            "listen": self.servers[name].endpoint,
            "admission": {"names": known, "pseudonyms": True},
        }
        return self._write(name, [actor])

    def clients(self, process: str, role: str, names: Sequence[str]) -> Node:
        """A process of actors that only dial, each under keys that nobody has seen before."""
        dialled = [*self._cast.miner_names, *([DSO] if role == "meter" else [])]
        return self._write(process, [self._actor(name, role, dialled) for name in names])

    def _actor(self, name: str, role: str, dialled: Sequence[str]) -> dict[str, Any]:
        return {
            "name": name,
            "role": role,
            "options": self._options,
            "transport_key": None,
            "listen": None,
            "admission": None,
            "peers": {peer: asdict(self.servers[peer]) for peer in dialled},
        }

    def _write(self, process: str, actors: Sequence[Mapping[str, Any]]) -> Node:
        path = self._folder / f"{process}.json"
        document = {
            "schema": SCHEMA,
            "clock": None,
            "genesis": "../genesis.cbor",
            "store": f"{process}.sqlite",
            "reports": f"{process}.jsonl",
            "actors": actors,
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return Node(name=process, path=path, actors=tuple(actor["name"] for actor in actors))


def free_ports(count: int, host: str = HOST) -> list[int]:
    """Ports of one address of this machine that nobody listens on at the moment.

    Raises:
        OSError: there are not that many to be found.
    """
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES):
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            port = secrets.choice(_PORTS)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found.append(port)
    raise OSError(EADDRINUSE, f"no {count} free ports between {_PORTS.start} and {_PORTS.stop}")


def _test_keys(cast: Cast) -> Mapping[str, Any]:
    """Everybody's ledger keys."""
    held = {DSO: cast.secret("dso")}
    held |= {name: cast.secret("miner", seat) for seat, name in enumerate(cast.miner_names)}
    held |= {name: cast.secret("solver", number) for number, name in enumerate(cast.solver_names)}
    held |= {name: cast.secret("meter", home) for name, home in cast.meter_names.items()}
    return {
        "schema": "gridlight.test-keys/1",
        "keys": {
            name: {"secret": secret.hex(), "public": public_key_of(secret).hex()}
            for name, secret in held.items()
        },
    }


def _write_secret(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=1) + "\n")
