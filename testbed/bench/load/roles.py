"""The actors of a load run as roles of a node file: everybody derives the same workload from the same few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from light_client.session.actor import Storage
from testbed.bench.load.client import LoadClient, Pace
from testbed.bench.load.workload import Workload
from testbed.live.nodefile import ActorSpec, NodeFile, NodeFileError
from testbed.miner.miner import Miner

MINER, CLIENT = "load-miner", "load-client"


@cache
def _workload(start_ms: int, addresses: int, offers_each: int, batch_ms: int) -> Workload:
    return Workload(start_ms=start_ms, addresses=addresses, offers_each=offers_each, batch_ms=batch_ms)


def _read(spec: ActorSpec, node: NodeFile) -> tuple[Workload, Mapping[str, Any]]:
    try:
        workload = _workload(**spec.options["workload"])
        pace = spec.options["pace"]
    except (TypeError, KeyError) as error:
        raise NodeFileError(f"options of {spec.name}: {error}") from None
    if workload.genesis.chain_id() != node.genesis.chain_id():
        raise NodeFileError(f"the workload of {spec.name} is of another chain")
    return workload, pace


def miner(spec: ActorSpec, node: NodeFile, storage: Storage) -> Miner:
    """One of the four miners."""
    workload, _ = _read(spec, node)
    return workload.miner(workload.miner_names.index(spec.name), storage)


def client(spec: ActorSpec, node: NodeFile, storage: Storage) -> LoadClient:
    """Whoever hands in; all offers are signed here, before the process says that it is ready."""
    del storage
    workload, pace = _read(spec, node)
    grants = [signed.raw for signed in workload.grants()]
    return LoadClient(
        spec.name, workload.genesis, workload.miner_names, grants, workload.offers_raw(), Pace(**pace)
    )
