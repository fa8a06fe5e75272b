"""What the report files of a run say: chain, finals, meters, refusals; read while they are written."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from light_client.rules.ledger.genesis import Genesis
from testbed.cast import DSO
from testbed.live.deployment import Deployment

REFUSALS: Final = frozenset(
    {"refused", "message-refused", "block-refused", "tx-refused", "solution-refused", "withdrawal-refused"}
)
"""Reports that somebody refused something."""
CHECKS: Final = ("headers", "solutions", "trades", "balances", "rejected")
"""What a meter counts, see `roles.status_of`."""
_READ_BYTES: Final = 4 << 20


class Tail:
    """Reads the lines that were added to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines since the last call but the headers; a line that a crash cut off is passed over."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            added = file.read(_READ_BYTES)
        self._offset += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        for line in whole:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if "schema" not in found:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalInterval:
    """One interval that became final."""

    height: int
    """Of the block that cleared it."""
    how: str
    traded_j: int
    late_ms: int
    """From its gate to the block that cleared it, virtual ms."""


@dataclass(slots=True, kw_only=True)
class View:
    """What is known of the run so far."""

    genesis: Genesis
    wanted: range
    """Intervals of the run; those that are cleared after them are not counted."""
    heights: dict[str, int] = field(default_factory=dict)
    """Actor -> height of its newest block."""
    tips: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Actor -> height and hash of its newest block, as of its last status."""
    chains: dict[str, dict[int, str]] = field(default_factory=dict)
    """Miner or DSO -> height -> hash."""
    finals: dict[int, FinalInterval] = field(default_factory=dict)
    """Interval -> how it became final, by the DSO's copy of the chain."""
    counted: int = 0
    """Height up to which the DSO's blocks are in what follows."""
    extra_rounds: int = 0
    paid_uc: int = 0
    events: Counter[str] = field(default_factory=Counter)
    meters: dict[str, dict[str, int]] = field(default_factory=dict)
    """Meter -> what it checked."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Rule -> how often it was broken."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Rule -> the newest refusal."""
    halted: dict[str, str] = field(default_factory=dict)
    """Meter -> why it stopped believing the chain."""
    late_ms: int = 0
    """Worst delay of a timer, virtual ms."""

    def take(self, line: dict[str, Any]) -> None:
        """Take in one report."""
        actor, name, value = line["actor"], line["name"], line["value"]
        match name:
            case "block":
                self._block(actor, value)
            case "live.status":
                self._status(actor, value)
            case "live.load":
                self.late_ms = max(self.late_ms, value["latest_ms"])
            case "halted":
                self.halted[actor] = str(value)
            case _ if name in REFUSALS:
                rule = _rule_of(value)
                self.refusals[rule] += 1
                self.reasons[rule] = f"{actor}: {name} {value}"

    def _block(self, actor: str, block: dict[str, Any]) -> None:
        height = block["height"]
        self.heights[actor] = height
        if height in self.chains.setdefault(actor, {}) and self.chains[actor][height] != block["hash"]:
            self.halted[actor] = f"two blocks of height {height}"
        self.chains[actor][height] = block["hash"]
        if actor != DSO or height <= self.counted:  # after a restart it follows the chain anew
            return
        self.counted = height
        self.extra_rounds += block["round"]
        self.paid_uc += block["paid_uc"]
        self.events.update(block["events"])
        if block["interval"] in self.wanted:
            late_ms = block["time_ms"] - self.genesis.gate_ms(block["interval"])
            self.finals[block["interval"]] = FinalInterval(
                height=height, how=block["how"], traded_j=block["traded_j"], late_ms=late_ms
            )

    def _status(self, actor: str, status: dict[str, Any]) -> None:
        self.heights[actor] = status["height"]
        if status["tip"] is not None:
            self.tips[actor] = (status["height"], status["tip"])
        if "solutions" in status:
            self.meters[actor] = {key: status[key] for key in ("height", *CHECKS)}

    @property
    def height(self) -> int:
        """Height of the longest copy of the chain."""
        return max(self.heights.values(), default=0)

    @property
    def traded_j(self) -> int:
        """Final energy, J."""
        return sum(final.traded_j for final in self.finals.values())

    def checked(self, what: str) -> int:
        """Sum over the meters of what they checked."""
        return sum(meter[what] for meter in self.meters.values())

    def behind(self, copies: Iterable[str]) -> list[str]:
        """Those of the copies that do not reach the block that cleared the newest final interval."""
        height = max((final.height for final in self.finals.values()), default=0)
        return [name for name in copies if self.heights.get(name, 0) < height]

    def forks(self) -> list[int]:
        """Heights at which two of the copies differ."""
        seen: dict[int, set[str]] = {}
        for chain in self.chains.values():
            for height, block in chain.items():
                seen.setdefault(height, set()).add(block)
        for height, tip in self.tips.values():
            if height:
                seen.setdefault(height, set()).add(tip)
        return sorted(height for height, blocks in seen.items() if len(blocks) > 1)


def _rule_of(value: object) -> str:
    """The rule id in what a refusal reports: alone, before a colon, or after the name of the peer."""
    text = str(value[-1] if isinstance(value, list) and value else value)
    return text.partition(":")[0] if text else "no rule"


class Watch:
    """Follows all report files of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        scenario = deployment.cast.scenario
        wanted = range(scenario.first_interval, scenario.last_interval + 1)
        self.view = View(genesis=deployment.cast.genesis, wanted=wanted)
        self._tails = [Tail(node.reports) for node in deployment.nodes]

    def look(self) -> View:
        """Take in what was added, and return the view."""
        for line in self._added():
            self.view.take(line)
        return self.view

    def _added(self) -> Iterable[dict[str, Any]]:
        for tail in self._tails:
            yield from tail.lines()
