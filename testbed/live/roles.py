"""From a role's name to the actor that plays it, and what each of them shows of itself.

Every process derives the whole cast, keys included, from the scenario and the seed in its node file, and refuses to
run if the genesis that follows from them is not the one that all were given.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from firmware_app.device.device import Device
from light_client.session.actor import Actor, Storage
from testbed.cast import Cast
from testbed.dso.operator import Operator
from testbed.live.enrolled import EnrolledError, enrolled
from testbed.live.nodefile import ActorSpec, NodeFile, NodeFileError
from testbed.live.staging import Staging, StagingError, cast_for
from testbed.miner.miner import Miner

Factory: TypeAlias = Callable[[ActorSpec, NodeFile, Storage], Actor]
"""Builds an actor on its part of the store. Raises NodeFileError for options that it does not understand."""


@cache
def _cast(staging: Staging, folder: Path, chain_id: bytes) -> Cast:
    """The cast that a process's actors share; built once, since a large scenario takes a second."""
    try:
        cast = cast_for(staging, folder)
    except StagingError as error:
        raise NodeFileError(str(error)) from error
    if cast.genesis.chain_id() != chain_id:
        raise NodeFileError(
            f"the genesis of {staging.scenario}, seed {staging.seed}, speed {staging.speed} has the chain id "
            f"{cast.genesis.chain_id().hex()[:16]}…, expected {chain_id.hex()[:16]}…"
        )
    return cast


def _of_cast(build: Callable[[Cast, str, Storage], Actor]) -> Factory:
    def factory(spec: ActorSpec, node: NodeFile, storage: Storage) -> Actor:
        try:
            staging = Staging(**spec.options)
        except (TypeError, StagingError) as error:
            raise NodeFileError(f"options of {spec.name}: {error}") from None
        return build(_cast(staging, node.folder, node.genesis.chain_id()), spec.name, storage)

    return factory


def _dso(spec: ActorSpec, node: NodeFile, storage: Storage) -> Actor:
    """The grid operator, with meters that made their own keys among those of the cast."""
    try:
        own_keys = enrolled(node.folder)
    except EnrolledError as error:
        raise NodeFileError(str(error)) from None
    return _of_cast(lambda cast, _, part: cast.operator(part, own_keys=own_keys))(spec, node, storage)


def _of_bench(name: str) -> Factory:
    """A role of a load run; its module is loaded only there."""

    def factory(spec: ActorSpec, node: NodeFile, storage: Storage) -> Actor:
        from testbed.bench.load import roles  # noqa: PLC0415 - nobody else needs the bench

        actor: Actor = getattr(roles, name)(spec, node, storage)
        return actor

    return factory


ROLES: Final[Mapping[str, Factory]] = MappingProxyType(
    {
        "dso": _dso,
        "miner": _of_cast(lambda cast, name, storage: cast.miner(name, storage)),
        "solver": _of_cast(lambda cast, name, storage: cast.solver(name, storage)),
        "meter": _of_cast(lambda cast, name, storage: cast.meter(name, storage)),
        "load-miner": _of_bench("miner"),
        "load-client": _of_bench("client"),
    }
)


def status_of(actor: Actor) -> Mapping[str, Any] | None:
    """How far an actor is: height and hash of the newest block it holds for true, and what it checked."""
    match actor:
        case Miner() | Operator():
            return {"height": actor.ledger.tip.height, "tip": actor.ledger.tip.header_hash}
        case Device(trader=trader):
            header, checked = trader.client.belief.trusted.header, trader.checked
            return {
                "height": 0 if header is None else header.height,
                "tip": None if header is None else header.hash(),
                "headers": checked.headers,
                "solutions": checked.solutions,
                "trades": checked.trades,
                "balances": checked.balances,
                "rejected": checked.rejected,
            }
        case _:
            return None
