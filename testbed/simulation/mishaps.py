"""What a scenario file wants to go wrong, as the simulator's faults."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.session.actor import PeerName
from testbed.adversaries.disguise import Window
from testbed.adversaries.troupe import PARTS, SPAMMER, Part, Troupe, troupe_of
from testbed.cast import DSO, Cast
from testbed.network.faults import Crash, Faults, Link
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.faults import Fault, FaultKind
from testbed.scenarios.files import ScenarioFile

_PPM_OF_PERCENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishaps:
    """Faults of nodes, adversaries, and the quality of links if it is not the usual one."""

    faults: Faults
    troupe: Troupe
    link: Link | None


def mishaps_of(file: ScenarioFile, cast: Cast) -> Mishaps:
    """Translate the faults of a scenario file.

    Raises:
        ScenarioFileError: a fault names a node that does not exist, or loses messages for a part of the day only.
    """
    crashes: list[Crash] = []
    parts: list[Part] = []
    loss_ppm = 0
    for fault in file.faults:
        if fault.kind is FaultKind.LINK_LOSS:
            if (fault.from_interval, fault.to_interval) != (0, 95):
                got = f"{fault.from_interval}..{fault.to_interval}"
                raise ScenarioFileError(
                    file.path, "[[faults]]", "link-loss lasts the whole day", got=got, expected="0..95"
                )
            loss_ppm += fault.percent * _PPM_OF_PERCENT
            continue
        node, window = _node(file, fault, cast), _window(file, fault, cast)
        if fault.kind in PARTS:
            parts.append(Part(kind=fault.kind, name=node, window=window))
        else:
            crashes.append(Crash(node=node, at_ms=window.from_ms, down_ms=window.to_ms - window.from_ms))
    link = Link(min_delay_ms=5, jitter_ms=20, loss_ppm=loss_ppm) if loss_ppm else None
    return Mishaps(faults=Faults(crashes=tuple(crashes)), troupe=troupe_of(parts, cast), link=link)


def _node(file: ScenarioFile, fault: Fault, cast: Cast) -> PeerName:
    """The actor that a fault is about; its kind says of which sort."""
    sort = fault.kind.value.partition("-")[0]
    nodes: dict[int, PeerName] = {
        "miner": dict(enumerate(cast.miner_names)),
        "solver": dict(enumerate(cast.solver_names)),
        "meter": {home_id: name for name, home_id in cast.meter_names.items()},
        "dso": {0: DSO},
        "spam": {0: SPAMMER},
    }[sort]
    if fault.target not in nodes:
        expected = ", ".join(str(number) for number in list(nodes)[:8])
        raise ScenarioFileError(
            file.path, "[[faults]]", "no such target", got=fault.target, expected=expected
        )
    return nodes[fault.target]


def _window(file: ScenarioFile, fault: Fault, cast: Cast) -> Window:
    """When a fault holds; its intervals count from the start of the day, of which a part may be played."""
    length_ms = cast.scenario.interval_s * 1_000
    start = cast.scenario.first_interval - file.window.from_interval
    return Window(
        from_ms=(start + fault.from_interval) * length_ms, to_ms=(start + fault.to_interval + 1) * length_ms
    )
