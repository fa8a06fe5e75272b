"""Who takes part in a rollout: names, what each board knows of itself, and the document that all begin with."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import firmware_app.config
from firmware_app.fleet.document import Tree, read_toml
from firmware_app.fleet.key_set import KeySet, key_set_from_bytes
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.selector import DeviceFacts
from firmware_app.fleet.topics import Topics
from testbed.rollout.board import FIRMWARE, Board
from testbed.rollout.crowd import Crowd, Seat
from testbed.rollout.fate import Shares, cut_of, fates
from testbed.rollout.line import tls_of

FEEDERS: Final = 11
BOARDS: Final = ("beaglebone-black", "raspberry-pi")
EXAMPLE: Final = Path(firmware_app.config.__file__).with_name("example.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which of the meters one process plays, and where it finds what it needs; a file between the processes."""

    agents: int
    """Of the whole rollout."""
    first: int
    """Number of the first meter of this part."""
    last: int
    """Of the one after its last."""
    key_set: str
    """Hexadecimal."""
    authority: str
    """File of the authority's certificate."""
    papers: str
    """Folder of certificates with keys, NAME.pem."""
    host: str
    port: int
    seed: int
    offline: int
    failing: int
    powercut: int
    spread_s: float

    def write(self, path: Path) -> None:
        """To a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_part(path: Path) -> Part:
    """From a file."""
    return Part(**json.loads(path.read_text(encoding="utf-8")))


def name_of(number: int) -> str:
    """Such as ``meter-00042``."""
    return f"meter-{number:05d}"


def facts_of(number: int) -> DeviceFacts:
    """What a board knows of itself."""
    major, minor, patch = (int(part) for part in FIRMWARE.split("."))
    return DeviceFacts(
        name=name_of(number),
        board=BOARDS[number % len(BOARDS)],
        release=(major, minor, patch),
        feeder=1 + number % FEEDERS,
    )


def first_document() -> Tree:
    """What all meters were provisioned with, but for their names."""
    return read_toml(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name)


def first_memory(key_set: KeySet, shared: Tree, name: str) -> Memory:
    """That of a meter fresh from provisioning; what it does not change is shared with the others."""
    document = {**shared, "device": {**shared["device"], "name": name}}
    return Memory(key_set=key_set, current=Configuration(document=document))


def crowd_of(part: Part) -> Crowd:
    """The meters of a part, at their lines."""
    key_set = key_set_from_bytes(bytes.fromhex(part.key_set))
    seats = _seats(part, key_set)
    topics = Topics(key_set.fleet_id)
    seed = part.seed * 1_000_003 + part.first
    return Crowd(seats, topics, part.host, part.port, seed=seed, spread_s=part.spread_s)


def _seats(part: Part, key_set: KeySet) -> Iterator[Seat]:
    shares = Shares(offline=part.offline, failing=part.failing, powercut=part.powercut)
    fate = fates([name_of(number) for number in range(part.agents)], shares, part.seed)
    shared = first_document()
    for number in range(part.first, part.last):
        facts = facts_of(number)
        memory = first_memory(key_set, shared, facts.name)
        board = Board(facts, memory, fate[facts.name], cut_of(facts.name, part.seed))
        yield Seat(board=board, tls=_tls(part, facts.name))


def _tls(part: Part, name: str) -> ssl.SSLContext:
    return tls_of(Path(part.authority), Path(part.papers) / f"{name}.pem")
