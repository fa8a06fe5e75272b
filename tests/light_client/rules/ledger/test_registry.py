"""The miners' registry: a change needs a threshold of the old and of the new keys, and the next version."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.crypto import sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.registry import (
    MAX_CANDIDATES,
    MAX_REGISTRY_KEYS,
    ChangeRegistry,
    MinerRegistry,
    check_registry_change,
    registry_from_wire,
    registry_message,
)
from light_client.rules.ledger.transactions import decode_transaction
from tests.epoch_kit import (
    CANDIDATES,
    PARAMS,
    REGISTRY_KEYS,
    SECRETS,
    change,
    changed,
    epoch_chain,
    registry,
    report,
)
from tests.ledger_kit import FIRST, Chain, genesis, secret

OLD = registry()
NEW = registry(version=2, keys=REGISTRY_KEYS[2:5], candidates=CANDIDATES[:5])
CHAIN_ID = bytes(range(32))
A, B, C, D, E, F = REGISTRY_KEYS


def rule_of(altered: ChangeRegistry, current: MinerRegistry | None = OLD) -> str:
    """Return the rule that a change breaks, or nothing."""
    try:
        check_registry_change(current, altered, CHAIN_ID, verify)
    except RuleViolation as broken:
        return broken.rule
    return ""


@pytest.mark.parametrize(
    ("rule", "signers"),
    [
        ("", (A, B, D, E)),
        ("", (A, C, D)),  # C holds a key of both
        ("", (A, B, C, D, E)),
        ("CNS-24", ()),
        ("CNS-24", (A, D, E)),
        ("CNS-24", (C, D, E)),
        ("CNS-25", (A, B)),
        ("CNS-25", (A, B, D)),
        ("CNS-23", (A, B, D, E, F)),
    ],
)
def test_old_and_new_keys_sign(rule: str, signers: tuple[bytes, ...]) -> None:
    assert rule_of(change(CHAIN_ID, NEW, signers)) == rule


@given(st.sets(st.sampled_from(REGISTRY_KEYS[:5])))
def test_a_change_holds_exactly_with_both_thresholds(signers: set[bytes]) -> None:
    enough = all(len(signers & set(side.keys)) >= side.threshold for side in (OLD, NEW))
    assert (rule_of(change(CHAIN_ID, NEW, signers)) == "") == enough


@pytest.mark.parametrize("version", [1, 3, 4, 1 << 61])
def test_the_version_is_the_next_one(version: int) -> None:
    """Played back (1), and skipped ahead (3): neither holds, so no signed registry can be used twice or out of turn."""
    other = replace(NEW, version=version)
    assert rule_of(change(CHAIN_ID, other, (A, B, D, E))) == "CNS-22"


def test_a_change_is_bound_to_its_chain_and_its_registry() -> None:
    signers = (A, B, D, E)
    assert rule_of(change(bytes(32), NEW, signers)) == "CNS-26"
    other = replace(NEW, candidates=CANDIDATES[:4])
    assert rule_of(change(CHAIN_ID, NEW, signers, over=other)) == "CNS-26"
    good = change(CHAIN_ID, NEW, signers)
    for at, (key, _) in enumerate(good.signatures):
        forged = (key, sign(SECRETS[F], registry_message(CHAIN_ID, NEW)))
        rows = (*good.signatures[:at], forged, *good.signatures[at + 1 :])
        assert rule_of(replace(good, signatures=rows)) == "CNS-26", "each signature is checked"


def test_without_a_registry_nothing_can_be_changed() -> None:
    assert rule_of(change(CHAIN_ID, NEW, (D, E)), None) == "CNS-27"


def row(key: bytes = A) -> tuple[bytes, bytes]:
    """Return a row of a change's signatures."""
    return (key, bytes(64))


LOW, HIGH = sorted((A, B))


@pytest.mark.parametrize(
    "rows",
    [
        0,
        (0,),
        ((A,),),
        ((A, 0),),
        ((0, bytes(64)),),
        (row(HIGH), row(LOW)),
        (row(), row()),
        ((A[1:], bytes(64)),),
        ((A, bytes(63)),),
        tuple(row(bytes((n,)) * 33) for n in range(1, 2 * MAX_REGISTRY_KEYS + 2)),
    ],
)
def test_nobody_signs_twice(rows: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        ChangeRegistry(registry=NEW, signatures=rows)  # type: ignore[arg-type]
    assert broken.value.rule == "CNS-23"


@pytest.mark.parametrize(
    "altered",
    [
        {"version": 0},
        {"version": True},
        {"version": 1 << 62},
        {"threshold": 0},
        {"threshold": 4},
        {"threshold": b""},
        {"keys": ()},
        {"keys": OLD.keys[::-1]},
        {"keys": (A, A)},
        {"keys": [*OLD.keys]},
        {"keys": (0,)},
        {"keys": (A[1:],)},
        {"keys": tuple(bytes((n,)) * 33 for n in range(1, MAX_REGISTRY_KEYS + 2))},
        {"candidates": CANDIDATES[::-1]},
        {"candidates": tuple(n.to_bytes(33, "big") for n in range(1, MAX_CANDIDATES + 2))},
    ],
)
def test_a_registry_has_one_shape(altered: dict[str, object]) -> None:
    with pytest.raises(RuleViolation) as broken:
        replace(OLD, **altered)  # type: ignore[arg-type]
    assert broken.value.rule == "CNS-21"


def test_a_registry_reads_back() -> None:
    assert registry_from_wire(OLD.to_wire()) == OLD
    for wire in (0, (), OLD.to_wire()[:3], (*OLD.to_wire(), 0)):
        with pytest.raises(RuleViolation) as broken:
            registry_from_wire(wire)
        assert broken.value.rule == "CNS-21"


# -- on a chain ----------------------------------------------------------------------------------------------------


def test_a_change_takes_hold_at_once_and_once() -> None:
    chain = epoch_chain()
    tx = changed(chain, NEW, (A, B, D, E))
    assert decode_transaction(tx.raw, max_bytes=1 << 14) == tx
    chain.add(tx)
    assert chain.state.registry == NEW
    with pytest.raises(RuleViolation) as broken:
        chain.add(tx)
    assert broken.value.rule == "CNS-22", "played back"
    back = registry(version=3)
    with pytest.raises(RuleViolation) as broken:
        chain.add(changed(chain, back, (A, B)))
    assert broken.value.rule == "CNS-24", "the keys that were replaced count no more"
    chain.add(changed(chain, back, (D, E, A, B)))
    assert chain.state.registry == back


def test_a_miner_that_leaves_loses_its_history() -> None:
    chain = epoch_chain()
    leaving, staying = CANDIDATES[7], CANDIDATES[0]
    chain.add(report(chain, {leaving: (5, 5), staying: (5, 4)}), at_ms=chain.gate(FIRST) + 10_000_000)
    chain.add(changed(chain, NEW, (A, B, D, E)))
    assert chain.state.deliveries.keys() == {staying}
    chain.add(changed(chain, registry(version=3), (D, E, A, B)))
    assert chain.state.deliveries.keys() == {staying}, "who comes back begins anew"


def test_leaving_and_returning_in_one_block_forgets_as_well() -> None:
    chain = epoch_chain()
    leaving = CANDIDATES[7]
    chain.add(report(chain, {leaving: (5, 5)}), at_ms=chain.gate(FIRST) + 10_000_000)
    back = chain.sign(change(chain.chain_id, registry(version=3), (A, B, D, E)), secret(98))
    chain.add(
        changed(chain, NEW, (A, B, D, E)),
        back,
        report(chain, {leaving: (7, 7)}),
    )
    assert [delivery.promised_j for _, delivery in chain.state.deliveries[leaving].epochs] == [7 * 3_600_000]


def test_a_chain_without_a_registry_refuses_changes() -> None:
    chain = Chain(genesis(epochs=PARAMS))
    with pytest.raises(RuleViolation) as broken:
        chain.add(changed(chain, NEW, (A, B, D, E)))
    assert broken.value.rule == "CNS-27"


def test_the_version_in_front_is_that_of_the_registry() -> None:
    fields = (7, 3, NEW.to_wire(), (), bytes(33), bytes(64))
    with pytest.raises(RuleViolation) as broken:
        decode_transaction(encode(fields), max_bytes=1 << 14)
    assert broken.value.rule == "CNS-22"
