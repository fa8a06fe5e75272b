"""The summary of a day for programs: ``summary.json``."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.report.model import Summary

SCHEMA = "gridlight.demo/1"
KEYS = (
    "offered_j",
    "traded_j",
    "bound_j",
    "gap_j",
    "blocks",
    "finals",
    "meters",
    "verified_headers",
    "verified_trades",
    "verified_solutions",
    "rejected",
    "latency_p50_s",
    "latency_p99_s",
    "wall_s",
)
"""Every key after the schema, in order; keys are only ever added, at the end."""


def summary_json(summary: Summary) -> str:
    """The summary as one JSON document; what was not observed is ``null``."""
    document: dict[str, object] = {"schema": SCHEMA}
    document |= {key: getattr(summary, key) for key in KEYS}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def write_summary(summary: Summary, path: Path) -> None:
    """Write ``summary.json`` to ``path``."""
    path.write_text(summary_json(summary), encoding="utf-8")
