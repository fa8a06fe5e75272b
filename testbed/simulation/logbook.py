"""The logbook of a campaign: one line for each seed that was run, so that an interrupted one goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.files import ScenarioFile
from testbed.simulation.campaign import Verdict

SCHEMA = "gridlight.campaign-log/1"


@dataclass(slots=True, kw_only=True)
class Logbook:
    """What is known already, and where more is written; without a path nothing is kept."""

    path: Path | None
    known: dict[int, Verdict] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, file: ScenarioFile) -> Self:
        """Read what an earlier campaign over the same scenario wrote, or begin anew.

        Raises:
            ScenarioFileError: the logbook is of another scenario, or of another state of its file.
        """
        head = {"schema": SCHEMA, "scenario": file.name, "sha256": sha256(file.path.read_bytes()).hexdigest()}
        if path is None:
            return cls(path=None)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(head) + "\n", encoding="utf-8")
            return cls(path=path)
        first, *rows = path.read_text(encoding="utf-8").splitlines() or ["{}"]
        if json.loads(first) != head:
            raise ScenarioFileError(
                path, "line 1", "a logbook of another scenario", got=first, expected=json.dumps(head)
            )
        whole = rows if path.read_bytes().endswith(b"\n") else rows[:-1]
        verdicts = [_verdict(json.loads(row)) for row in whole]
        return cls(path=path, known={verdict.seed: verdict for verdict in verdicts})

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(verdict)) + "\n")


def _verdict(row: dict[str, Any]) -> Verdict:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return Verdict(**fields)
