"""Campaigns over mixed schedules: a sample of them passes, and broken implementations do not.

All of it: ``gridlight-testbed run siege --campaign 5000``. Each seed replays by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import testbed.cast as cast_module
from light_client.messages.consensus import Vote
from light_client.rules.ledger import convict as convict_module
from light_client.rules.ledger.evidence import Evidence, SignedVote, contradiction
from testbed.miner import miner as miner_module
from testbed.miner import witness as witness_module
from testbed.scenarios import catalogue
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.files import ScenarioFile
from testbed.simulation.campaign import Verdict, patient_cast, run_campaign, run_seed
from testbed.simulation.logbook import Logbook
from testbed.simulation.schedule import draw
from tests.testbed.miner.broken import ForgetfulMiner, HalfCommittee

SIEGE = catalogue.find("siege")


STOOD_STILL = 4770
"""All who were locked restarted at once; before the proof of a lock was kept on disk, nothing was decided any more."""


@pytest.mark.parametrize("seed", [*range(100, 106), STOOD_STILL])
def test_hours_under_siege(seed: int) -> None:
    assert run_seed(SIEGE, seed).complaints == ()


@pytest.mark.parametrize("seed", [2])
def test_hours_under_siege_with_seven_miners(seed: int) -> None:
    assert run_seed(catalogue.find("siege7"), seed).complaints == ()


def test_a_schedule_follows_from_its_seed_and_stays_within_the_rule() -> None:
    rule = SIEGE.campaign
    kinds: set[str] = set()
    for seed in range(60):
        cast = patient_cast(SIEGE, seed)
        one, again = draw(rule, cast, seed), draw(rule, cast, seed)
        assert (one.faults, one.link, one.troupe.parts) == (again.faults, again.link, again.troupe.parts)
        hostile = one.troupe.hostile & set(cast.miner_names)
        assert len(hostile) <= rule.hostile_miners
        assert all(abs(skew) <= rule.skew_ms for skew in one.faults.skew_ms.values())
        assert hostile.isdisjoint(crash.node for crash in one.faults.crashes)
        kinds |= {part.kind.value for part in one.troupe.parts}
    assert kinds == {kind.value for kind in rule.parts}


# -- broken implementations --------------------------------------------------------------------------------------------


def first_failure(file: ScenarioFile, seeds: range) -> Verdict | None:
    """The first seed that shows something wrong."""
    return next((verdict for seed in seeds if (verdict := run_seed(file, seed)).complaints), None)


def test_a_miner_that_does_not_write_its_votes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast_module, "Miner", ForgetfulMiner)
    found = first_failure(SIEGE, range(3, 6))
    assert found is not None
    assert any("signed two" in line for line in found.safety)


def test_a_quorum_of_one_half_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast_module, "Committee", HalfCommittee)
    found = first_failure(SIEGE, range(31, 33))
    assert found is not None
    assert any("different chains" in line for line in found.safety)


def test_evidence_that_accuses_the_honest_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin takes votes of two rounds for a contradiction, and blocks take its word."""

    class Slanderer(witness_module.Witness):
        def in_vote(self, vote: Vote) -> list[Evidence]:
            earlier: dict[object, Vote] = self.__dict__.setdefault("earlier", {})
            key = (vote.seat, vote.kind, vote.height)
            other = earlier.setdefault(key, vote)
            if other.round_ == vote.round_ or other.header_hash == vote.header_hash:
                return []
            one, two = (
                SignedVote(kind=v.kind, round_=other.round_, header_hash=v.header_hash, signature=v.signature)
                for v in (other, vote)
            )
            member = self._seat.committee.members[vote.seat].public_key
            return [contradiction(member, vote.height, one, two)]

    monkeypatch.setattr(miner_module, "Witness", Slanderer)
    quiet = first_failure(SIEGE, range(12))
    assert quiet is not None, "an honest miner is accused"
    assert any("accuses" in line for line in quiet.accusations)
    assert not any("is convicted" in line for line in quiet.accusations), "no block believes it"
    monkeypatch.setattr(convict_module, "statements_are_signed", lambda *_: None)
    believed = first_failure(SIEGE, range(12))
    assert believed is not None
    assert any("is convicted" in line for line in believed.accusations)


# -- the logbook -------------------------------------------------------------------------------------------------------


def test_an_interrupted_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out" / "campaign.jsonl"
    logbook = Logbook.open(path, SIEGE)
    verdicts = run_campaign(SIEGE, range(200, 202), workers=1, progress=logbook.add)
    path.write_text(path.read_text(encoding="utf-8") + '{"seed": 202, "saf', encoding="utf-8")
    assert Logbook.open(path, SIEGE).known == {verdict.seed: verdict for verdict in verdicts}


def test_a_logbook_of_another_scenario_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    Logbook.open(path, SIEGE)
    with pytest.raises(ScenarioFileError, match="another scenario"):
        Logbook.open(path, catalogue.find("siege7"))


def test_without_a_folder_nothing_is_kept() -> None:
    collect: Callable[[Verdict], None] = Logbook.open(None, SIEGE).add
    collect(run_seed(SIEGE, 300))
