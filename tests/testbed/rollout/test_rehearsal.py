"""A small rollout from an empty folder to every meter's end, and a judge that notices each promise being broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware_app.console import Exit
from testbed.cli import main
from testbed.rollout.broker import NoBrokerError, program
from testbed.rollout.fate import Shares
from testbed.rollout.rehearsal import Play, Script

BUNDLE = "ab" * 32


def truth(name: str, fate: str, **fields: Any) -> dict[str, Any]:
    """How a meter stands that did as it should."""
    given = {
        "name": name,
        "fate": fate,
        "phase": "settled",
        "hash": "" if fate == "failing" else BUNDLE,
        "failed": BUNDLE if fate == "failing" else "",
        "starts": 2 if fate == "powercut" else 1,
        "mixtures": 0,
    }
    return given | fields


def good() -> Play:
    """A rollout in which all went well."""
    play = Play(script=Script(agents=4, shares=Shares(offline=250, failing=250, powercut=250)))
    play.bundle = BUNDLE
    play.truths = [truth(fate, fate) for fate in ("healthy", "offline", "failing", "powercut")]
    play.rollout = {"counts": {"healthy": 3, "rolled back": 1, "away": 0}}
    play.audit = {"valid": True}
    play.killed_at_s = 1.0
    return play


BREAKS: dict[str, tuple[Callable[[Play], Any], str]] = {
    "a healthy meter stayed on the old version": (lambda p: p.truths[0].update(hash=""), "got old"),
    "one that was away did not catch up": (lambda p: p.truths[1].update(hash=""), "got old"),
    "a failing meter kept what makes it ill": (
        lambda p: p.truths[2].update(hash=BUNDLE),
        "expected rolled back",
    ),
    "a meter hangs in its trial": (lambda p: p.truths[3].update(phase="trial"), "got trial"),
    "a meter ran by a mixture": (lambda p: p.truths[3].update(mixtures=1), "mixture"),
    "the power never failed": (lambda p: p.truths[3].update(starts=1), "started 1 times"),
    "a meter restarted for no reason": (lambda p: p.truths[0].update(starts=3), "started 3 times"),
    "the desk believes otherwise": (lambda p: p.rollout["counts"].update(healthy=4), "the desk believes"),
    "the audit is broken": (lambda p: p.audit.update(valid=False, reason="entry 3"), "entry 3"),
    "the broker was never killed": (lambda p: setattr(p, "killed_at_s", None), "never killed"),
}


def test_a_good_rollout_breaks_no_promise() -> None:
    assert good().broken == []


@pytest.mark.parametrize("name", BREAKS)
def test_each_broken_promise_is_noticed(name: str) -> None:
    spoil, words = BREAKS[name]
    play = good()
    spoil(play)
    assert any(words in sentence for sentence in play.broken), play.broken


@pytest.mark.parametrize(
    "words",
    [("--offline", "5"), ("--offline", "x%"), ("--failing", "80%", "--offline", "40%"), ("--agents", "0")],
)
def test_wrong_use_is_said_so(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollout", *words, "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["schema"] == "gridlight.error/1"


@pytest.mark.system
@pytest.mark.slow
def test_a_small_rollout_with_every_mishap_ends_as_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty meters, the broker killed half-way."""
    try:
        program()
    except NoBrokerError as error:
        pytest.skip(str(error))
    words = ["--agents", "20", "--offline", "10%", "--failing", "10%", "--powercut", "20%", "--abort", "20%"]
    pace = ["--waves", "30%,100%", "--window", "25", "--hold", "3", "--spread", "2", "--processes", "2"]
    folders = ["--folder", str(tmp_path / "all"), "--report", str(tmp_path / "report")]
    code = main(["rollout", *words, *pace, *folders, "--patience", "400", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["broken"]) == (Exit.OK, [])
    assert document["ends"] == {
        "failing": {"rolled back": 2},
        "healthy": {"new": 12},
        "offline": {"new": 2},
        "powercut": {"new": 4},
    }
    assert document["audit"]["valid"]
    assert document["times_ms"]["broker_killed_at"] is not None
    assert document["messages"]["said"] < 20 * 40, "a rollout is not a flood"
    assert (tmp_path / "report" / "rollout.png").read_bytes().startswith(b"\x89PNG")
    samples = json.loads((tmp_path / "report" / "rollout.json").read_text())["samples"]
    assert all(
        sum(count for key, count in row.items() if key not in ("at_ms", "connected")) == 20 for row in samples
    )
