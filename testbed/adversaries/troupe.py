"""Who plays false in a run: parts by name, put over the actors of a cast or beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final, NamedTuple

from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.errors import LocalError
from light_client.session.actor import Actor, PeerName, Storage
from testbed.adversaries.disguise import HostileSeat, Window
from testbed.adversaries.eclipse import Eclipse
from testbed.adversaries.miners import (
    EquivocatingLeader,
    LyingLeader,
    Replayer,
    SilentMiner,
    SlowMiner,
    TimeShifter,
    TwoFacedVoter,
)
from testbed.adversaries.operators import DoubleGranter, GenerousGranter
from testbed.adversaries.rings import ColludingVoter, ForkingMiner, Ring
from testbed.adversaries.solvers import LyingSolver
from testbed.adversaries.spammer import Spammer
from testbed.cast import DSO, Cast
from testbed.miner.miner import Miner
from testbed.miner.seat import Seat
from testbed.scenarios.faults import FaultKind

_SHIFTS_MS = (-3_600_000, -20_000, 20_000, 3_600_000)
SPAMMER = "spammer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One adversary."""

    kind: FaultKind
    name: PeerName
    """The actor that it is put over; for a spammer, its own name."""
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Troupe:
    """All adversaries of one run."""

    parts: tuple[Part, ...] = ()
    disguises: Mapping[PeerName, Callable[[Actor], Actor]] = field(default_factory=dict)
    strangers: Mapping[PeerName, Callable[[], Actor]] = field(default_factory=dict)

    @property
    def hostile(self) -> frozenset[PeerName]:
        """Whose word counts for nothing: all but an eclipsed meter, which is honest."""
        return frozenset(part.name for part in self.parts if part.kind is not FaultKind.METER_ECLIPSED)

    def dressed(self, name: PeerName, build: Callable[[Storage], Actor]) -> Callable[[Storage], Actor]:
        """The builder of an actor with its disguise, if it has one; an honest one is left as it is."""
        disguise = self.disguises.get(name)
        return build if disguise is None else lambda storage: disguise(build(storage))


NOBODY = Troupe()


def troupe_of(parts: Iterable[Part], cast: Cast) -> Troupe:
    """The adversaries that play these parts; at most one over an actor, the last one named."""
    chosen = {part.name: part for part in parts}
    rings = {kind: Ring(part.name for part in chosen.values() if part.kind is kind) for kind in _MINERS}
    disguises: dict[PeerName, Callable[[Actor], Actor]] = {}
    strangers: dict[PeerName, Callable[[], Actor]] = {}
    for number, part in enumerate(chosen.values()):
        chance = cast.chance(f"adversary {part.kind}", number)
        if part.kind is FaultKind.SPAM:
            strangers[part.name] = partial(
                Spammer, part.name, cast.genesis, cast.miner_names, part.window, chance
            )
        elif part.kind in _MINERS:
            disguises[part.name] = _miner(part, cast, rings[part.kind], chance)
        else:
            disguises[part.name] = _other(part, cast, chance)
    return Troupe(parts=tuple(chosen.values()), disguises=disguises, strangers=strangers)


class _Backstage(NamedTuple):
    """What a miner's part is made of besides the honest miner."""

    window: Window
    seat: HostileSeat
    ring: Ring
    chance: Random
    shift_ms: int


_MINERS: Final[dict[FaultKind, Callable[[Actor, _Backstage], Actor]]] = {
    FaultKind.MINER_EQUIVOCATES: lambda inner, of: EquivocatingLeader(inner, of.window, of.seat),
    FaultKind.MINER_TWO_FACED: lambda inner, of: TwoFacedVoter(inner, of.window, of.seat),
    FaultKind.MINER_LIES: lambda inner, of: LyingLeader(inner, of.window, of.seat, of.chance),
    FaultKind.MINER_SILENT: lambda inner, of: SilentMiner(inner, of.window),
    FaultKind.MINER_SLOW: lambda inner, of: SlowMiner(inner, of.window, of.chance),
    FaultKind.MINER_REPLAYS: lambda inner, of: Replayer(inner, of.window, of.seat, of.chance),
    FaultKind.MINER_SHIFTS_TIME: lambda inner, of: TimeShifter(inner, of.window, of.shift_ms),
    FaultKind.MINER_COLLUDES: lambda inner, of: ColludingVoter(inner, of.window, of.seat, of.ring, of.chance),
    FaultKind.MINER_FORKS: lambda inner, of: ForkingMiner(inner, of.window, of.seat, of.ring),
}
RINGS = (FaultKind.MINER_COLLUDES, FaultKind.MINER_FORKS)
"""Parts of members that know of each other: all of one kind in a run are one ring."""
MINERS = tuple(_MINERS)
"""Parts of miners: they play while they sit in the committee."""
OTHERS = (
    FaultKind.SOLVER_LIES,
    FaultKind.DSO_GRANTS_TWICE,
    FaultKind.DSO_GRANTS_MORE,
    FaultKind.METER_ECLIPSED,
    FaultKind.SPAM,
)
"""Parts of everybody else."""
PARTS = (*MINERS, *OTHERS)
"""Every part there is."""


def _miner(part: Part, cast: Cast, ring: Ring, chance: Random) -> Callable[[Actor], Actor]:
    shift_ms = chance.choice(_SHIFTS_MS)

    def dress(inner: Actor) -> Actor:
        seat = hostile_seat(cast, inner)
        ring.join(seat)
        of = _Backstage(window=part.window, seat=seat, ring=ring, chance=chance, shift_ms=shift_ms)
        return _MINERS[part.kind](inner, of)

    return dress


def _other(part: Part, cast: Cast, chance: Random) -> Callable[[Actor], Actor]:
    window, chain_id = part.window, cast.genesis.chain_id()
    match part.kind:
        case FaultKind.SOLVER_LIES:
            secret = cast.secret("solver", cast.solver_names.index(part.name))
            return lambda inner: LyingSolver(inner, window, secret, chain_id, chance)
        case FaultKind.DSO_GRANTS_TWICE:
            secret = cast.secret("dso")
            return lambda inner: DoubleGranter(inner, window, secret, chain_id, cast.miner_names)
        case FaultKind.DSO_GRANTS_MORE:
            secret = cast.secret("dso")
            return lambda inner: GenerousGranter(inner, window, secret, chain_id)
        case _:
            captor = chance.choice(cast.miner_names)
            return lambda inner: Eclipse(inner, window, captor, DSO)


def hostile_seat(cast: Cast, inner: Actor) -> HostileSeat:
    """The key of a miner in the hands of an adversary, and where elections put it.

    Raises:
        LocalError: the actor inside is no miner.
    """
    if not isinstance(inner, Miner):
        raise LocalError("a miner's part is put over a miner", got=inner.name, expected=cast.miner_names)
    secret, committee = cast.secret("miner", cast.miner_names.index(inner.name)), cast.genesis.committee
    first = Seat(
        chain_id=cast.genesis.chain_id(),
        committee=committee,
        public_key=public_key_of(secret),
        number=committee.index_of(public_key_of(secret)),
        signer=lambda message: sign(secret, message),
        verify_signature=verify,
        timeouts=cast.miner_params.timeouts,
    )
    return HostileSeat(name=inner.name, miners=cast.miner_names, first=first, inner=inner)
