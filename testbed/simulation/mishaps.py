"""What a scenario file wants to go wrong, as the simulator's faults."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.cast import Cast
from testbed.network.faults import Crash, Faults, Link
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.files import Fault, FaultKind, ScenarioFile

_PPM_OF_PERCENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishaps:
    """Faults of nodes, and the quality of links if it is not the usual one."""

    faults: Faults
    link: Link | None


def mishaps_of(file: ScenarioFile, cast: Cast) -> Mishaps:
    """Translate the faults of a scenario file.

    Raises:
        ScenarioFileError: a fault names a node that does not exist, is one that needs an adversary (this release
            has none), or loses messages for a part of the day only.
    """
    crashes: list[Crash] = []
    loss_ppm = 0
    for fault in file.faults:
        if fault.kind is FaultKind.LINK_LOSS:
            if (fault.from_interval, fault.to_interval) != (0, cast.scenario.intervals - 1):
                got = f"{fault.from_interval}..{fault.to_interval}"
                raise ScenarioFileError(
                    file.path, "[[faults]]", "link-loss lasts the whole day", got=got, expected="0..95"
                )
            loss_ppm += fault.percent * _PPM_OF_PERCENT
        else:
            crashes.append(_crash(file, fault, cast))
    link = Link(min_delay_ms=5, jitter_ms=20, loss_ppm=loss_ppm) if loss_ppm else None
    return Mishaps(faults=Faults(crashes=tuple(crashes)), link=link)


def _crash(file: ScenarioFile, fault: Fault, cast: Cast) -> Crash:
    nodes = {
        FaultKind.MINER_DOWN: dict(enumerate(cast.miner_names)),
        FaultKind.SOLVER_SILENT: dict(enumerate(cast.solver_names)),
        FaultKind.METER_DOWN: {home_id: name for name, home_id in cast.meter_names.items()},
    }.get(fault.kind)
    if nodes is None:
        expected = "miner-down, solver-silent, meter-down or link-loss"
        raise ScenarioFileError(
            file.path, "[[faults]]", "no adversary plays this yet", got=fault.kind.value, expected=expected
        )
    if fault.target not in nodes:
        expected = ", ".join(str(number) for number in list(nodes)[:8])
        raise ScenarioFileError(
            file.path, "[[faults]]", "no such target", got=fault.target, expected=expected
        )
    length_ms = cast.scenario.interval_s * 1_000
    start_ms = (cast.scenario.first_interval + fault.from_interval) * length_ms
    return Crash(
        node=nodes[fault.target],
        at_ms=start_ms,
        down_ms=(fault.to_interval - fault.from_interval + 1) * length_ms,
    )
