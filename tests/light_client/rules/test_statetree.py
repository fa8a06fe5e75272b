"""The authenticated map against a naive twin, and against forgers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from light_client.rules.errors import RuleViolation
from light_client.rules.statetree import (
    EMPTY_ROOT,
    Branch,
    Node,
    StateProof,
    branch_hash,
    prove,
    root_of,
    state_key,
    update,
    value_hash_of,
    verify_state,
)
from tests.oracles import naive_statetree

crowded = st.tuples(st.integers(0, 7), st.integers(0, 255), st.sampled_from([0, 1, 128])).map(
    lambda parts: bytes((parts[1],)) * parts[0] + bytes((parts[2],)) + bytes(31 - parts[0])
)
"""Keys with long common beginnings, as no hash would give them: the deep ends of the tree."""
keys = st.one_of(st.binary(min_size=32, max_size=32), crowded)
contents = st.dictionaries(keys, st.binary(max_size=4), max_size=24)


def built(records: dict[bytes, bytes]) -> Node:
    """Build a tree at once."""
    return update(None, {key: value_hash_of(value) for key, value in records.items()})


@given(contents)
def test_the_root_is_the_one_of_the_definition(records: dict[bytes, bytes]) -> None:
    assert root_of(built(records)) == naive_statetree.root(records)


@given(contents, contents, st.randoms(use_true_random=False))
def test_one_content_has_one_shape(
    first: dict[bytes, bytes], second: dict[bytes, bytes], random: Random
) -> None:
    wanted = {**first, **second}
    tree = built(first)
    order = list(second)
    random.shuffle(order)
    for key in order:
        tree = update(tree, {key: value_hash_of(second[key])})
    assert tree == built(wanted)
    for key in random.sample(sorted(wanted), len(wanted)):
        tree = update(tree, {key: None})
    assert tree is None


@given(contents, contents)
def test_an_update_leaves_the_older_tree_as_it_was(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
    tree = built(old)
    update(tree, {key: value_hash_of(value) for key, value in new.items()})
    assert root_of(tree) == naive_statetree.root(old)


@given(contents, keys)
def test_proofs_are_those_of_the_definition_and_hold(records: dict[bytes, bytes], stranger: bytes) -> None:
    tree = built(records)
    hashes = {key: value_hash_of(value) for key, value in records.items()}
    for key in (*records, stranger):
        siblings, found = naive_statetree.path(hashes, key)
        other = None if found is None or found[0] == key else found
        proof = prove(tree, key)
        assert proof == StateProof(tuple(siblings), other)
        verify_state(root_of(tree), key, records.get(key), proof)


def refused(root: bytes, key: bytes, encoded: bytes | None, proof: StateProof) -> bool:
    """Tell whether a proof is refused by its rules."""
    try:
        verify_state(root, key, encoded, proof)
    except RuleViolation as broken:
        return broken.rule in {"LC-20", "LC-21"}
    return False


@given(contents.filter(bool), keys, st.data())
def test_no_proof_shows_what_is_not_so(
    records: dict[bytes, bytes], stranger: bytes, data: st.DataObject
) -> None:
    tree = built(records)
    root = root_of(tree)
    key = data.draw(st.sampled_from(sorted(records)))
    proof = prove(tree, key)
    assert refused(root, key, records[key] + b"\x00", proof)
    assert refused(root, key, None, proof)
    for other in records.keys() - {key}:
        shown = (other, value_hash_of(records[other]))
        assert refused(root, key, None, StateProof(prove(tree, other).siblings, shown)), (
            "denied by a neighbour"
        )
        assert refused(root, key, None, StateProof(proof.siblings, shown))
        assert refused(root, other, records[key], proof)
    if stranger not in records:
        for value in records.values():
            assert refused(root, stranger, value, prove(tree, stranger)._replace(other=None))
            assert refused(root, stranger, value, proof)


@given(contents.filter(lambda records: len(records) > 1), st.data())
def test_no_altered_proof_holds(records: dict[bytes, bytes], data: st.DataObject) -> None:
    tree = built(records)
    root = root_of(tree)
    key = data.draw(st.sampled_from(sorted(records)))
    siblings = list(prove(tree, key).siblings)
    at = data.draw(st.integers(0, len(siblings) - 1))
    flipped = bytes((siblings[at][0] ^ 1,)) + siblings[at][1:]
    for forged in (
        siblings[:at] + siblings[at + 1 :],
        [*siblings[:at], flipped, *siblings[at + 1 :]],
        [*siblings, EMPTY_ROOT],
        [EMPTY_ROOT, *siblings],
    ):
        assert refused(root, key, records[key], StateProof(tuple(forged), None))


def test_a_lone_entry_moves_up_and_an_empty_half_is_kept_above_a_branch() -> None:
    near, far, away = bytes(32), bytes(31) + b"\x01", b"\x80" + bytes(31)
    deep = built({near: b"a", far: b"b"})
    assert isinstance(deep, Branch)
    assert deep.right is None, "255 bits in common: 255 branches with an empty half"
    assert len(prove(deep, near).siblings) == 256
    lifted = update(update(deep, {away: value_hash_of(b"c")}), {near: None, far: None})
    assert lifted == built({away: b"c"})


def test_hashes_of_different_things_never_meet() -> None:
    same = bytes(32)
    assert (
        len(
            {
                state_key("account", same),
                state_key("offer", same),
                branch_hash(same, same),
                value_hash_of(same),
            }
        )
        == 4
    )


@pytest.mark.parametrize("count", [2_000])
def test_proofs_stay_short(count: int) -> None:
    tree = built({state_key("account", number.to_bytes(4, "big")): b"" for number in range(count)})
    longest = max(
        len(prove(tree, state_key("account", number.to_bytes(4, "big"))).siblings) for number in range(count)
    )
    assert longest < 30


class TreeMachine(RuleBasedStateMachine):
    """Batches of changes against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.tree: Node = None
        self.model: dict[bytes, bytes] = {}

    @rule(
        changes=st.dictionaries(keys, st.one_of(st.none(), st.binary(max_size=2)), max_size=6), data=st.data()
    )
    def change(self, changes: dict[bytes, bytes | None], data: st.DataObject) -> None:
        """Put, replace and remove, also what is there already."""
        if self.model:
            for key in data.draw(st.lists(st.sampled_from(sorted(self.model)), max_size=3)):
                changes[key] = data.draw(st.one_of(st.none(), st.just(b"new")))
        self.tree = update(
            self.tree,
            {key: None if value is None else value_hash_of(value) for key, value in changes.items()},
        )
        for key, value in changes.items():
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @invariant()
    def agrees(self) -> None:
        """The root is that of the dictionary."""
        assert root_of(self.tree) == naive_statetree.root(self.model)


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
