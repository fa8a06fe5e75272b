"""The page of one device: what it is, what it runs by, what became of rollouts, its alarms and its history."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from deploy.operator.dashboard.markup import SHAPES, ago, card, document, link, table, when


def render(device: Mapping[str, Any], condition: str, now_ms: int) -> str:
    """The page.

    Args:
        device: as `status DEVICE --json` has it.
        condition: one of `overview.CONDITIONS`.
    """
    feeder = device["feeder"]
    body = f"<nav>{link('/', 'gridlight fleet')} / {link(f'/feeder/{feeder}', f'feeder {feeder}')}</nav>"
    body += _header(device, condition, now_ms) + _facts(device) + _rollouts(device) + _alarms(device)
    return document(device["device"], body + _history(device))


def _header(device: Mapping[str, Any], condition: str, now_ms: int) -> str:
    paint = {"well": "ok", "ill": "bad", "silent": "warn", "away": "warn"}.get(condition, "")
    sentence = device["problem"] or ("nothing is wrong" if device["heard_ms"] else "has never spoken")
    return (
        f'<header><h1 class="{paint}"><span aria-hidden="true">{SHAPES[condition]}</span>'
        f"{escape(device['device'])}</h1><p>{condition}</p>"
        f'<p class="who">heard {ago(device["heard_ms"], now_ms)}</p><p>{escape(sentence)}</p></header>'
    )


def _facts(device: Mapping[str, Any]) -> str:
    reported = device["reported"] or {}
    version = reported.get("version") or {}
    rows = {
        "Enrolment": device["state"],
        "Connection": ("connected" if device["online"] else "not connected")
        + f", since {when(device['online_since_ms'])}"
        if device["online_since_ms"]
        else "never connected",
        "Board": device["board"] or "unknown",
        "Firmware": device["firmware"],
        "Labels": ", ".join(f"{key}={value}" for key, value in sorted(device["labels"].items())) or "none",
        "Runs by": f"v{version['version']} of key set {version['key_set']}"
        if version.get("version")
        else "as provisioned",
        "Phase": reported.get("state") or "not reported yet",
        "Waits for": reported.get("waiting_for") or "",
        "Last refusal": reported.get("last_refusal") or "",
        "Letters kept": ", ".join(f"{count} {kind}" for kind, count in device["letters"].items()),
    }
    lines = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in rows.items() if value
    )
    return f'<dl class="card">{lines}</dl>'


def _rollouts(device: Mapping[str, Any]) -> str:
    rows = [
        (
            link(f"/rollout/v{row['version']}", f"v{row['version']}"),
            escape(row["outcome"]),
            when(row["sent_ms"]),
            escape(row["reason"] or ""),
        )
        for row in device["rollouts"]
    ]
    if not rows:
        return ""
    return card("Rollouts", table(("Version", "Outcome", "Sent", "Reason"), rows, texts=3))


def _alarms(device: Mapping[str, Any]) -> str:
    rows = [
        (
            escape(row["alarm"]),
            escape(row["severity"]),
            when(row["since_ms"]),
            when(row["ended_ms"]) or "holds",
            escape(row["sentence"]),
        )
        for row in device["alarms"]
    ]
    if not rows:
        return ""
    heads = ("Alarm", "Severity", "Since", "Until", "What it means")
    return card("Alarms", table(heads, rows, texts=4))


def _history(device: Mapping[str, Any]) -> str:
    rows = [(when(row["at_ms"]), escape(row["what"]), escape(row["sentence"])) for row in device["history"]]
    return card("History, newest first", table(("When", "What", ""), rows, texts=2))
