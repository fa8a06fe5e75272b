"""The status page: one document without scripts and without anything from elsewhere.

Order: state, what is wrong, what happens now, how much of it is proven, the last day, the parts, who this is. It
renders whatever is absent. Everything that is shown passes through `markup.escape`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from firmware_app.status import chart, rows, wording
from firmware_app.status.markup import escape
from firmware_app.status.snapshot import Absent, DayPoint, Maybe, MeterView, Notice, ProofView, Snapshot
from firmware_app.status.style import CSS

STALE_MS: Final = 30_000
REFRESH_S: Final = 10
_GOOD: Final = ("ok", "●")
_FAIR: Final = ("warn", "▲")
_BAD: Final = ("bad", "■")
_SHAPES: Final = {"trading": _GOOD, "degraded": _BAD, "halted": _BAD}
_LADDER: Final = ("headers", "own trades", "whole solutions")
_RUNGS: Final = ("Headers are signed by a quorum", "Own trades are final", "The whole solution is optimal")


def render(snapshot: Snapshot, *, age_ms: int = 0) -> str:
    """The page.

    Args:
        snapshot: what is known.
        age_ms: how old it is; above `STALE_MS` the page says so.
    """
    body = "".join(
        (
            _header(snapshot),
            _stale(age_ms),
            _notices(snapshot.notices),
            f'<section class="grid">{_now(snapshot)}{_market(snapshot)}',
            f"{_trust(snapshot)}{_forecast(snapshot)}</section>",
            _day(snapshot),
            _parts(snapshot),
            _footer(snapshot),
        )
    )
    return document(f"{snapshot.device.name}: {snapshot.life.state}", body)


def failed(problem: str) -> str:
    """The page when there is no snapshot: it says why, and what to do."""
    body = (
        f'<header><h1 class="bad"><span>{_BAD[1]}</span>No answer</h1>'
        "<p>The device does not tell how it fares.</p></header>"
        f'<ul><li class="notice bad"><b>{_BAD[1]}</b>{escape(_sentence(problem))}'
        "<small>next: <i>gridlight doctor</i>, on the board</small></li></ul>"
    )
    return document("gridlight: no answer", body)


def document(title: str, body: str) -> str:
    """A whole document around a body."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{body}</main></body></html>\n"
    )


def _header(snapshot: Snapshot) -> str:
    paint, shape = _SHAPES.get(snapshot.life.state, _FAIR)
    state = escape(snapshot.life.state.capitalize())
    return (
        f'<header><h1 class="{paint}"><span aria-hidden="true">{shape}</span>{state}</h1>'
        f'<p>{escape(rows.headline(snapshot))}</p><p class="who">{escape(_who(snapshot))}</p>'
        f"<p>{escape(snapshot.life.sentence)}</p></header>"
    )


def _who(snapshot: Snapshot) -> str:
    feeder = snapshot.device.feeder
    return snapshot.device.name + ("" if isinstance(feeder, Absent) else f" · feeder {feeder}")


def _stale(age_ms: int) -> str:
    if age_ms <= STALE_MS:
        return ""
    text = f"This page shows how things stood {wording.span(age_ms)} ago: the device does not renew it."
    return f'<p class="notice bad"><b>{_BAD[1]}</b>{text}</p>'


def _notices(notices: tuple[Notice, ...]) -> str:
    if not notices:
        return ""
    items = "".join(map(_notice, notices))
    return f'<ul aria-label="warnings">{items}</ul>'


def _notice(notice: Notice) -> str:
    bad = notice.severity == "failure"
    shape = _BAD[1] if bad else _FAIR[1]
    sentence = notice.sentence if notice.subject else _sentence(notice.sentence)
    subject = f"<strong>{escape(notice.subject)}</strong> " if notice.subject else ""
    return (
        f'<li class="notice{" bad" if bad else ""}"><b title="{escape(notice.severity)}">{shape}</b>'
        f"{subject}{escape(sentence)}<small>next: <i>{escape(notice.next)}</i></small></li>"
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# -- cards -----------------------------------------------------------------------------------------------------------


def _card(title: str, body: str) -> str:
    return f'<article class="card"><h2>{escape(title)}</h2>{body}</article>'


def _none(why: str) -> str:
    return f'<p class="big word">&ndash;</p><small>{escape(why)}</small>'


def _pair(name: str, value: str) -> str:
    return f'<p class="pair"><span>{escape(name)}</span>{escape(value)}</p>'


def _now(snapshot: Snapshot) -> str:
    if isinstance(snapshot.meters, Absent):
        return _card("Now", _none(snapshot.meters.why))
    return "".join(
        _card("Now" if len(snapshot.meters) == 1 else f"Now: {meter.name}", _power(meter))
        for meter in snapshot.meters
    )


def _power(meter: MeterView) -> str:
    fresh = f"{wording.age(meter.age_ms)}, quality {meter.quality}"
    if isinstance(meter.power_w, Absent):
        return _none(meter.power_w.why) + _pair(meter.model, fresh)
    number, unit = wording.kw(abs(meter.power_w)).rsplit(" ", 1)
    word, arrow, paint = ("importing", "▼", "in") if meter.power_w > 0 else ("exporting", "▲", "out")
    if meter.power_w == 0:
        word, arrow, paint = "neither importing nor exporting", "●", ""
    return (
        f'<p class="big">{number} <small>{unit}</small></p>'
        f'<p class="dir {paint}"><span aria-hidden="true">{arrow}</span> {word}</p>'
        + _pair(meter.model, fresh)
    )


def _market(snapshot: Snapshot) -> str:
    market = snapshot.market
    if isinstance(market, Absent):
        return _card("Market", _none(market.why))
    when = wording.interval(market.interval, market.interval_s, snapshot.zone_offset_s)
    whole_ms = market.interval_s * 1_000
    position = rows.text(market.position, lambda held: rows.position_line(held, market.currency))
    number = wording.money(market.earned_today_uc, "").strip()
    unit = market.currency
    traded = rows.today(market).removeprefix("today ").rsplit(":", 1)[0]
    return _card(
        "Today",
        f'<p class="big">{escape(number)} <small>{escape(unit)}</small></p><p>{escape(traded)}</p>'
        f'<p class="pair"><span>{escape(when)}</span>ends in {wording.span(market.ends_in_ms)}</p>'
        f"{chart.progress(whole_ms - market.ends_in_ms, whole_ms)}<small>{escape(position)}</small>",
    )


def _trust(snapshot: Snapshot) -> str:
    proof = snapshot.proof
    if isinstance(proof, Absent):
        return _card("Proven", _none(proof.why))
    reached = _LADDER.index(proof.level) + 1 if proof.level in _LADDER else 0
    rungs = "".join(
        f'<li class="{"yes" if at < reached else "no"}"><b class="{"ok" if at < reached else ""}">'
        f"{'✓' if at < reached else '·'}</b><span>{rung}</span></li>"
        for at, rung in enumerate(_RUNGS)
    )
    return _card(
        "Proven",
        f'<p class="big word">{escape(proof.level.capitalize())}</p><ul class="steps">{rungs}</ul>'
        + _pair(f"height {wording.grouped(proof.height)}", wording.age(proof.header_age_ms))
        + _signatures(proof),
    )


def _signatures(proof: ProofView) -> str:
    if isinstance(proof.signed, Absent):
        return f"<small>{escape(proof.why or proof.standing)}</small>"
    of = rows.text(proof.committee, str)
    needed = rows.text(proof.needed, str)
    return f"<small>{escape(f'{proof.signed} of {of} signatures, {needed} needed')}</small>"


def _forecast(snapshot: Snapshot) -> str:
    forecast = snapshot.forecast
    if isinstance(forecast, Absent):
        return _card("Next hour", _none(forecast.why))
    number, unit = wording.kwh(forecast.next_hour_j, 1).rsplit(" ", 1)
    band = f"{wording.kwh(forecast.p10_j, 1).removesuffix(' kWh')} to {wording.kwh(forecast.p90_j, 1)}"
    return _card(
        f"Next hour: {forecast.subject}",
        f'<p class="big">{number} <small>{unit}</small></p>{chart.band(forecast)}'
        f"<small>{band} in 8 of 10 cases</small>" + _pair("Forecast", rows.skill(forecast)),
    )


# -- the day, the parts, who this is ---------------------------------------------------------------------------------

_KEYS: Final = (
    ('<svg width="14" height="12"><path class="in" d="M0 0h14v12H0z"/></svg>', "drawn from the grid"),
    ('<svg width="14" height="12"><path class="out" d="M0 0h14v12H0z"/></svg>', "fed into it"),
    ('<svg width="26" height="12"><path class="deal" d="M0 6h26"/></svg>', "traded and final"),
    ('<svg width="14" height="12"><rect class="gap" width="14" height="12"/></svg>', "no readings"),
)


def _day(snapshot: Snapshot) -> str:
    points = [] if isinstance(snapshot.day, Absent) else chart.recent(snapshot.day)
    if not points:
        why = snapshot.day.why if isinstance(snapshot.day, Absent) else "no finished interval yet"
        return f'<section class="card wide"><h2>Last 24 hours</h2><p>{escape(why)}</p></section>'
    interval_s = 900 if isinstance(snapshot.market, Absent) else snapshot.market.interval_s
    keys = "".join(f"<span>{drawing}{word}</span>" for drawing, word in _KEYS)
    return (
        f'<section class="card wide"><h2>Last 24 hours</h2><p>{escape(chart.summary(points))}</p>'
        f'{chart.day(points, interval_s, snapshot.zone_offset_s)}<p class="key">{keys}</p>'
        f"<details><summary>As a table, kWh</summary>{_table(points, interval_s, snapshot.zone_offset_s)}"
        "</details></section>"
    )


def _table(points: list[DayPoint], interval_s: int, zone_offset_s: int) -> str:
    def cell(energy_j: Maybe[int]) -> str:
        return "&ndash;" if isinstance(energy_j, Absent) else wording.decimal(energy_j, 3_600_000, 2)

    lines = "".join(
        f"<tr><td>{wording.clock(point.interval * interval_s * 1_000, zone_offset_s, seconds=False)}"
        f"<td>{cell(point.net_j)}<td>{cell(point.traded_j)}"
        for point in points
    )
    return f"<table><tr><th>from<th>metered<th>traded{lines}</table>"


def _parts(snapshot: Snapshot) -> str:
    shown = "".join(_term(row) for row in _terms(snapshot))
    return f'<dl class="card">{shown}</dl>'


def _terms(snapshot: Snapshot) -> Iterator[rows.Row]:
    """The sections that are no card above, and the board."""
    yield from (row for row in rows.rows(snapshot) if row.title not in {"Market", "Verified", "Forecast"})
    yield rows.board(snapshot)
    yield rows.links(snapshot)


def _term(row: rows.Row) -> str:
    first, *others = (re.sub(r"\s{2,}", " · ", line) for line in row.lines)
    small = "".join(f"<small>{escape(line)}</small>" for line in others)
    return f"<dt>{escape(row.title)}</dt><dd>{escape(first)}{small}</dd>"


def _footer(snapshot: Snapshot) -> str:
    device = snapshot.device
    genesis = rows.text(device.genesis, lambda text: text)
    return (
        f"<footer><span>gridlight {escape(device.version)}</span><span>genesis {escape(genesis)}</span>"
        f"<span>made {escape(rows.made(snapshot))}</span>"
        '<span><a href="/status.json">status.json</a> · <a href="/metrics">metrics</a></span></footer>'
    )
