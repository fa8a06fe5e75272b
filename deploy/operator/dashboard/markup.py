"""The pieces that pages are made of. Everything that is shown passes through `html.escape`; a state is a word and a
shape beside its colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from deploy.operator.auditing import shown_time
from deploy.operator.dashboard.style import CSS, SCRIPT
from deploy.operator.rollout.outcomes import Outcome

SHAPES: Final = {"well": "●", "changing": "◆", "away": "○", "silent": "▲", "ill": "■"}
"""Of the condition of a device."""
OUTCOMES: Final = {
    Outcome.HEALTHY: "well",
    Outcome.APPLYING: "changing",
    Outcome.SENT: "changing",
    Outcome.ROLLED_BACK: "ill",
    Outcome.REFUSED: "ill",
    Outcome.LOST: "ill",
    Outcome.AWAY: "away",
    Outcome.WITHDRAWN: "away",
    Outcome.WAITING: "todo",
}
"""Outcome in a rollout -> how it is painted; in the order in which they are shown."""


def document(title: str, body: str) -> str:
    """A whole document around a body."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        '<noscript><meta http-equiv="refresh" content="5"></noscript>'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{body}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def tile(number: object, word: str, note: str = "") -> str:
    """A number with what it counts."""
    small = f"<small>{escape(note)}</small>" if note else ""
    return f'<div class="card"><h2>{escape(word)}</h2><p class="big">{escape(str(number))}</p>{small}</div>'


def card(head: str, body: str) -> str:
    """A framed part of a page; the body is markup already."""
    return f'<section class="card"><h2>{escape(head)}</h2>{body}</section>'


def link(where: str, text: str) -> str:
    """A link within the dashboard."""
    return f'<a href="{escape(where, quote=True)}">{escape(text)}</a>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """A table.

    Args:
        heads: plain.
        rows: cells that are markup already.
        texts: so many columns from the left, and the last, hold words.
    """
    last = len(heads) - 1

    def kind(at: int) -> str:
        return ' class="text"' if at < texts or at == last else ""

    head = "".join(f"<th{kind(at)}>{escape(cell)}</th>" for at, cell in enumerate(heads))
    body = "".join(
        f"<tr>{''.join(f'<td{kind(at)}>{cell}</td>' for at, cell in enumerate(row))}</tr>" for row in rows
    )
    return f'<div class="wide-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def bar(counts: Mapping[str, int]) -> str:
    """A bar of outcomes, its numbers in words in its title. Widths are attributes: the policy forbids inline styles."""
    total = sum(counts.values()) or 1
    at, parts = 0.0, []
    for outcome, paint in OUTCOMES.items():
        width = 1_000 * counts.get(outcome, 0) / total
        if width:
            parts.append(f'<rect x="{at:.2f}" width="{width:.2f}" height="14" class="f-{paint}"/>')
        at += width
    return (
        f'<svg class="strip" viewBox="0 0 1000 14" preserveAspectRatio="none" width="100%" height="14" role="img">'
        f"<title>{escape(spoken(counts))}</title>{''.join(parts)}</svg>"
    )


def spoken(counts: Mapping[str, int]) -> str:
    """Such as ``3 healthy, 1 away``."""
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts.get(outcome))


def ago(at_ms: int | None, now_ms: int) -> str:
    """Such as ``3 min ago``."""
    if at_ms is None:
        return "never"
    seconds = max(0, now_ms - at_ms) // 1_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def when(at_ms: int | None) -> str:
    """A time for people."""
    return "" if at_ms is None else f"{shown_time(at_ms)} UTC"
