"""Finding what is wrong in a snapshot: one function for each condition of `conditions.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

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
HELD_OVER_MS: Final = 3_600_000
"""After so long without a time service people are told; one that polls rarely is no reason."""
HOT_MC: Final = 80_000
FREE_MEMORY: Final = 30_000_000
FREE_DISK: Final = 50_000_000
CERTIFICATE_DAYS: Final = 14

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


def _known(value: Maybe[S], default: S) -> S:
    return default if isinstance(value, Absent) else value


def _meters(snapshot: Snapshot) -> tuple[MeterView, ...]:
    return _known(snapshot.meters, ())


def _links(snapshot: Snapshot, role: str) -> list[LinkView]:
    return [link for link in _known(snapshot.links, ()) if link.role == role]


# -- board -----------------------------------------------------------------------------------------------------------


def hot(snapshot: Snapshot) -> Iterator[Finding]:
    """The processor is too hot."""
    board = snapshot.board
    if not isinstance(board, Absent) and _known(board.temperature_mc, 0) >= HOT_MC:
        degrees = _known(board.temperature_mc, 0) // 1_000
        yield Finding(
            "", f"the processor has {degrees} degC, limit {HOT_MC // 1_000}", "give the case more air"
        )


def memory(snapshot: Snapshot) -> Iterator[Finding]:
    """Too much memory is held, or too little is free."""
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


def disk(snapshot: Snapshot) -> Iterator[Finding]:
    """The disk is full."""
    board = snapshot.board
    if not isinstance(board, Absent) and _known(board.disk_free_bytes, FREE_DISK) < FREE_DISK:
        free = wording.size(_known(board.disk_free_bytes, 0))
        yield Finding("", f"only {free} are free where the store is", "delete files that are not the meter's")


# -- clock -----------------------------------------------------------------------------------------------------------


def untrusted(snapshot: Snapshot) -> Iterator[Finding]:
    """The time is not known."""
    clock = snapshot.clock
    if not isinstance(clock, Absent) and clock.state == "untrusted":
        yield Finding(
            "",
            f"the time is not known: {clock.reason}",
            "timedatectl status; is NTP (UDP port 123) blocked?",
        )


def held_over(snapshot: Snapshot) -> Iterator[Finding]:
    """The time service is gone, and the clock is still believed."""
    clock = snapshot.clock
    if isinstance(clock, Absent) or clock.state != "trusted":
        return
    if _known(clock.synchronised_ago_ms, 0) > HELD_OVER_MS:
        ago = wording.span(_known(clock.synchronised_ago_ms, 0))
        yield Finding(
            "",
            f"no time service for {ago}: the clock is believed for a day at most",
            "timedatectl status; is NTP (UDP port 123) blocked?",
        )


def rescued(snapshot: Snapshot) -> Iterator[Finding]:
    """The time rests on signed headers."""
    clock = snapshot.clock
    if not isinstance(clock, Absent) and clock.state == "rescued":
        yield Finding(
            "",
            "no time service: the time rests on headers that the miners signed",
            "timedatectl status; is NTP (UDP port 123) blocked?",
        )


# -- meter and counter -----------------------------------------------------------------------------------------------


def lost(snapshot: Snapshot) -> Iterator[Finding]:
    """A meter is not read any more."""
    for meter in _meters(snapshot):
        if isinstance(meter.age_ms, Absent):
            yield Finding(meter.name, f"never read: {meter.age_ms.why}", _wiring(meter))
        elif meter.age_ms > meter.limit_ms:
            yield Finding(
                meter.name,
                f"last reading {wording.age(meter.age_ms)}, limit {wording.span(meter.limit_ms)}",
                _wiring(meter),
            )


def damaged(snapshot: Snapshot) -> Iterator[Finding]:
    """Too many answers of a meter are damaged or missing."""
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


def suspect(snapshot: Snapshot) -> Iterator[Finding]:
    """A counter is not believed."""
    for meter in _meters(snapshot):
        if meter.quality not in {"good", "first", "none"}:
            yield Finding(
                meter.name,
                f"the last reading is not believed ({meter.quality}): {meter.reason or 'no reason given'}",
                "nothing is traded on it; docs/reading-quality.md says what each word means",
            )


def _wiring(meter: MeterView) -> str:
    return f"check plug and power of {meter.port.partition(' ')[0]}; gridlight doctor --only meter"


def simulated(snapshot: Snapshot) -> Iterator[Finding]:
    """Readings are made up."""
    if snapshot.device.simulated:
        yield Finding(
            "", "SIMULATED: the readings are made up", "configure a meter before you trade for money"
        )


def charge_unknown(snapshot: Snapshot) -> Iterator[Finding]:
    """Nobody knows what the battery holds."""
    battery = snapshot.battery
    if not isinstance(battery, Absent) and isinstance(battery.stored_j, Absent):
        yield Finding(
            battery.meter,
            f"nobody knows what the battery holds, so nothing is offered out of it: {battery.stored_j.why}",
            f"check the meter {battery.meter}; gridlight read {battery.meter}; [battery] of the configuration",
        )


# -- network, witness, ledger ----------------------------------------------------------------------------------------


def offline(snapshot: Snapshot) -> Iterator[Finding]:
    """No market server answers."""
    market = _links(snapshot, "market")
    if market and not any(link.up for link in market):
        since = wording.span(min(link.since_ago_ms for link in market))
        yield Finding(
            "",
            f"no market server answers, for {since}: {market[0].error or 'no answer'}",
            "check the cable and the router; gridlight doctor --only network",
        )


def server(snapshot: Snapshot) -> Iterator[Finding]:
    """One server does not answer."""
    for role in ("market", "management"):
        for link in _links(snapshot, role):
            if not link.up:
                yield Finding(
                    link.name,
                    f"unreachable for {wording.span(link.since_ago_ms)}: {link.error or 'no answer'}",
                    "nothing on this board if others answer; tell the operator",
                )


def certificate(snapshot: Snapshot) -> Iterator[Finding]:
    """A certificate ends soon."""
    for link in _known(snapshot.links, ()):
        if _known(link.certificate_days, CERTIFICATE_DAYS) < CERTIFICATE_DAYS:
            days = _known(link.certificate_days, 0)
            yield Finding(link.name, f"its certificate is valid for {days} more days", "tell the operator")


def witness(snapshot: Snapshot) -> Iterator[Finding]:
    """A witness does not answer."""
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


def halted(snapshot: Snapshot) -> Iterator[Finding]:
    """The chain contradicted itself."""
    proof = snapshot.proof
    if not isinstance(proof, Absent) and proof.standing == "halted":
        yield Finding(
            "",
            f"trading stopped for good: {proof.why}",
            "call the operator, the evidence is kept; never delete it",
        )


def expired(snapshot: Snapshot) -> Iterator[Finding]:
    """The trusting period is over."""
    proof = snapshot.proof
    if not isinstance(proof, Absent) and proof.standing == "expired":
        yield Finding(
            "",
            "the newest header that is trusted is too old to vouch for others",
            "ask the operator for a signed checkpoint",
        )


def behind(snapshot: Snapshot) -> Iterator[Finding]:
    """The newest verified header is old."""
    proof = snapshot.proof
    if isinstance(proof, Absent) or isinstance(proof.header_age_ms, Absent):
        return
    if proof.header_age_ms > proof.limit_ms:
        yield Finding(
            "",
            f"the newest verified header is {wording.age(proof.header_age_ms)}, limit {wording.span(proof.limit_ms)}",
            "gridlight doctor --only network; if all answer, the tier stands still: tell the operator",
        )


def degraded(snapshot: Snapshot) -> Iterator[Finding]:
    """The device does not trade."""
    if snapshot.life.state in {"degraded", "halted"}:
        yield Finding("", f"not trading: {snapshot.life.sentence or 'no reason given'}", "gridlight doctor")


# -- forecast, store, config, parts ----------------------------------------------------------------------------------


def fallback(snapshot: Snapshot) -> Iterator[Finding]:
    """The naive forecast is used."""
    forecast = snapshot.forecast
    if not isinstance(forecast, Absent) and forecast.fallback:
        yield Finding(
            "",
            f"the naive forecast is used: {forecast.fallback}",
            "nothing, if the meter is new: it learns for two weeks",
        )


def unwritable(snapshot: Snapshot) -> Iterator[Finding]:
    """The store cannot write, or had to be repaired."""
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


def full(snapshot: Snapshot) -> Iterator[Finding]:
    """The store is nearly full."""
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


def wear(snapshot: Snapshot) -> Iterator[Finding]:
    """The card wears out."""
    store = snapshot.store
    if not isinstance(store, Absent) and store.written_today_bytes > WRITES_A_DAY:
        yield Finding(
            "",
            f"{wording.size(store.written_today_bytes)} written today, limit {wording.size(WRITES_A_DAY)}: "
            "the card wears out",
            "read the meter less often, or commit larger batches ([store] in the configuration)",
        )


def rejected(snapshot: Snapshot) -> Iterator[Finding]:
    """A configuration was refused."""
    config = snapshot.config
    if not isinstance(config, Absent) and config.state in {"rejected", "rolled back"}:
        yield Finding(
            "",
            f"v{_known(config.desired, config.version)} was {config.state}: {config.problem or 'no reason given'}; "
            f"v{config.version} is in force",
            "tell the operator; gridlight doctor --only config",
        )


def two_files(snapshot: Snapshot) -> Iterator[Finding]:
    """The configuration is doubtful."""
    config = snapshot.config
    if not isinstance(config, Absent) and config.state not in {"rejected", "rolled back"} and config.problem:
        yield Finding("", config.problem, f"edit {config.file}")


def stale(snapshot: Snapshot) -> Iterator[Finding]:
    """A part shows no sign of life."""
    for part in _known(snapshot.parts, ()):
        if part.state != "working":
            yield Finding(
                part.name,
                f"shows no sign of life for {wording.span(part.age_ms)}, limit {wording.span(part.limit_ms)}; "
                f"restarted {wording.plural(part.restarts, 'time')}",
                "it restarts by itself; if it goes on: gridlight doctor --bundle, and report it",
            )
