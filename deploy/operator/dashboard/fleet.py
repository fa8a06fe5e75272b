"""The page of the fleet: what needs a person, the rollouts, the map by feeder; and the page of one feeder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from deploy.operator.auditing import shown_time
from deploy.operator.dashboard.markup import SHAPES, bar, card, document, link, spoken, table, tile
from deploy.operator.desk.audit import Entry
from deploy.operator.overview import CONDITIONS

MAX_CELLS: Final = 1_000
"""In a larger fleet the map shows feeders, and each feeder has a page with its meters."""
_GROUND: Final = "<nav>gridlight fleet</nav>"


def render(
    overview: Mapping[str, Any], cells: Mapping[int, Sequence[tuple[str, str]]], audit: Sequence[Entry]
) -> str:
    """The page.

    Args:
        overview: of the fleet.
        cells: feeder -> name and condition of its meters; empty in a fleet that is too large for that.
        audit: the newest entries.
    """
    body = _GROUND + _header(overview) + _attention(overview["attention"]) + _tiles(overview)
    body += _rollouts(overview) + _map(overview["feeders"], cells) + _versions(overview) + _audit(audit)
    return document("gridlight fleet", body + _footer(overview))


def render_feeder(feeder: int, members: Sequence[tuple[str, str]]) -> str:
    """The page of one feeder."""
    head = f"<header><h1>Feeder {feeder}</h1><p>{len(members)} meters</p></header>"
    rows = [(link(f"/device/{name}", name), _word(condition)) for name, condition in members]
    body = f'<section class="card">{_cells(members)}{_legend()}</section>'
    body += f'<section class="card">{table(("Meter", "State"), rows)}</section>'
    return document(f"Feeder {feeder}", f"<nav>{link('/', 'gridlight fleet')}</nav>{head}{body}")


def _header(overview: Mapping[str, Any]) -> str:
    counts, worst = overview["devices"], overview["attention"]
    if any(row["severity"] == "failure" for row in worst):
        paint, shape, words = "bad", "■", "Somebody has to look"
    elif worst:
        paint, shape, words = "warn", "▲", "Worth a look"
    else:
        paint, shape, words = "ok", "●", "All is well"
    return (
        f'<header><h1 class="{paint}"><span aria-hidden="true">{shape}</span>{words}</h1>'
        f"<p>{counts['online']} of {counts['enrolled']} meters are connected</p>"
        f'<p class="who">{shown_time(overview["at_ms"])} UTC</p></header>'
    )


def _attention(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    items = ""
    for row in rows[:8]:
        bad = row["severity"] == "failure"
        names = ", ".join(link(f"/device/{name}", name) for name in row["such_as"])
        such = (
            f"<small>such as {names}</small>"
            if names
            else f"<small>next: <i>{escape(row['next'])}</i></small>"
        )
        items += (
            f'<li class="notice{" bad" if bad else ""}"><b>{"■" if bad else "▲"} {row["devices"]} '
            f"meter{'' if row['devices'] == 1 else 's'}</b>{escape(row['sentence'])}{such}</li>"
        )
    return f"<ul>{items}</ul>"


def _tiles(overview: Mapping[str, Any]) -> str:
    counts = overview["devices"]
    return (
        '<div class="tiles">'
        + tile(counts["online"], "Connected", f"of {counts['enrolled']} enrolled")
        + tile(counts["well"], "Well", "connected, nothing wrong")
        + tile(sum(overview["alarms"].values()), "Alarms", "that hold now")
        + tile(counts["silent"], "Silent", "over 24 h")
        + tile(counts["expected"], "Expected", "have a ticket, no certificate")
        + "</div>"
    )


def _rollouts(overview: Mapping[str, Any]) -> str:
    if not overview["rollouts"]:
        return (
            '<section class="card"><h2>Rollouts</h2><p>None yet.</p>'
            "<small>next: gridlight-fleet push --help</small></section>"
        )
    rows = []
    for row in overview["rollouts"][:10]:
        reason = f"<br><small>{escape(row['reason'])}</small>" if row["reason"] else ""
        rows.append(
            (
                link(f"/rollout/v{row['version']}", f"v{row['version']}"),
                f'<span class="word">{escape(row["standing"])}</span>{reason}',
                str(row["meters"]),
                f"{bar(row['counts'])}<small>{escape(spoken(row['counts']))}</small>",
            )
        )
    return card("Rollouts", table(("Version", "State", "Meters", "Outcome"), rows, texts=2))


def _map(feeders: Sequence[Mapping[str, Any]], cells: Mapping[int, Sequence[tuple[str, str]]]) -> str:
    if not feeders:
        return ""
    cards = ""
    for row in feeders:
        feeder = row["feeder"]
        members = cells.get(feeder)
        picture = _cells(members) if members is not None else _feeder_strip(row)
        said = ", ".join(f"{row[word]} {word}" for word in CONDITIONS if row[word])
        cards += (
            f'<div class="card"><h2>{link(f"/feeder/{feeder}", f"Feeder {feeder}")}</h2>{picture}'
            f"<small>{row['devices']} meters: {said}</small></div>"
        )
    return f'<section aria-label="Fleet by feeder"><div class="map">{cards}</div>{_legend()}</section>'


def _cells(members: Sequence[tuple[str, str]]) -> str:
    boxes = "".join(
        f'<a href="/device/{name}" class="{condition}" title="{name}: {condition}" aria-label="{name}: {condition}">'
        f"{SHAPES[condition]}</a>"
        for name, condition in members
    )
    return f'<div class="cells">{boxes}</div>'


def _feeder_strip(row: Mapping[str, Any]) -> str:
    at, parts = 0.0, ""
    for word in CONDITIONS:
        width = 1_000 * row[word] / row["devices"]
        parts += f'<rect x="{at:.2f}" width="{width:.2f}" height="14" class="f-{word}"/>' if width else ""
        at += width
    said = ", ".join(f"{row[word]} {word}" for word in CONDITIONS if row[word])
    return (
        '<svg class="strip" viewBox="0 0 1000 14" preserveAspectRatio="none" width="100%" height="14" role="img">'
        f"<title>{said}</title>{parts}</svg>"
    )


def _legend() -> str:
    items = "".join(f'<li><b class="{word}">{SHAPES[word]}</b>{word}</li>' for word in CONDITIONS)
    return f'<ul class="legend">{items}</ul>'


def _word(condition: str) -> str:
    return f"{SHAPES[condition]} {condition}"


def _versions(overview: Mapping[str, Any]) -> str:
    if not overview["versions"]:
        return ""
    rows = [
        (
            f"v{row['version']}" if row["version"] else "as provisioned",
            str(row["key_set"]),
            str(row["devices"]),
            "",
        )
        for row in overview["versions"]
    ]
    return (
        '<section class="card"><h2>Configuration in force</h2>'
        f"{table(('Version', 'Key set', 'Meters', ''), rows)}</section>"
    )


def _audit(entries: Sequence[Entry]) -> str:
    rows = [
        (
            shown_time(entry.at_ms),
            escape(entry.who),
            escape(entry.what),
            f"<small>{escape(_detail(entry))}</small>",
        )
        for entry in entries
    ]
    return (
        f'<section class="card"><h2>Audit, newest first</h2>{table(("UTC", "Who", "What", "Detail"), rows, texts=3)}'
        "<small>whether it is whole: gridlight-fleet audit verify</small></section>"
    )


def _detail(entry: Entry) -> str:
    """What an entry says, in words; what is empty, and hashes, are left to `audit show`."""
    told = {key: value for key, value in json.loads(entry.detail).items() if value and not _is_hash(value)}
    return ", ".join(f"{key} {_words(value)}" for key, value in told.items())[:200]


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) >= 64 and set(value) <= set("0123456789abcdef")


def _words(value: object) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _footer(overview: Mapping[str, Any]) -> str:
    return (
        f"<footer><span>key set {overview['key_set']}</span><span>{overview['letters']} letters kept</span>"
        f"<span>read only; figures at {link('/metrics', '/metrics')}</span></footer>"
    )


def by_feeder(members: Sequence[tuple[str, int, str]]) -> dict[int, list[tuple[str, str]]]:
    """Feeder -> name and condition of its meters."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, feeder, condition in members:
        found[feeder].append((name, condition))
    return dict(found)
