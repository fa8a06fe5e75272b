"""A whole rollout from nothing: a desk, a broker, thousands of meters, a push in waves, and what became of each.

The broker is killed and started again when half of the meters have the new version; those who were away come back when
the rollout is through. In the end every meter is asked how it *really* stands: the operator's own view is judged too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testbed.live.deployment import HOST, free_ports
from testbed.rollout.broker import Mosquitto, resident_kib
from testbed.rollout.cast import Part, facts_of
from testbed.rollout.desk import OperatorDesk
from testbed.rollout.fate import Fate, Shares
from testbed.rollout.players import Players
from testbed.rollout.real import RealMeters

CHANGE: Final = "[privacy]\nlot_wh = 250\n"
_POLL_S: Final = 1.0
_ASK_S: Final = 3.0
"""From one question to the desk to the next: each starts a program."""
_SETTLED: Final = ("new", "rolled back")


class TimeOverError(Exception):
    """A step of the rehearsal took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is rehearsed."""

    agents: int
    shares: Shares
    real: int = 0
    """Whole devices beside them, ``gridlight run``."""
    seed: int = 1
    processes: int = 4
    waves: str = "1,5%,25%,100%"
    abort: str = "10%"
    window_s: int = 60
    hold_s: int = 5
    spread_s: float = 30.0
    """Over so long the meters connect."""
    kills_broker: bool = True
    patience_s: float = 3_600.0
    """For each step."""


@dataclass(slots=True)
class Sample:
    """How the meters stood at a moment."""

    at_s: float
    """Since the push."""
    counts: dict[str, int]
    connected: int


@dataclass(slots=True)
class Play:
    """What happened."""

    script: Script
    prepared_s: float = 0.0
    connected_s: float = 0.0
    pushed_s: float = 0.0
    """From the push until nobody who can be reached was under way any more."""
    returned_s: float = 0.0
    """From then until those who were away had settled too."""
    killed_at_s: float | None = None
    back_at_s: float | None = None
    samples: list[Sample] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    truths: list[dict[str, Any]] = field(default_factory=list)
    rollout: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    bundle: str = ""
    memory_kib: dict[str, int] = field(default_factory=dict)

    @property
    def broken(self) -> list[str]:
        """Promises that were not kept; empty if all were."""
        return [*_broken_by(self.truths, self.bundle), *_broken_at_desk(self)]

    def counts(self) -> dict[str, dict[str, int]]:
        """Meters by fate and by what became of them."""
        found: dict[str, Counter[str]] = {}
        for truth in self.truths:
            found.setdefault(truth["fate"], Counter())[_end_of(truth, self.bundle)] += 1
        return {fate: dict(counts) for fate, counts in sorted(found.items())}


Report = Callable[[str, int], None]
"""(step, meters done)."""


def rehearse(script: Script, folder: Path, report: Report) -> Play:
    """Play the script.

    Raises:
        TimeOverError, DeskError, PlayersError, NoBrokerError: the rehearsal itself did not work.
    """
    play = Play(script=script)
    began_s = time.monotonic()
    desk = OperatorDesk(folder)
    port, enrol_port = free_ports(2)
    desk.init(port, enrol_port, script.agents)
    report("enrolling", 0)
    real = RealMeters(folder / "real", tuple(f"real-{number:03d}" for number in range(script.real)))
    requests = real.requests()
    papers = desk.enrol((facts_of(number) for number in range(script.agents)), requests)
    real.join({name: papers / f"{name}.ticket" for name in requests})
    part = Part(
        agents=script.agents,
        first=0,
        last=script.agents,
        key_set=desk.key_set,
        authority=str(desk.folder / "authority" / "authority.crt"),
        papers=str(papers),
        host=HOST,
        port=port,
        seed=script.seed,
        offline=script.shares.offline,
        failing=script.shares.failing,
        powercut=script.shares.powercut,
        spread_s=script.spread_s,
    )
    broker = Mosquitto(desk.folder / "broker", folder / "mosquitto.log")
    play.prepared_s = time.monotonic() - began_s
    with broker, desk, Players(folder, part, script.processes) as players, real:
        _Stage(play, broker, desk, players, real, report).play()
    return play


class _Stage:
    """The running parts of one rehearsal."""

    def __init__(
        self,
        play: Play,
        broker: Mosquitto,
        desk: OperatorDesk,
        players: Players,
        real: RealMeters,
        report: Report,
    ) -> None:
        self._play = play
        self._broker = broker
        self._desk = desk
        self._players = players
        self._real = real
        self._report = report
        script = play.script
        self._away = (script.agents * script.shares.offline + 500) // 1_000
        self._here = script.agents - self._away
        self._pushed_at = 0.0

    def play(self) -> None:
        """All acts."""
        play, script = self._play, self._play.script
        play.connected_s = self._until("connecting", lambda state: int(state["connected"]), self._here)
        self._until_desk_knows()
        pushed = self._desk.push(
            CHANGE, waves=script.waves, abort=script.abort, window_s=script.window_s, hold_s=script.hold_s
        )
        play.bundle = str(pushed["hash"])
        version = int(pushed["version"])
        self._pushed_at = time.monotonic()
        play.pushed_s = self._until("rolling out", self._settled, self._here)
        self._until_done(version)
        self._players.tell("return")
        play.back_at_s = time.monotonic() - self._pushed_at
        play.returned_s = self._until("coming back", self._settled, script.agents)
        self._until_heard(version)
        play.rollout = self._desk.status(version)
        play.audit = self._desk.audit()
        play.truths = [*self._players.truths(), *self._real.truths()]
        play.state = self._players.state()
        self._weigh()

    def _settled(self, state: Mapping[str, Any]) -> int:
        counts = state["counts"]
        done = sum(int(counts.get(word, 0)) for word in _SETTLED)
        if self._play.script.kills_broker and self._play.killed_at_s is None and 2 * done >= self._here:
            self._play.killed_at_s = time.monotonic() - self._pushed_at
            self._weigh()
            self._broker.kill()
            self._broker.start()
        return done

    def _until(self, step: str, done: Callable[[Mapping[str, Any]], int], goal: int) -> float:
        """Until so many meters have done something; how long that took, s."""
        began_s = time.monotonic()
        while True:
            state = self._players.state()
            if self._pushed_at:
                at_s = time.monotonic() - self._pushed_at
                self._play.samples.append(Sample(at_s, dict(state["counts"]), int(state["connected"])))
            count = done(state)
            self._report(step, count)
            if count >= goal:
                return time.monotonic() - began_s
            self._check(began_s, step, f"{count} of {goal}: {state['counts']}")
            time.sleep(_POLL_S)

    def _until_desk_knows(self) -> None:
        self._until_true(
            "the desk hears all meters", lambda: self._fleet_online() >= self._here + len(self._real)
        )

    def _fleet_online(self) -> int:
        return int(self._desk.run("status")["devices"]["online"])

    def _until_done(self, version: int) -> None:
        self._until_true(
            "the desk calls it done", lambda: self._desk.status(version)["standing"] != "running"
        )

    def _until_heard(self, version: int) -> None:
        def is_heard() -> bool:
            counts = self._desk.status(version)["counts"]
            return not any(counts.get(word) for word in ("away", "sent", "applying"))

        self._until_true("the desk hears who came back", is_heard)

    def _until_true(self, step: str, is_so: Callable[[], bool]) -> None:
        began_s = time.monotonic()
        while not is_so():
            self._report(step, 0)
            self._check(began_s, step, "")
            time.sleep(_ASK_S)

    def _check(self, began_s: float, step: str, where: str) -> None:
        pid = self._desk.service_pid
        self._play.memory_kib["desk"] = max(self._play.memory_kib.get("desk", 0), resident_kib(pid))
        if time.monotonic() - began_s > self._play.script.patience_s:
            raise TimeOverError(f"{step}: not within {self._play.script.patience_s:g} s; {where}")

    def _weigh(self) -> None:
        memory = self._play.memory_kib
        memory["broker"] = max(memory.get("broker", 0), self._broker.memory_kib)
        memory["meters"] = max(memory.get("meters", 0), int(self._players.state()["memory_kib"]))
        if len(self._real):
            memory["real meters"] = max(memory.get("real meters", 0), self._real.memory_kib)


def _end_of(truth: Mapping[str, Any], bundle: str) -> str:
    if truth["phase"] != "settled":
        return str(truth["phase"])
    if truth["hash"] == bundle:
        return "new"
    return "rolled back" if truth["failed"] == bundle else "old"


def _broken_by(truths: Sequence[Mapping[str, Any]], bundle: str) -> list[str]:
    """What meters show that was promised not to be."""
    broken = []
    for truth in truths:
        wanted = "rolled back" if truth["fate"] == Fate.FAILING else "new"
        got = _end_of(truth, bundle)
        if got != wanted:
            broken.append(f"{truth['name']}, {truth['fate']}: got {got}, expected {wanted}")
        if truth["mixtures"]:
            broken.append(f"{truth['name']} ran by a mixture {truth['mixtures']} times")
        starts = 2 if truth["fate"] == Fate.POWERCUT else 1
        if truth["starts"] != starts:
            broken.append(
                f"{truth['name']}, {truth['fate']}: started {truth['starts']} times, expected {starts}"
            )
    return broken


def _broken_at_desk(play: Play) -> list[str]:
    fates = Counter(truth["fate"] for truth in play.truths)
    counts = play.rollout.get("counts", {})
    failing = fates[Fate.FAILING]
    expected = {"healthy": play.script.agents + play.script.real - failing, "rolled back": failing}
    broken = []
    if {word: count for word, count in counts.items() if count} != {w: c for w, c in expected.items() if c}:
        broken.append(f"the desk believes {counts}, expected {expected}")
    if not play.audit.get("valid"):
        broken.append(f"the audit is broken: {play.audit.get('reason')}")
    if play.script.kills_broker and play.killed_at_s is None:
        broken.append("the broker was never killed: too few meters settled")
    return broken
