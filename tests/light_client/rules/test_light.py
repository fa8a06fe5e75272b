"""Light verification: every case decided by its own rule, and every mutant of the verifier noticed by a case.

The mutants are those of the notes on public light-client vectors (nineteen, of which twelve survive the public ones),
where our verifier has the check in question, and a systematic sweep: each `raise` removed, each comparison shifted by
one, each condition of an `or` or `and` dropped.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from light_client.rules import ancestry, checkpoint, holdings, light, statetree
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger import chain, committee, fork
from light_client.rules.ledger.committee import Committee, QuorumCertificate, check_quorum
from light_client.rules.light import LightParams, TrustedState, Update
from tests import light_cases, light_ground
from tests.ledger_kit import Chain
from tests.light_cases import CASES

Patch = Callable[[pytest.MonkeyPatch], None]


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


def skip(name: str) -> Patch:
    """Remove a check of the verifier."""
    return lambda patch: patch.setattr(light, name, lambda *arguments: None)


def height_only(trusted: TrustedState, update: Update) -> None:
    """LC-02 without the order of times."""
    honest_newer(trusted, replace(update, header=replace(update.header, time_ms=trusted.time_ms + 1)))


def time_only(trusted: TrustedState, update: Update) -> None:
    """LC-02 without the order of heights."""
    honest_newer(trusted, replace(update, header=replace(update.header, height=trusted.height + 1)))


def expiry_a_moment_late(trusted: TrustedState, now_ms: int, params: LightParams) -> None:
    """LC-03 with `>` for `>=`."""
    honest_fresh(trusted, now_ms - 1, params)


def height_of_certificate_unchecked(update: Update) -> None:
    """LC-05 without the certificate's height."""
    honest_for_header(replace(update, certificate=replace(update.certificate, height=update.header.height)))


def hash_of_certificate_unchecked(update: Update) -> None:
    """LC-05 without the header's hash."""
    honest_for_header(
        replace(update, certificate=replace(update.certificate, header_hash=update.header.hash()))
    )


def round_of_certificate_unchecked(update: Update) -> None:
    """LC-05 without the round."""
    honest_for_header(replace(update, certificate=replace(update.certificate, round_=update.header.round_)))


honest_newer, honest_fresh = light.header_is_newer, light.trusted_header_is_fresh
honest_for_header = light.certificate_is_for_the_header


def any_signature(*arguments: object) -> bool:
    """A verifier that takes everything for a signature."""
    return True


def unknown_signers_ignored(
    known: Committee, chain_id: bytes, certificate: QuorumCertificate, verify: Any = None
) -> None:
    """CNS-03 taken for nothing."""
    bitmap = certificate.bitmap & (1 << len(known.members)) - 1
    kept = certificate.signatures[: bitmap.bit_count()]
    check_quorum(known, chain_id, replace(certificate, bitmap=bitmap, signatures=kept))


def duplicates_counted(
    known: Committee, chain_id: bytes, certificate: QuorumCertificate, verify: Any = None
) -> None:
    """Signatures counted one by one, whoever's they are."""
    seats = [seat for seat in range(len(known.members)) if certificate.bitmap >> seat & 1]
    first = certificate.signatures[0] if certificate.signatures else b""
    if len(set(certificate.signatures)) == 1 and len(seats) > 1:
        check_quorum(
            Committee(members=known.members[seats[0] : seats[0] + 1]),
            chain_id,
            replace(certificate, bitmap=1, signatures=(first,)),
        )
        return
    check_quorum(known, chain_id, certificate)


def patched(module: ModuleType, name: str, value: object) -> Patch:
    """Replace one name."""
    return lambda patch: patch.setattr(module, name, value)


def quorum_of(rule: Callable[[int, int], bool]) -> Patch:
    """Replace what counts as a quorum: (weight, total) -> bool."""
    return lambda patch: patch.setattr(
        Committee, "is_quorum", lambda self, weight: rule(weight, self.total_weight)
    )


NAMED: dict[str, tuple[Patch, str]] = {
    "no expiry check": (skip("trusted_header_is_fresh"), "a trusted header long expired"),
    "expiry a moment late": (
        patched(light, "trusted_header_is_fresh", expiry_a_moment_late),
        "a trusted header that has just expired",
    ),
    "no height order": (patched(light, "header_is_newer", time_only), "height 0 after the genesis"),
    "no time order": (patched(light, "header_is_newer", height_only), "a header of a time before"),
    "no future check": (skip("time_is_not_ahead"), "a header from the future"),
    "no quorum check": (quorum_of(lambda weight, total: True), "no signers"),
    "quorum of a half": (quorum_of(lambda weight, total: 2 * weight >= total), "two of four signers"),
    "quorum of two thirds": (
        quorum_of(lambda weight, total: 3 * weight >= 2 * total),
        "two of three signers",
    ),
    "unknown signer ignored": (
        patched(light, "check_quorum", unknown_signers_ignored),
        "a signer from nowhere",
    ),
    "duplicate signer counted": (
        patched(light, "check_quorum", duplicates_counted),
        "one signature for three seats",
    ),
    "no signature check": (patched(light, "verify", any_signature), "a forged signature"),
    "no header-hash check": (
        patched(light, "certificate_is_for_the_header", hash_of_certificate_unchecked),
        "a certificate of another header",
    ),
    "commit height unchecked": (
        patched(light, "certificate_is_for_the_header", height_of_certificate_unchecked),
        "a certificate of another height",
    ),
    "commit round unchecked": (
        patched(light, "certificate_is_for_the_header", round_of_certificate_unchecked),
        "a certificate of an earlier round",
    ),
    "no committee-hash check": (skip("committee_is_the_known_one"), "a header of another committee"),
    "no chain-id check": (skip("header_is_of_this_chain"), "a header of another chain"),
    "no link to the parent": (skip("header_continues_history"), "a next header of another parent"),
    "no link to the history": (skip("header_continues_history"), "a later header without its history"),
}
"""Of the nineteen: three concern a trust level (an overlap of a third between committees), and two a next set of
validators at every height, neither of which our verifier has; the committee of an epoch is known. The rest are here,
and four of our own."""


@pytest.mark.parametrize("name", NAMED)
def test_every_named_mutant_is_killed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, killer = NAMED[name]
    expected, case = CASES[killer]
    patch(monkeypatch)
    assert expected != "accepted"
    assert case() == "accepted", f"{killer}: the mutant must let pass what the verifier refuses"
    for good in ("the next header", "a later header with its history"):
        assert CASES[good][1]() == "accepted", "a mutant that refuses everything shows nothing"


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
