"""The page of one rollout: its waves as they go on, and who failed with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from deploy.operator.dashboard.markup import ago, bar, card, document, link, spoken, table
from deploy.operator.rollout.engine import Standing

_PAINT = {Standing.DONE: "ok", Standing.ABORTED: "bad", Standing.PAUSED: "warn", Standing.OVER: "ok"}
_SHAPE = {Standing.DONE: "●", Standing.ABORTED: "■", Standing.PAUSED: "▲", Standing.OVER: "●"}


def render(rollout: Mapping[str, Any], now_ms: int) -> str:
    """The page.

    Args:
        rollout: as `status VERSION --json` has it.
    """
    standing = Standing(rollout["standing"])
    head = (
        f"<nav>{link('/', 'gridlight fleet')}</nav>"
        f'<header><h1 class="{_PAINT.get(standing, "")}"><span aria-hidden="true">{_SHAPE.get(standing, "◆")}</span>'
        f"v{rollout['version']} {escape(standing.value)}</h1>"
        f'<p class="who">begun {ago(rollout["started_ms"], now_ms)}, {rollout["meters"]} meters</p>'
        f"<p>{escape(rollout['reason'] or _sentence(standing))}</p></header>"
    )
    return document(f"v{rollout['version']} {standing.value}", head + _waves(rollout) + _failed(rollout))


def _sentence(standing: Standing) -> str:
    return {
        Standing.RUNNING: "waves go on as long as few fail",
        Standing.PAUSED: "no further wave begins until somebody resumes it",
        Standing.DONE: "every meter that is connected has settled; who is away catches up",
    }.get(standing, "")


def _waves(rollout: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{wave['wave']}",
            f'<span class="word">{escape(wave["state"])}</span>',
            escape(wave["reach"]),
            str(wave["meters"]),
            f"{bar(wave['counts'])}<small>{escape(spoken(wave['counts']))}</small>",
        )
        for wave in rollout["waves"]
    ]
    heads = ("Wave", "State", "Reaches", "Meters", "Outcome")
    limit = f"<small>stops when more than {rollout['abort_permille'] / 10:g} % of the meters told have failed</small>"
    return card("Waves", table(heads, rows, texts=2) + limit)


def _failed(rollout: Mapping[str, Any]) -> str:
    if not rollout["failed"]:
        return ""
    rows = [
        (link(f"/device/{row['device']}", row["device"]), escape(row["outcome"]), escape(row["reason"]))
        for row in rollout["failed"][:200]
    ]
    more = len(rollout["failed"]) - 200
    note = f"<small>and {more} more</small>" if more > 0 else ""
    return card("Failed", table(("Meter", "Outcome", "Reason"), rows, texts=2) + note)
