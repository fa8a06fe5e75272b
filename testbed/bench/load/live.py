"""The same load over sockets: four miner processes on the loopback interface, and one that hands in.

Every message goes through ZeroMQ with CURVE, every block is on disk before its votes leave, and time is the machine's.
The run ends by itself: when everything is final, when the client's patience is over, or when this process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from firmware_app.runtime.clock import Clock
from light_client.rules.encoding import encode
from light_client.transport.keys import TransportKey, write_key_file
from testbed.bench.load.client import BEGUN, DONE, FAILED, FINAL, Pace
from testbed.bench.load.figures import rounded
from testbed.bench.load.inprocess import LoadError
from testbed.bench.load.roles import CLIENT, MINER
from testbed.bench.load.workload import Workload
from testbed.live.deployment import HOST, Node, free_ports
from testbed.live.nodefile import SCHEMA
from testbed.live.supervisor import Supervisor
from testbed.live.watching import Tail

_LOOK_S: Final = 0.25
_START_S: Final = 60.0
"""How long the processes may take to start, signing included."""
_NAME: Final = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What the client saw, and what the processes spent."""

    rate: Mapping[str, Any]
    cpu_s: Mapping[str, float]
    """CPU seconds of each process between the first offer and the last final, user and system."""
    memory_mb: Mapping[str, float]
    """Most resident memory of each process, MB."""

    @property
    def per_cpu_s(self) -> float:
        """Offers made final for one CPU second of all processes together, the client included; 0 if not known."""
        spent_s = sum(self.cpu_s.values())
        return float(self.rate["offers"]) / spent_s if spent_s else 0.0

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.rate,
            "offers_per_cpu_s_of_all_processes": round(self.per_cpu_s, 1),
            "cpu_s": rounded(dict(self.cpu_s)),
            "memory_mb": rounded(dict(self.memory_mb)),
        }


def measure_live(
    folder: Path,
    workload: Workload,
    pace: Pace,
    *,
    longest_s: float,
    on_final: Callable[[int], None] = lambda _: None,
) -> Live:
    """Run the workload.

    Args:
        folder: empty; keys, stores and logs of the run go there.
        longest_s: after how long it is given up, s.
        on_final: told now and then how many offers are final.

    Raises:
        LoadError: it did not come to its end.
    """
    return asyncio.run(_run(folder, workload, pace, longest_s, on_final))


async def _run(
    folder: Path, workload: Workload, pace: Pace, longest_s: float, on_final: Callable[[int], None]
) -> Live:
    nodes = _deploy(folder, workload, pace)
    supervisor = Supervisor(nodes)
    supervisor.start()
    try:
        until_s = time.monotonic() + _START_S
        while supervisor.ready < len(nodes):
            if time.monotonic() > until_s:
                raise LoadError(f"the processes did not start; see {folder}")
            await supervisor.pause(_LOOK_S)
        supervisor.go(Clock.real())
        return await _watch(supervisor, nodes, longest_s, on_final)
    finally:
        await supervisor.stop()


async def _watch(
    supervisor: Supervisor, nodes: list[Node], longest_s: float, on_final: Callable[[int], None]
) -> Live:
    """Read what the client reports until it is done."""
    tail = Tail(next(node.reports for node in nodes if node.name == _NAME))
    before: dict[str, float] = {}
    until_s = time.monotonic() + longest_s
    while time.monotonic() < until_s:
        await supervisor.pause(_LOOK_S)
        for line in tail.lines():
            name, value = line["name"], line["value"]
            if name == BEGUN:
                before = {process: cpu_s(pid) for process, pid in supervisor.pids.items()}
            elif name == FINAL:
                on_final(value)
            elif name == DONE:
                spent = {
                    process: cpu_s(pid) - before.get(process, 0.0) for process, pid in supervisor.pids.items()
                }
                memory = {process: peak_mb(pid) for process, pid in supervisor.pids.items()}
                return Live(rate=value, cpu_s=spent, memory_mb=memory)
            elif name == FAILED:
                raise LoadError(f"nothing became final any more: {value}")
    raise LoadError(f"it took longer than {longest_s:.0f} s")


def _deploy(folder: Path, workload: Workload, pace: Pace) -> list[Node]:
    """Write genesis, keys and node files."""
    (folder / "genesis.cbor").write_bytes(encode(workload.genesis.to_wire()))
    names = workload.miner_names
    keys = {name: TransportKey.generate() for name in names}
    endpoints = dict(zip(names, (f"tcp://{HOST}:{port}" for port in free_ports(len(names))), strict=True))
    options = {"workload": asdict(workload), "pace": asdict(pace)}

    def actor(name: str, role: str, *, listens: bool) -> dict[str, Any]:
        known = {keys[other].public: other for other in names if other != name}
        peers = {
            other: {"endpoint": endpoints[other], "server_key": keys[other].public}
            for other in names
            if other != name
        }
        return {
            "name": name,
            "role": role,
            "options": options,
            "transport_key": f"{name}.key" if listens else None,
            "listen": endpoints[name] if listens else None,
            "admission": {"names": known, "pseudonyms": True} if listens else None,
            "peers": peers,
        }

    nodes = []
    for name in (*names, _NAME):
        listens = name in keys
        if listens:
            write_key_file(folder / f"{name}.key", keys[name])
        path = folder / f"{name}.json"
        document = {
            "schema": SCHEMA,
            "clock": None,
            "genesis": "genesis.cbor",
            "store": f"{name}.sqlite",
            "reports": f"{name}.jsonl",
            "actors": [actor(name, MINER if listens else CLIENT, listens=listens)],
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        nodes.append(Node(name=name, path=path, actors=(name,)))
    return nodes


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, user and system; 0 where the system does not say.

    Source: proc(5), fields 14 and 15 of /proc/PID/stat.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Most memory that a process has held, MB; 0 where the system does not say. Source: proc(5), VmHWM."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
