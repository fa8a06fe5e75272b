"""The picture of a week: it is drawn for long and short ones, and what it was drawn from lies beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.live.up import State
from testbed.week.page import write_report
from testbed.week.playing import Lived
from testbed.week.promises import promises
from tests.testbed.week.test_promises import GOOD, WEEK


@pytest.mark.parametrize("last", [30, 400])
def test_picture_and_document_are_written(tmp_path: Path, last: int) -> None:
    week = replace(WEEK, last=last)
    lived = Lived(
        state=State.ENDED,
        board=cast("Any", SimpleNamespace(weighed=[(WEEK.first * WEEK.length_ms, 45_000)])),
        week=week,
        left=GOOD,
        promises=promises(GOOD, week),
        lives=2,
        died=(),
    )
    picture = write_report(lived, tmp_path / "report", {"lives": 2})
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000
    assert json.loads((tmp_path / "report" / "week.json").read_text(encoding="utf-8")) == {"lives": 2}
