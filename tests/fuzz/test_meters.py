"""A sample of the fuzzing campaign, and the campaign itself shown to find, keep and add up."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.fuzz import meters, targets
from tests.fuzz.mutation import inputs

SAMPLE = 150


@pytest.mark.parametrize("target", targets.TARGETS)
def test_a_sample_of_every_target(target: str, tmp_path: Path) -> None:
    done, failed = meters.fuzz_by_mutation(target, runs=SAMPLE, seconds=60, seed=7, out=tmp_path)
    assert (done, failed) == (SAMPLE, None)


def test_every_target_has_seeds_and_mutations_are_repeatable() -> None:
    assert set(targets.SEEDS) == set(targets.TARGETS)
    seeds = targets.SEEDS["sml"]
    first = list(inputs(seeds, 300, seed=1))
    assert first == list(inputs(seeds, 300, seed=1)) != list(inputs(seeds, 300, seed=2))
    assert len(set(first)) > 200


def planted(data: bytes) -> None:
    """Fail where a slash comes after the first byte, as a careless parser might."""
    if b"/" in data[1:]:
        raise IndexError


def test_a_planted_bug_is_found_kept_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(targets, "TARGETS", {"p1": planted})
    words = ["--engine", "mutation", "--runs", "500", "--out", str(tmp_path)]
    assert meters.main(words) == 1
    printed = capsys.readouterr().out
    assert "FAILED: python -m tests.fuzz.meters --target p1 --replay" in printed
    with pytest.raises(IndexError):
        meters.main(["--target", "p1", "--replay", str(tmp_path / "p1-failure.bin")])
    monkeypatch.undo()
    assert meters.main(["--target", "p1", "--replay", str(tmp_path / "p1-failure.bin")]) == 0


def test_runs_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engine", "mutation", "--target", "pulses", "--runs", "40", "--out", str(tmp_path)]
    assert [meters.main(words), meters.main(words)] == [0, 0]
    assert "80 in all runs" in capsys.readouterr().out
    assert json.loads((tmp_path / "meters.json").read_text())["pulses"]["inputs"] == 80


def test_an_unknown_target_is_wrong_use() -> None:
    assert meters.main(["--target", "smi"]) == 2


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: extra 'fuzz'"
)
def test_the_coverage_engine_runs_and_keeps_a_corpus(tmp_path: Path) -> None:
    done, failed = meters.fuzz_by_coverage("pulses", runs=300, seconds=20, out=tmp_path)
    assert (done >= 300, failed) == (True, None)
    assert len(list((tmp_path / "pulses").iterdir())) > len(targets.SEEDS["pulses"])
