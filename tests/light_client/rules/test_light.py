"""Light verification: every case decided by its own rule, and every mutant of the verifier noticed by a case.

The mutants are the named ones of `tests/light_mutants.py`, and a systematic sweep: each `raise` removed, each
comparison shifted by one, each condition of an `or` or `and` dropped.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from light_client.rules import ancestry, checkpoint, holdings, light, statetree
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger import chain, committee, fork
from light_client.rules.light import LightParams, Update
from tests import light_cases, light_ground
from tests.ledger_kit import Chain
from tests.light_cases import CASES
from tests.light_mutants import COMMAND, DOCUMENT, MUTANTS, Mutant, document


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_decided_by_its_rule(name: str) -> None:
    expected, case = CASES[name]
    assert case() == expected


def test_an_accepted_update_is_the_next_anchor() -> None:
    start = light.trust_genesis(light_ground.CHAIN.genesis)
    for header in light_ground.HEADERS:
        update = Update(header=header, certificate=light_ground.CHAIN.certificate(header))
        _, start = light.verify_update(
            start, update, light_ground.CHAIN.genesis, LightParams(), light_ground.NOW_MS
        )
        assert (start.height, start.header) == (header.height, header)
    assert start.committee == light_ground.CHAIN.genesis.committee


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_named_mutant_is_killed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, case = CASES[mutant.killer]
    assert not expected.startswith("accepted")
    mutant.patch(monkeypatch)
    assert case().startswith("accepted"), f"{mutant.killer}: the mutant must let pass what is refused"
    for good in ("the next header", "a later header with its history", "a checkpoint", "a fork"):
        assert CASES[good][1]() == "accepted", "a mutant that refuses everything shows nothing"


def test_the_nineteen_of_the_notes_are_all_here() -> None:
    assert sorted(mutant.number for mutant in MUTANTS if mutant.number) == list(range(1, 20))
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) == 40


def test_the_table_in_the_documents_is_this_one() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), f"run {COMMAND}"


SWEPT: list[tuple[ModuleType, str, list[ModuleType]]] = [
    *(
        (light, name, [light])
        for name in (
            "header_is_of_this_chain",
            "header_is_newer",
            "trusted_header_is_fresh",
            "committee_is_the_known_one",
            "certificate_is_for_the_header",
            "header_continues_history",
            "clock_is_set",
            "next_committee_is_the_announced_one",
            "committee_changes_at_an_epochs_end",
            "next_committee_is_known",
        )
    ),
    (holdings, "verify_trade", [holdings]),
    (statetree, "verify_state", [statetree, holdings]),
    (committee, "check_quorum", [light, fork]),
    *(
        (ancestry, name, [ancestry])
        for name in ("header_is_an_ancestor", "history_has_only_grown", "headers_are_linked")
    ),
    *(
        (checkpoint, name, [checkpoint])
        for name in ("checkpoint_is_signed", "checkpoint_is_not_below_the_floor", "checkpoint_is_fresh")
    ),
    (fork, "check_fork", [fork]),
    (chain, "time_is_not_ahead", [light]),
]
SHIFTED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


Weakening = tuple[str, list[Any], int, Any]
"""Its name, and the list, the place in it and the new element that make it."""


def weakenings(tree: ast.AST) -> Iterator[Weakening]:
    """Yield each weakening of a tree."""
    for node in list(ast.walk(tree)):
        for statements in (getattr(node, "body", []), getattr(node, "orelse", [])):
            if isinstance(statements, list):
                yield from removed_raises(statements)
        match node:
            case ast.Compare(ops=ops):
                for at, op in enumerate(ops):
                    if type(op) in SHIFTED:
                        yield f"line {node.lineno}: {type(op).__name__} shifted", ops, at, SHIFTED[type(op)]()
            case ast.BoolOp(op=op, values=values):
                for at in range(len(values)):
                    neutral = ast.Constant(value=isinstance(op, ast.And))
                    yield f"line {node.lineno}: condition {at} dropped", values, at, neutral


def removed_raises(statements: list[Any]) -> Iterator[Weakening]:
    """Yield what removes each `raise` of a block."""
    for at, statement in enumerate(statements):
        if isinstance(statement, ast.Raise):
            yield f"line {statement.lineno}: no raise", statements, at, ast.Pass()


@pytest.mark.parametrize(
    ("module", "name", "users"), SWEPT, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_check_of_the_verifier_matters(
    module: ModuleType, name: str, users: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = light_cases.outcomes()
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(module, name))))
    survivors, count = [], 0
    for label, elements, at, weaker in weakenings(tree):
        elements[at], kept = weaker, elements[at]
        namespace = dict(module.__dict__)
        exec(compile(ast.fix_missing_locations(tree), f"<{name}>", "exec"), namespace)  # noqa: S102 - our own source
        elements[at] = kept
        with monkeypatch.context() as patch:
            for user in users:
                patch.setattr(user, name, namespace[name])
            if light_cases.outcomes() == honest:
                survivors.append(label)
        count += 1
    assert count > 0
    assert survivors == []


def test_a_certified_header_needs_its_own_certificate_and_a_quorum() -> None:
    chain = Chain()
    chain.add()
    header = chain.blocks[-1].header
    update = Update(header=header, certificate=chain.certificate(header))
    committee = chain.genesis.committee
    light.header_is_certified(committee, chain.chain_id, update)
    for wrong, rule in (
        (replace(update, certificate=chain.certificate(header, (0, 1))), "CNS-04"),
        (replace(update, certificate=replace(update.certificate, header_hash=bytes(32))), "LC-05"),
    ):
        with pytest.raises(RuleViolation) as caught:
            light.header_is_certified(committee, chain.chain_id, wrong)
        assert caught.value.rule == rule
