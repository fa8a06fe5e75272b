"""A node file: which actors a process runs, where they listen and whom they dial. JSON, schema `gridlight.node/1`.

Paths in it are relative to its own directory, so that the directory of a deployment can be moved as a whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_app.runtime.clock import Clock
from light_client.rules.encoding import decode
from light_client.rules.errors import LightClientError
from light_client.rules.ledger.genesis import Genesis, genesis_from_wire
from light_client.transport.admission import Admission
from light_client.transport.keys import TransportKey, read_key_file
from light_client.transport.node import Address, Listening

SCHEMA: Final = "gridlight.node/1"
TEST_CHAIN_PREFIX: Final = "test"
_GENESIS_BYTES: Final = 4 << 20


class NodeFileError(Exception):
    """The file cannot be used; the sentence says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorSpec:
    """One actor of a process."""

    name: str
    role: str
    """Key of the table of roles."""
    options: Mapping[str, Any]
    """What the role's factory needs beside the genesis, checked by the factory."""
    transport_key: TransportKey | None
    """None for a pseudonym, which gets a fresh key at each start."""
    listening: Listening | None
    peers: Mapping[str, Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """What one process does."""

    folder: Path
    """Where the file lies; what the process writes goes there too."""
    clock: Clock | None
    """None: whoever starts the process hands it over, see `process.py`."""
    genesis: Genesis
    store: Path
    reports: Path
    actors: tuple[ActorSpec, ...]


def read_node_file(path: Path) -> NodeFile:
    """Read a node file with the genesis and the keys that it names.

    Raises:
        NodeFileError: something is missing, unknown or of the wrong form; the chain is not a test chain.
    """
    try:
        return _node(json.loads(path.read_text(encoding="utf-8")), path.parent)
    except NodeFileError as error:
        raise NodeFileError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, LightClientError) as error:
        raise NodeFileError(f"{path}: {type(error).__name__}: {error}") from error


def _node(document: Any, folder: Path) -> NodeFile:
    _check_keys(document, {"schema", "clock", "genesis", "store", "reports", "actors"}, "the file")
    if document["schema"] != SCHEMA:
        raise NodeFileError(f"schema is {document['schema']!r}, expected {SCHEMA!r}")
    return NodeFile(
        folder=folder,
        clock=None if document["clock"] is None else clock_of(document["clock"]),
        genesis=read_genesis(folder / document["genesis"]),
        store=folder / document["store"],
        reports=folder / document["reports"],
        actors=tuple(_actor(entry, folder) for entry in document["actors"]),
    )


def clock_of(entry: Any) -> Clock:
    """Read a clock as it stands in a node file.

    Raises:
        NodeFileError: a key is missing or unknown.
        LocalError: a speed that no clock has.
    """
    _check_keys(entry, {"start_real_ms", "start_virtual_ms", "speed"}, "clock")
    return Clock(**entry)


def read_genesis(path: Path) -> Genesis:
    """Read the canonical form of a genesis.

    Raises:
        NodeFileError: it is too large, or not of a test chain: keys of the testbed have no business on another.
        RuleViolation: it is not canonical, or breaks a rule.
    """
    genesis = genesis_from_wire(decode(path.read_bytes(), max_bytes=_GENESIS_BYTES))
    if not genesis.name.startswith(TEST_CHAIN_PREFIX):
        raise NodeFileError(f"{path}: chain {genesis.name!r} is no test chain ({TEST_CHAIN_PREFIX}…)")
    return genesis


def _actor(entry: Mapping[str, Any], folder: Path) -> ActorSpec:
    _check_keys(
        entry, {"name", "role", "options", "transport_key", "listen", "admission", "peers"}, "an actor"
    )
    peers = {name: Address(**address) for name, address in entry["peers"].items()}
    key = entry["transport_key"]
    listening = None
    if entry["listen"] is not None:
        listening = Listening(endpoint=entry["listen"], admission=Admission(**entry["admission"]))
    return ActorSpec(
        name=entry["name"],
        role=entry["role"],
        options=entry["options"],
        transport_key=None if key is None else read_key_file(folder / key),
        listening=listening,
        peers=peers,
    )


def _check_keys(entry: Any, expected: set[str], where: str) -> None:
    """Refuse an object that lacks a key or has one that nobody reads."""
    if not isinstance(entry, dict):
        raise NodeFileError(f"{where}: not an object")
    missing, unknown = expected - entry.keys(), entry.keys() - expected
    if missing or unknown:
        raise NodeFileError(f"{where}: missing keys {sorted(missing)}, unknown keys {sorted(unknown)}")
