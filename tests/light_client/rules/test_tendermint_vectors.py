"""The published single-step cases of Tendermint light clients, through an adapter, against our predicates."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from light_client.rules.ledger import committee
from tests.oracles import tendermint


def load(shared_vectors: Path) -> list[Any]:
    """Read all cases."""
    return [
        json.loads(path.read_text()) for path in sorted((shared_vectors / "tendermint-light").glob("*.json"))
    ]


@pytest.fixture(autouse=True)
def _large_committees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two published cases have a hundred validators; ours have 64 at most, which no case is about."""
    monkeypatch.setattr(committee, "MAX_COMMITTEE", 128)


def test_every_step_of_every_case_is_judged_as_published(shared_vectors: Path) -> None:
    cases = load(shared_vectors)
    wrong = [
        (case["description"], number, published, ours)
        for case in cases
        for number, (published, ours) in enumerate(tendermint.steps(case))
        if published != ours
    ]
    assert wrong == []
    counts = Counter(published for case in cases for published, _ in tendermint.steps(case))
    assert (len(cases), counts) == (41, {"SUCCESS": 44, "NOT_ENOUGH_TRUST": 42, "INVALID": 13})
