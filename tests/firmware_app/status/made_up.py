"""Any snapshot that the types allow, for properties that must hold for all of them."""

from __future__ import annotations

import types
from dataclasses import fields
from functools import cache
from random import Random
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from firmware_app.status.snapshot import Absent, Snapshot

TIMES = {"made_utc_ms": 4 * 10**12, "floor_utc_ms": 4 * 10**12, "since_ago_ms": 10**12, "interval": 5_000_000}
SIGNED = {
    "power_w",
    "offset_us",
    "net_j",
    "traded_j",
    "earned_today_uc",
    "today_deviation_j",
    "today_owed_uc",
    "owed_uc",
    "next_hour_j",
    "p10_j",
    "p90_j",
}
WORDS = (
    *("", "<script>alert(1)</script>", '"', "'>", "\n", "\x00", "a b", "é☃", "&amp;", "x" * 90),
    *("trading", "good", "untrusted", "rescued", "failure", "warning", "degraded", "market", "witness"),
)


@cache
def hints_of(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def value(hint: Any, name: str, random: Random) -> Any:
    """A value of a field."""
    if isinstance(hint, types.UnionType) or Absent in get_args(hint):
        return value(random.choice(get_args(hint)), name, random)
    if get_origin(hint) is tuple:
        return tuple(value(get_args(hint)[0], name, random) for _ in range(random.choice((0, 1, 3))))
    if hint is bool:
        return random.random() < 0.5
    if hint is int:
        return number(name, random)
    if hint is str:
        return random.choice(("failure", "warning") if name == "severity" else WORDS)
    return hint(**{field: value(inner, field, random) for field, inner in hints_of(hint).items()})


def number(name: str, random: Random) -> int:
    """A number that the field may hold, small and large ones alike."""
    if name == "zone_offset_s":
        return random.randrange(-50_400, 50_401)
    if name == "interval_s":
        return random.choice((1, 60, 900, 3_600, 86_400))
    least = -(1 << 45) if name in SIGNED else 0
    most = TIMES.get(name, 1 << 45 if not name.endswith(("interval", "ago_ms")) else 1 << 22)
    return random.choice((0, 1, random.randrange(min(most, 1_000)), random.randrange(least, most)))


SNAPSHOTS: st.SearchStrategy[Snapshot] = st.integers(0, 1 << 40).map(
    lambda seed: value(Snapshot, "", Random(seed))
)
