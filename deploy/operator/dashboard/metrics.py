"""The fleet for Prometheus: the text exposition format, version 0.0.4. Counts by state, never a word of a market.

Source: Prometheus documentation, "Exposition formats".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploy.operator.overview import CONDITIONS
from firmware_app.status.metrics import Metric, line

METRICS: Final = {
    "gridlight_fleet_devices": "meters by state of their enrolment",
    "gridlight_fleet_online": "enrolled meters that are connected",
    "gridlight_fleet_silent": "enrolled meters that have not been connected for 24 h",
    "gridlight_fleet_feeder_devices": "enrolled meters by feeder and condition",
    "gridlight_fleet_version_devices": "enrolled meters by key set and version of the configuration in force",
    "gridlight_fleet_alarms": "alarms that hold now, by what they are",
    "gridlight_fleet_rollout_devices": "meters of a rollout by what became of them",
    "gridlight_fleet_rollout_running": "1 while a rollout is not finished, by version",
    "gridlight_fleet_rollout_wave": "waves begun of a rollout",
    "gridlight_fleet_letters": "letters that are kept",
    "gridlight_fleet_events_total": "what the service counted, by event",
    "gridlight_fleet_served": "1 while a service drives this desk",
    "gridlight_fleet_audit_entries": "entries of the audit",
}
"""Name -> help. docs/operators.md lists the same; a test holds them together."""
_COUNTERS: Final = frozenset({"gridlight_fleet_events_total"})


def render(overview: Mapping[str, Any], *, served: bool, audit_entries: int) -> str:
    """The text that Prometheus scrapes."""
    by_name: dict[str, list[Metric]] = {name: [] for name in METRICS}
    for metric in _metrics(overview):
        by_name[metric.name].append(metric)
    by_name["gridlight_fleet_served"].append(Metric("gridlight_fleet_served", int(served)))
    by_name["gridlight_fleet_audit_entries"].append(Metric("gridlight_fleet_audit_entries", audit_entries))
    lines: list[str] = []
    for name, found in by_name.items():
        if found:
            kind = "counter" if name in _COUNTERS else "gauge"
            lines += [f"# HELP {name} {METRICS[name]}", f"# TYPE {name} {kind}", *map(line, found)]
    return "\n".join(lines) + "\n"


def _metrics(overview: Mapping[str, Any]) -> Iterator[Metric]:
    counts = overview["devices"]
    for state in ("expected", "enrolled", "revoked"):
        yield Metric("gridlight_fleet_devices", counts[state], (("state", state),))
    yield Metric("gridlight_fleet_online", counts["online"])
    yield Metric("gridlight_fleet_silent", counts["silent"])
    for row in overview["feeders"]:
        for word in CONDITIONS:
            labels = (("feeder", str(row["feeder"])), ("condition", word))
            yield Metric("gridlight_fleet_feeder_devices", row[word], labels)
    for row in overview["versions"]:
        labels = (("key_set", str(row["key_set"])), ("version", str(row["version"])))
        yield Metric("gridlight_fleet_version_devices", row["devices"], labels)
    for alarm, count in overview["alarms"].items():
        yield Metric("gridlight_fleet_alarms", count, (("alarm", alarm),))
    yield from _rollouts(overview)
    yield Metric("gridlight_fleet_letters", overview["letters"])
    for event, count in overview["counters"].items():
        yield Metric("gridlight_fleet_events_total", count, (("event", event),))


def _rollouts(overview: Mapping[str, Any]) -> Iterator[Metric]:
    for row in overview["rollouts"]:
        version = ("version", str(row["version"])), ("key_set", str(row["key_set"]))
        running = int(row["ended_ms"] is None)
        yield Metric("gridlight_fleet_rollout_running", running, version)
        yield Metric("gridlight_fleet_rollout_wave", row["wave"], version)
        for outcome, count in row["counts"].items():
            yield Metric("gridlight_fleet_rollout_devices", count, (*version, ("outcome", outcome)))
