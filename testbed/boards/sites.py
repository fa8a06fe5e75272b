"""Writes what a board needs into a folder of its own: configuration, genesis, keys, and what it has learnt before.

gridlight.toml   its configuration, with paths as the board sees them
genesis.cbor     the chain's first agreement
data/            keys, stores
meter            the port of its electricity meter
control.sock     what `gridlight status` asks
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from testbed.boards.furnishing import put_keys, teach
from testbed.boards.housing import Board, Housing
from testbed.cast import DSO, Cast
from testbed.fleet.metered_homes import truth_of
from testbed.live.deployment import Deployment
from testbed.scenarios.model import HomeDay, Scenario

PROFILES: Final = ("eastron-sdm630", "sml", "p1-dsmr5")
"""What the electricity meters of the boards are, one after the other."""
READ_EVERY_MS: Final = 120_000
"""From one reading to the next, the grid's time: a counter's guard believes readings five minutes apart at most."""
_SHORTEST_POLL_MS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKeys:
    """The secrets that a board made itself."""

    identity: bytes
    seed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A board and the home that it is in."""

    board: Board
    home: HomeDay
    profile: str
    seed: bytes
    """Of its wallet."""
    identity: bytes
    """Secret of its identity."""

    @property
    def data(self) -> Path:
        """Keys and stores."""
        return self.board.folder / "data"


def sites_of(
    cast: Cast, folder: Path, doors: Path, own_keys: Mapping[int, OwnKeys] = MappingProxyType({})
) -> tuple[Site, ...]:
    """The boards of all homes.

    Args:
        own_keys: home -> what its board has made itself; all others have keys of the cast.
        folder: where their folders go.
        doors: an existing folder with a short name.
    """
    homes = {home.home_id: home for home in cast.scenario.homes}
    sites = []
    for place, (name, home_id) in enumerate(cast.meter_names.items()):
        keys = own_keys.get(home_id) or OwnKeys(
            identity=cast.secret("meter", home_id), seed=sha256(cast.secret("wallet", home_id)).digest()
        )
        board = Board(name=name, home_id=home_id, folder=folder / name, door=doors / str(home_id))
        sites.append(
            Site(
                board=board,
                home=homes[home_id],
                profile=PROFILES[place % len(PROFILES)],
                seed=keys.seed,
                identity=keys.identity,
            )
        )
    return tuple(sites)


def write_site(site: Site, deployment: Deployment, housing: Housing, whole_day: Scenario) -> None:
    """Write everything of one board.

    Args:
        housing: what it will run in.
        whole_day: what is played may be a part of it.

    Raises:
        OSError: something cannot be written.
    """
    board, cast = site.board, deployment.cast
    site.data.mkdir(parents=True)
    board.door.symlink_to(board.folder.resolve())
    (board.folder / "genesis.cbor").write_bytes((deployment.folder / "genesis.cbor").read_bytes())
    (board.folder / "gridlight.toml").write_text(_document(site, deployment, housing), encoding="utf-8")
    put_keys(site.data, identity=site.identity, seed=site.seed)
    interval_s = cast.scenario.interval_s
    home = next(home for home in whole_day.homes if home.home_id == board.home_id)
    net_j = truth_of(home, whole_day, whole_day.first_interval * interval_s * 1_000).net_j
    teach(site.data, net_j, interval_s=interval_s, now_ms=cast.start_ms)


def _document(site: Site, deployment: Deployment, housing: Housing) -> str:
    """The configuration."""
    cast, speed, inside = deployment.cast, deployment.staging.speed, housing.inside(site.board)

    def server(name: str) -> str:
        address = deployment.servers[name]
        endpoint = housing.endpoint(site.board, address.endpoint)
        return f"name = '{name}'\nendpoint = '{endpoint}'\nkey = '{address.server_key}'\n"

    place = list(cast.meter_names).index(site.board.name) % cast.miners
    order = cast.miner_names[place:] + cast.miner_names[:place]
    servers = "".join(f"[[market.server]]\n{server(name)}" for name in order)
    poll_ms = max(_SHORTEST_POLL_MS, READ_EVERY_MS // speed)
    status = "".join(f"{key} = {_toml(value)}\n" for key, value in inside.status.items())
    return (
        f"[device]\nname = '{site.board.name}'\ndata_folder = '{inside.data_folder}'\n"
        f"[[meter]]\nname = 'house'\nrole = 'grid'\nprofile = '{site.profile}'\n"
        f"port = '{inside.meter}'\npoll_ms = {poll_ms}\n"
        f"[market]\ngenesis = 'genesis.cbor'\nfingerprint = '{cast.genesis.chain_id().hex()}'\n"
        f"feeder = {site.home.feeder}\n"
        f"[market.dso]\n{server(DSO)}{servers}"
        f"[status]\n{status}"
    )


def _toml(value: str | bool) -> str:  # noqa: FBT001 - a value as it stands in a document
    return f"'{value}'" if isinstance(value, str) else str(value).lower()
