"""What can be wrong with the device: each condition finds itself in a snapshot, says so in one sentence, and names the
next step. One table serves the warnings of status and page, the metrics, and the checks of doctor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeVar

from firmware_app.status import wording
from firmware_app.status.snapshot import Absent, LinkView, Maybe, MeterView, Snapshot

DAMAGED_PERMILLE: Final = 10
"""Share of a meter's answers that may be damaged or missing."""
FEW_ROUNDS: Final = 20
"""Fewer rounds than this tell nothing of quality."""
WRITES_A_DAY: Final = 5_000_000
"""Bytes that may be written to flash in a day (DESIGN: Budget)."""
RESIDENT: Final = 50_000_000
"""Bytes that the program may hold in memory (DESIGN: Budget)."""
FULL_PERCENT: Final = 90
HOT_MC: Final = 80_000
FREE_MEMORY: Final = 30_000_000
FREE_DISK: Final = 50_000_000
CERTIFICATE_DAYS: Final = 14

Severity = Literal["failure", "warning"]
S = TypeVar("S")


class Finding(NamedTuple):
    """A condition that holds.

    Attributes:
        subject: which meter, link or part; empty where there is one only.
        sentence: what is wrong, with numbers.
        next: what to do or to type.
    """

    subject: str
    sentence: str
    next: str


Find = Callable[[Snapshot], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that can be wrong.

    Attributes:
        code: stable; docs/status.md lists all.
        check: id of the doctor check that it belongs to.
        severity: how bad.
        after_ms: how long it must hold before people are told, so that nothing flaps.
        root_causes: codes of which it may be a mere consequence: while one of them holds, this one is not shown.
        find: finds it.
    """

    code: str
    check: str
    severity: Severity
    after_ms: int
    find: Find
    root_causes: tuple[str, ...] = ()


def _known(value: Maybe[S], default: S) -> S:
    return default if isinstance(value, Absent) else value


def _meters(snapshot: Snapshot) -> tuple[MeterView, ...]:
    return _known(snapshot.meters, ())


def _links(snapshot: Snapshot, role: str) -> list[LinkView]:
    return [link for link in _known(snapshot.links, ()) if link.role == role]


# -- board -----------------------------------------------------------------------------------------------------------


def _hot(snapshot: Snapshot) -> Iterator[Finding]:
    board = snapshot.board
    if not isinstance(board, Absent) and _known(board.temperature_mc, 0) >= HOT_MC:
        degrees = _known(board.temperature_mc, 0) // 1_000
        yield Finding(
            "", f"the processor has {degrees} degC, limit {HOT_MC // 1_000}", "give the case more air"
        )


def _memory(snapshot: Snapshot) -> Iterator[Finding]:
    board = snapshot.board
    if isinstance(board, Absent):
        return
    resident, free = _known(board.resident_bytes, 0), _known(board.memory_free_bytes, FREE_MEMORY)
    if resident > RESIDENT:
        yield Finding(
            "",
            f"the program holds {wording.size(resident)}, limit {wording.size(RESIDENT)}",
            "gridlight doctor --bundle, and report it",
        )
    elif free < FREE_MEMORY:
        yield Finding("", f"only {wording.size(free)} of memory are free", "end other programs on this board")


def _disk(snapshot: Snapshot) -> Iterator[Finding]:
    board = snapshot.board
    if not isinstance(board, Absent) and _known(board.disk_free_bytes, FREE_DISK) < FREE_DISK:
        free = wording.size(_known(board.disk_free_bytes, 0))
        yield Finding("", f"only {free} are free where the store is", "delete files that are not the meter's")


# -- clock -----------------------------------------------------------------------------------------------------------


def _untrusted(snapshot: Snapshot) -> Iterator[Finding]:
    clock = snapshot.clock
    if not isinstance(clock, Absent) and clock.state == "untrusted":
        yield Finding(
            "",
            f"the time is not known: {clock.reason}",
            "timedatectl status; is NTP (UDP port 123) blocked?",
        )


def _rescued(snapshot: Snapshot) -> Iterator[Finding]:
    clock = snapshot.clock
    if not isinstance(clock, Absent) and clock.state == "rescued":
        yield Finding(
            "",
            "no time service: the time rests on headers that the miners signed",
            "timedatectl status; is NTP (UDP port 123) blocked?",
        )


# -- meter and counter -----------------------------------------------------------------------------------------------


def _lost(snapshot: Snapshot) -> Iterator[Finding]:
    for meter in _meters(snapshot):
        if isinstance(meter.age_ms, Absent):
            yield Finding(meter.name, f"never read: {meter.age_ms.why}", _wiring(meter))
        elif meter.age_ms > meter.limit_ms:
            yield Finding(
                meter.name,
                f"last reading {wording.age(meter.age_ms)}, limit {wording.span(meter.limit_ms)}",
                _wiring(meter),
            )


def _damaged(snapshot: Snapshot) -> Iterator[Finding]:
    for meter in _meters(snapshot):
        bad = meter.damaged + meter.unanswered
        if meter.rounds < FEW_ROUNDS or bad * 1_000 <= meter.rounds * DAMAGED_PERMILLE:
            continue
        share = wording.decimal(bad * 1_000, meter.rounds * 10, 1)
        sentence = (
            f"{meter.damaged} of {meter.rounds} replies damaged, {meter.unanswered} missing "
            f"({share} %, limit {DAMAGED_PERMILLE // 10} %)"
        )
        advice = (
            "damaged means noise or termination: check the 120-ohm terminators and the shield"
            if meter.damaged >= meter.unanswered
            else "missing means address, speed, parity or A and B swapped: gridlight scan"
        )
        yield Finding(meter.name, sentence, advice)


def _suspect(snapshot: Snapshot) -> Iterator[Finding]:
    for meter in _meters(snapshot):
        if meter.quality not in {"good", "first", "none"}:
            yield Finding(
                meter.name,
                f"the last reading is not believed ({meter.quality}): {meter.reason or 'no reason given'}",
                "nothing is traded on it; docs/reading-quality.md says what each word means",
            )


def _wiring(meter: MeterView) -> str:
    return f"check plug and power of {meter.port.partition(' ')[0]}; gridlight doctor --only meter"


def _simulated(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.device.simulated:
        yield Finding(
            "", "SIMULATED: the readings are made up", "configure a meter before you trade for money"
        )


# -- network, witness, ledger ----------------------------------------------------------------------------------------


def _offline(snapshot: Snapshot) -> Iterator[Finding]:
    market = _links(snapshot, "market")
    if market and not any(link.up for link in market):
        since = wording.span(min(link.since_ago_ms for link in market))
        yield Finding(
            "",
            f"no market server answers, for {since}: {market[0].error or 'no answer'}",
            "check the cable and the router; gridlight doctor --only network",
        )


def _server(snapshot: Snapshot) -> Iterator[Finding]:
    for role in ("market", "management"):
        for link in _links(snapshot, role):
            if not link.up:
                yield Finding(
                    link.name,
                    f"unreachable for {wording.span(link.since_ago_ms)}: {link.error or 'no answer'}",
                    "nothing on this board if others answer; tell the operator",
                )


def _certificate(snapshot: Snapshot) -> Iterator[Finding]:
    for link in _known(snapshot.links, ()):
        if _known(link.certificate_days, CERTIFICATE_DAYS) < CERTIFICATE_DAYS:
            days = _known(link.certificate_days, 0)
            yield Finding(link.name, f"its certificate is valid for {days} more days", "tell the operator")


def _witness(snapshot: Snapshot) -> Iterator[Finding]:
    witnesses = _links(snapshot, "witness")
    left = sum(link.up for link in witnesses)
    for link in witnesses:
        if not link.up:
            seen = (
                "by no witness"
                if left == 0
                else f"by {wording.plural(left, 'witness').replace('ss' + 's', 'sses')} only"
            )
            yield Finding(
                link.name,
                f"unreachable for {wording.span(link.since_ago_ms)}: forks are seen {seen}",
                "tell the operator; nothing to do on this board",
            )


def _halted(snapshot: Snapshot) -> Iterator[Finding]:
    proof = snapshot.proof
    if not isinstance(proof, Absent) and proof.standing == "halted":
        yield Finding(
            "",
            f"trading stopped for good: {proof.why}",
            "call the operator, the evidence is kept; never delete it",
        )


def _expired(snapshot: Snapshot) -> Iterator[Finding]:
    proof = snapshot.proof
    if not isinstance(proof, Absent) and proof.standing == "expired":
        yield Finding(
            "",
            "the newest header that is trusted is too old to vouch for others",
            "ask the operator for a signed checkpoint",
        )


def _behind(snapshot: Snapshot) -> Iterator[Finding]:
    proof = snapshot.proof
    if isinstance(proof, Absent) or isinstance(proof.header_age_ms, Absent):
        return
    if proof.header_age_ms > proof.limit_ms:
        yield Finding(
            "",
            f"the newest verified header is {wording.age(proof.header_age_ms)}, limit {wording.span(proof.limit_ms)}",
            "gridlight doctor --only network; if all answer, the tier stands still: tell the operator",
        )


def _degraded(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.life.state in {"degraded", "halted"}:
        yield Finding("", f"not trading: {snapshot.life.sentence or 'no reason given'}", "gridlight doctor")


# -- forecast, store, config, parts ----------------------------------------------------------------------------------


def _fallback(snapshot: Snapshot) -> Iterator[Finding]:
    forecast = snapshot.forecast
    if not isinstance(forecast, Absent) and forecast.fallback:
        yield Finding(
            "",
            f"the naive forecast is used: {forecast.fallback}",
            "nothing, if the meter is new: it learns for two weeks",
        )


def _unwritable(snapshot: Snapshot) -> Iterator[Finding]:
    store = snapshot.store
    if isinstance(store, Absent):
        return
    if store.read_only:
        yield Finding(
            "",
            f"nothing can be written: {store.problem or 'the file system is read-only'}",
            "replace the card; dmesg | grep mmc",
        )
    elif store.problem:
        yield Finding(
            "", store.problem, "nothing if it was repaired; gridlight doctor --bundle keeps the story"
        )


def _full(snapshot: Snapshot) -> Iterator[Finding]:
    store = snapshot.store
    if not isinstance(store, Absent) and store.used_bytes * 100 > store.quota_bytes * FULL_PERCENT:
        percent = store.used_bytes * 100 // max(1, store.quota_bytes)
        yield Finding(
            "",
            f"{percent} % of {wording.size(store.quota_bytes)} used, {waiting_records(store.waiting)}",
            "bring the network back: what waits cannot be thrown away",
        )


def waiting_records(waiting: int) -> str:
    """How much waits to be sent, in words."""
    return f"{wording.grouped(waiting)} {'record' if waiting == 1 else 'records'} waiting"


def _wear(snapshot: Snapshot) -> Iterator[Finding]:
    store = snapshot.store
    if not isinstance(store, Absent) and store.written_today_bytes > WRITES_A_DAY:
        yield Finding(
            "",
            f"{wording.size(store.written_today_bytes)} written today, limit {wording.size(WRITES_A_DAY)}: "
            "the card wears out",
            "read the meter less often, or commit larger batches ([store] in the configuration)",
        )


def _rejected(snapshot: Snapshot) -> Iterator[Finding]:
    config = snapshot.config
    if not isinstance(config, Absent) and config.state in {"rejected", "rolled back"}:
        yield Finding(
            "",
            f"v{_known(config.desired, config.version)} was {config.state}: {config.problem or 'no reason given'}; "
            f"v{config.version} is in force",
            "tell the operator; gridlight doctor --only config",
        )


def _two_files(snapshot: Snapshot) -> Iterator[Finding]:
    config = snapshot.config
    if not isinstance(config, Absent) and config.state not in {"rejected", "rolled back"} and config.problem:
        yield Finding("", config.problem, f"edit {config.file}")


def _stale(snapshot: Snapshot) -> Iterator[Finding]:
    for part in _known(snapshot.parts, ()):
        if part.state != "working":
            yield Finding(
                part.name,
                f"shows no sign of life for {wording.span(part.age_ms)}, limit {wording.span(part.limit_ms)}; "
                f"restarted {wording.plural(part.restarts, 'time')}",
                "it restarts by itself; if it goes on: gridlight doctor --bundle, and report it",
            )


_S: Final = 1_000
_MIN: Final = 60_000
CONDITIONS: Final = (
    Condition(code="ledger-halted", check="ledger", severity="failure", after_ms=0, find=_halted),
    Condition(code="store-unwritable", check="store", severity="failure", after_ms=0, find=_unwritable),
    Condition(code="clock-untrusted", check="clock", severity="failure", after_ms=_MIN, find=_untrusted),
    Condition(code="meter-lost", check="meter", severity="failure", after_ms=0, find=_lost),
    Condition(
        code="counter-suspect",
        check="counter",
        severity="failure",
        after_ms=0,
        find=_suspect,
        root_causes=("meter-lost",),
    ),
    Condition(code="network-down", check="network", severity="failure", after_ms=2 * _MIN, find=_offline),
    Condition(
        code="ledger-expired",
        check="ledger",
        severity="failure",
        after_ms=0,
        find=_expired,
        root_causes=("clock-untrusted",),
    ),
    Condition(code="part-stale", check="parts", severity="failure", after_ms=0, find=_stale),
    Condition(code="config-rejected", check="config", severity="failure", after_ms=0, find=_rejected),
    Condition(
        code="meter-damaged",
        check="meter",
        severity="failure",
        after_ms=5 * _MIN,
        find=_damaged,
        root_causes=("meter-lost",),
    ),
    Condition(code="simulated", check="meter", severity="warning", after_ms=0, find=_simulated),
    Condition(
        code="not-trading",
        check="ledger",
        severity="warning",
        after_ms=_MIN,
        find=_degraded,
        root_causes=(
            "ledger-halted",
            "ledger-expired",
            "clock-untrusted",
            "meter-lost",
            "counter-suspect",
            "network-down",
            "ledger-behind",
            "store-unwritable",
            "part-stale",
        ),
    ),
    Condition(code="clock-rescued", check="clock", severity="warning", after_ms=10 * _MIN, find=_rescued),
    Condition(
        code="ledger-behind",
        check="ledger",
        severity="warning",
        after_ms=_MIN,
        find=_behind,
        root_causes=("ledger-halted", "ledger-expired", "clock-untrusted", "network-down"),
    ),
    Condition(
        code="server-unreachable",
        check="network",
        severity="warning",
        after_ms=5 * _MIN,
        find=_server,
        root_causes=("network-down",),
    ),
    Condition(
        code="witness-unreachable",
        check="witness",
        severity="warning",
        after_ms=5 * _MIN,
        find=_witness,
        root_causes=("network-down",),
    ),
    Condition(code="certificate-ends", check="network", severity="warning", after_ms=0, find=_certificate),
    Condition(code="store-full", check="store", severity="warning", after_ms=0, find=_full),
    Condition(code="store-wear", check="store", severity="warning", after_ms=0, find=_wear),
    Condition(
        code="forecast-fallback",
        check="forecast",
        severity="warning",
        after_ms=10 * _MIN,
        find=_fallback,
        root_causes=("clock-untrusted", "meter-lost"),
    ),
    Condition(code="config-doubtful", check="config", severity="warning", after_ms=0, find=_two_files),
    Condition(code="board-memory", check="board", severity="warning", after_ms=5 * _MIN, find=_memory),
    Condition(code="board-disk", check="board", severity="warning", after_ms=0, find=_disk),
    Condition(code="board-hot", check="board", severity="warning", after_ms=5 * _MIN, find=_hot),
)
"""All conditions, the worst first."""
