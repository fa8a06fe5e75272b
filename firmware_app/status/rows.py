"""What each section says in words: the lines that terminal and page have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from firmware_app.status import wording
from firmware_app.status.findings import waiting_records
from firmware_app.status.snapshot import (
    Absent,
    BatteryView,
    ClockView,
    ConfigView,
    ForecastView,
    LinkView,
    MarketView,
    Maybe,
    MeterView,
    OwedView,
    Position,
    ProofView,
    Snapshot,
    StoreView,
)

S = TypeVar("S")


class Row(NamedTuple):
    """One section.

    Attributes:
        title: one word.
        lines: what it says; the first is the gist.
    """

    title: str
    lines: tuple[str, ...]


def rows(snapshot: Snapshot) -> Iterator[Row]:
    """Yield every section, absent ones with their reason."""
    yield from _meters(snapshot)
    yield _section("Clock", snapshot.clock, _clock)
    yield _section("Market", snapshot.market, lambda view: _market(view, snapshot.zone_offset_s))
    if not isinstance(snapshot.battery, Absent):
        yield _section("Battery", snapshot.battery, _battery)
    yield _section("Owed", snapshot.owed, _owed)
    yield _section("Verified", snapshot.proof, lambda view: _proof(view, snapshot.zone_offset_s))
    yield _section("Forecast", snapshot.forecast, _forecast)
    yield _section("Store", snapshot.store, _store)
    yield _section("Config", snapshot.config, lambda view: _config(view, snapshot))


def text(value: Maybe[S], shown: Callable[[S], str]) -> str:
    """A value in words, or in brackets why there is none."""
    return f"({value.why})" if isinstance(value, Absent) else shown(value)


def headline(snapshot: Snapshot) -> str:
    """Since when the device is in its state, and how long it runs; empty if it does not."""
    if snapshot.device.up_ms == 0:
        return ""
    since = wording.since(snapshot.life.since_ago_ms, snapshot.made_utc_ms, snapshot.zone_offset_s)
    return f"{since}, up {wording.span(snapshot.device.up_ms)}"


def made(snapshot: Snapshot) -> str:
    """When the snapshot was made, by local time."""
    if isinstance(snapshot.made_utc_ms, Absent):
        return f"time not known ({snapshot.made_utc_ms.why})"
    return wording.moment(snapshot.made_utc_ms, snapshot.zone_offset_s)


def identity(snapshot: Snapshot) -> str:
    """Name, feeder and release."""
    device = snapshot.device
    feeder = "" if isinstance(device.feeder, Absent) else f"feeder {device.feeder}  "
    return f"{device.name}  {feeder}gridlight {device.version}{'  SIMULATED' if device.simulated else ''}"


def counts(snapshot: Snapshot) -> str:
    """How much is wrong."""
    failures = sum(notice.severity == "failure" for notice in snapshot.notices)
    warnings = len(snapshot.notices) - failures
    words = [
        wording.plural(count, noun) for count, noun in ((failures, "failure"), (warnings, "warning")) if count
    ]
    return ", ".join(words)


def _section(title: str, view: Maybe[S], lines: Callable[[S], tuple[str, ...]]) -> Row:
    return Row(title, (view.why,) if isinstance(view, Absent) else lines(view))


def _meters(snapshot: Snapshot) -> Iterator[Row]:
    if isinstance(snapshot.meters, Absent):
        yield Row("Meter", (snapshot.meters.why,))
        return
    for meter in snapshot.meters:
        title = "Meter" if len(snapshot.meters) == 1 else meter.name.capitalize()
        yield Row(title, meter_lines(meter))


def meter_lines(meter: MeterView) -> tuple[str, ...]:
    """Model and freshness, then what it counts."""
    fresh = f"{wording.age(meter.age_ms)}, quality {meter.quality}"
    totals = (
        f"{text(meter.power_w, wording.flow)}    "
        f"import {text(meter.import_j, lambda joules: wording.kwh(joules, 3))}    "
        f"export {text(meter.export_j, lambda joules: wording.kwh(joules, 3))}"
    )
    bad = meter.damaged + meter.unanswered
    lately = f"{meter.damaged} of {meter.rounds} rounds of the last hour damaged, {meter.unanswered} without an answer"
    return (f"{f'{meter.model}, {meter.port}':<35} {fresh}", totals, *((lately,) if bad else ()))


_LONG_MS: Final = 600_000
"""After so long without a time service a clock is not called synchronised."""
_CLOCK_WORDS: Final = {
    "trusted": "synchronised",
    "rescued": "by signed time of the tier",
    "untrusted": "not trusted",
}


def _clock(clock: ClockView) -> tuple[str, ...]:
    words = [_CLOCK_WORDS.get(clock.state, clock.state)]
    if clock.state == "untrusted":
        return (f"{words[0]}: {clock.reason}", "nothing is traded until the time is known")
    lost_ms = 0 if isinstance(clock.synchronised_ago_ms, Absent) else clock.synchronised_ago_ms
    if clock.state == "trusted" and lost_ms > _LONG_MS:
        return (f"held over, last synchronised {wording.span(lost_ms)} ago",)
    if not isinstance(clock.offset_us, Absent):
        words.append(wording.offset(clock.offset_us))
    if not isinstance(clock.stratum, Absent):
        words.append(f"stratum {clock.stratum}")
    return (", ".join(words),)


def _market(market: MarketView, zone_offset_s: int) -> tuple[str, ...]:
    when = wording.interval(market.interval, market.interval_s, zone_offset_s)
    return (
        f"{when} (#{market.interval}), ends in {wording.span(market.ends_in_ms)}",
        text(market.position, lambda position: position_line(position, market.currency)),
        today(market),
        *((f"last offer: {market.last_offer}",) if market.last_offer else ()),
    )


def position_line(position: Position, currency: str) -> str:
    """What is traded in the running interval: `sold 0.50 of 0.50 kWh at 0.1420 EUR/kWh`."""
    done = wording.kwh(position.done_j).removesuffix(" kWh")
    at = (
        ""
        if isinstance(position.price_uc_per_kwh, Absent)
        else f" at {wording.price(position.price_uc_per_kwh, currency)}"
    )
    return f"{position.side} {done} of {wording.kwh(position.wanted_j)}{at}"


def today(market: MarketView) -> str:
    """What the day brought: `today sold 6.25 kWh, 0.89 EUR`."""
    parts = [
        f"{word} {wording.kwh(energy_j)}"
        for energy_j, word in ((market.sold_today_j, "sold"), (market.bought_today_j, "bought"))
        if energy_j
    ]
    traded = " and ".join(parts) or "nothing traded"
    return f"today {traded}: {wording.money(market.earned_today_uc, market.currency)}"


def _battery(battery: BatteryView) -> tuple[str, ...]:
    whole = wording.kwh(battery.capacity_j, 1)
    stored = text(battery.stored_j, lambda joules: wording.kwh(joules, 1).removesuffix(" kWh"))
    held = (
        f"{wording.kwh(battery.hold_j, 1)} held for promises"
        if battery.sells
        else "nothing is sold out of it"
    )
    return (f"{stored} of {whole}, {wording.age(battery.age_ms)}; {held}",)


def _owed(owed: OwedView) -> tuple[str, ...]:
    flow = "drawn" if owed.today_deviation_j < 0 else "fed in"
    energy = wording.kwh(abs(owed.today_deviation_j))
    doubt = f", {wording.plural(owed.provisional, 'interval')} provisional" if owed.provisional else ""
    report = text(owed.reported_utc_ms, lambda utc_ms: f"of {wording.utc(utc_ms)[:10]}")
    version = "" if isinstance(owed.version, Absent) else f", v{owed.version}"
    waits = f", {owed.waiting} not acknowledged yet" if owed.waiting else ""
    return (
        f"today {energy} {flow} beside the market: {_due(owed.today_owed_uc, owed.currency)}",
        f"{wording.plural(owed.days, 'day')} before: {_due(owed.owed_uc, owed.currency)}{doubt}",
        f"last report {report}{version}{waits}",
    )


def _due(owed_uc: int, currency: str) -> str:
    """Who owes how much."""
    word = "owed" if owed_uc >= 0 else "due to you"
    return f"{wording.money(abs(owed_uc), currency)} {word}"


def _proof(proof: ProofView, zone_offset_s: int) -> tuple[str, ...]:
    gist = f"height {wording.grouped(proof.height)}, {wording.age(proof.header_age_ms)}"
    if not isinstance(proof.signed, Absent):
        needed = text(proof.needed, str)
        gist += f", {proof.signed} of {text(proof.committee, str)} signatures ({needed} needed)"
    trust = "   ".join(
        f"{name}: {text(value, _yes)}"
        for name, value in (("own trades", proof.own_trades), ("own balance", proof.own_balance))
    )
    whole = text(
        proof.solution_interval,
        lambda index: f"yes, {wording.clock(index * 900_000, zone_offset_s, seconds=False)}",
    )
    standing = "" if proof.standing == "following" else f"{proof.standing}: "
    return (standing + gist, f"{trust}   whole solution: {whole}")


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "yes" if value else "no"


def _forecast(forecast: ForecastView) -> tuple[str, ...]:
    def plain(energy_j: int) -> str:
        return wording.kwh(energy_j, 1).removesuffix(" kWh")

    gist = (
        f"{forecast.subject} next hour {wording.kwh(forecast.next_hour_j, 1)} "
        f"(P10 {plain(forecast.p10_j)}, P90 {plain(forecast.p90_j)})"
    )
    return (f"{gist}; {skill(forecast)}",)


def skill(forecast: ForecastView) -> str:
    """How the forecast does against the naive one."""
    if forecast.fallback:
        return f"naive forecast used: {forecast.fallback}"
    if isinstance(forecast.skill_permille, Absent):
        return forecast.skill_permille.why
    word = "better" if forecast.skill_permille >= 0 else "worse"
    return f"{wording.decimal(abs(forecast.skill_permille), 10, 0)} % {word} than naive"


def _store(store: StoreView) -> tuple[str, ...]:
    used = store.used_bytes * 100 // max(1, store.quota_bytes)
    gist = (
        f"{waiting_records(store.waiting)}; {used} % of {wording.size(store.quota_bytes)} used; "
        f"{wording.size(store.written_today_bytes)} written today"
    )
    if store.problem or store.read_only:
        return (gist, store.problem or "read-only")
    holds = text(store.holds_days, lambda days: f"holds {wording.plural(days, 'day')} at this rate")
    buffer = text(store.buffer_days, lambda days: f"{wording.plural(days, 'day')} of buffer left")
    return (gist, f"{holds}; {buffer}")


def _config(config: ConfigView, snapshot: Snapshot) -> tuple[str, ...]:
    since = text(
        config.since_ago_ms,
        lambda ago_ms: wording.since(ago_ms, snapshot.made_utc_ms, snapshot.zone_offset_s),
    )
    gist = f"v{config.version}, {config.state} {since}"
    if not isinstance(snapshot.slots, Absent):
        gist += "; " + ", ".join(
            f"slot {slot.name}{' (booted)' if slot.booted else ''} {slot.state}" for slot in snapshot.slots
        )
    wanted = text(config.desired, lambda version: f"the operator wants v{version}")
    differs = not isinstance(config.desired, Absent) and config.desired != config.version
    return (gist, *((wanted,) if differs else ()), *((config.problem,) if config.problem else ()))


def board(snapshot: Snapshot) -> Row:
    """The computer, in one line."""
    there = snapshot.board
    if isinstance(there, Absent):
        return Row("Board", (there.why,))
    parts = [there.title]
    for value, words in (
        (there.resident_bytes, "used by gridlight"),
        (there.memory_free_bytes, "of memory free"),
        (there.disk_free_bytes, "of disk free"),
    ):
        if not isinstance(value, Absent):
            parts.append(f"{wording.size(value)} {words}")
    if not isinstance(there.temperature_mc, Absent):
        parts.append(f"{there.temperature_mc // 1_000} degC")
    if there.root_read_only is True:
        parts.append("root read-only")
    return Row("Board", (", ".join(parts),))


def links(snapshot: Snapshot) -> Row:
    """Who answers, and how fast."""
    if isinstance(snapshot.links, Absent):
        return Row("Network", (snapshot.links.why,))
    return Row("Network", tuple(map(_link, snapshot.links)) or ("nobody is to be asked",))


def _link(link: LinkView) -> str:
    if not link.up:
        since = wording.span(link.since_ago_ms)
        return f"{link.name} ({link.role}): unreachable for {since}, {link.error or 'no answer'}"
    words = [f"{link.name} ({link.role})", text(link.latency_ms, lambda ms: f"{ms} ms")]
    if not isinstance(link.certificate_days, Absent):
        words.append(f"certificate valid {link.certificate_days} d")
    return ", ".join(words)
