"""Merkle trees: public vectors, an oracle written from the RFC's definitions, and forged proofs."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules import merkle
from light_client.rules.errors import LocalError
from light_client.rules.merkle import EMPTY_ROOT, History, Tree
from tests.oracles import naive_merkle

LEAVES = [bytes([number]) * (number % 5) for number in range(70)]
leaf_lists = st.lists(st.binary(max_size=40), max_size=80)


def cases(folder: Path) -> list[dict[str, Any]]:
    """Read every vector of one folder."""
    return [json.loads(file.read_text()) for file in sorted(folder.rglob("*.json"))]


def hashes(texts: list[str] | None) -> list[bytes]:
    """Decode the base64 hashes of a vector, where an empty proof is null."""
    return [base64.b64decode(text) for text in texts or []]


def test_public_inclusion_vectors(shared_vectors: Path) -> None:
    vectors = cases(shared_vectors / "merkle" / "inclusion")
    wrong = [
        case["desc"]
        for case in vectors
        if merkle.verify_inclusion_of_hash(
            base64.b64decode(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            hashes(case["proof"]),
            base64.b64decode(case["root"]),
        )
        is case["wantErr"]
    ]
    assert (len(vectors), wrong) == (98, [])


def test_public_consistency_vectors(shared_vectors: Path) -> None:
    vectors = cases(shared_vectors / "merkle" / "consistency")
    wrong = [
        case["desc"]
        for case in vectors
        if merkle.verify_consistency(
            case["size1"],
            case["size2"],
            base64.b64decode(case["root1"] or ""),
            base64.b64decode(case["root2"] or ""),
            hashes(case["proof"]),
        )
        is case["wantErr"]
    ]
    assert (len(vectors), wrong) == (98, [])


@given(leaf_lists)
def test_all_roots_agree_with_the_oracle(leaves: list[bytes]) -> None:
    expected = naive_merkle.mth(leaves)
    history, tree = History(), Tree(leaves)
    for leaf in leaves:
        history = history.append(leaf)
    assert merkle.root(leaves) == tree.root(len(leaves)) == history.root == expected


def test_every_small_proof_agrees_with_the_oracle_and_verifies() -> None:
    tree = Tree(LEAVES)
    for size in range(1, len(LEAVES) + 1):
        leaves, root = LEAVES[:size], tree.root(size)
        assert root == naive_merkle.mth(leaves)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert list(proof) == naive_merkle.path(index, leaves)
            assert merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
        for old_size in range(1, size + 1):
            proof = tree.consistency_proof(old_size, size)
            assert list(proof) == naive_merkle.proof(old_size, leaves)
            assert merkle.verify_consistency(old_size, size, tree.root(old_size), root, proof)


def test_proofs_straight_from_leaves() -> None:
    assert list(merkle.inclusion_proof(LEAVES[:7], 5)) == naive_merkle.path(5, LEAVES[:7])
    assert list(merkle.consistency_proof(LEAVES[:7], 4)) == naive_merkle.proof(4, LEAVES[:7])


@given(st.integers(1, 70), st.data())
def test_no_altered_inclusion_proof_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(LEAVES[:size])
    proof, root = list(tree.inclusion_proof(index, size)), tree.root(size)
    leaf = LEAVES[index]
    assert not merkle.verify_inclusion(leaf + b"x", index, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, proof, bytes(32))
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(leaf, -1, size, proof, root)
    assert not merkle.verify_inclusion(leaf, size, size, proof, root)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        for forged in (bytes(32), proof[place][:-1], proof[place] + b"\x00"):
            assert not merkle.verify_inclusion(
                leaf, index, size, [*proof[:place], forged, *proof[place + 1 :]], root
            )
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)
        assert not merkle.verify_inclusion(leaf, index ^ 1, size, proof, root)


@given(st.integers(1, 70), st.data())
def test_no_altered_consistency_proof_verifies(size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(1, size))
    tree = Tree(LEAVES[:size])
    proof = list(tree.consistency_proof(old_size, size))
    old_root, root = tree.root(old_size), tree.root(size)
    assert not merkle.verify_consistency(old_size, size, bytes(32), root, proof)
    assert not merkle.verify_consistency(old_size, size, old_root, bytes(32), proof)
    assert not merkle.verify_consistency(old_size, size, old_root, root, [*proof, root])
    assert not merkle.verify_consistency(0, size, old_root, root, proof)
    assert not merkle.verify_consistency(size + 1, size, old_root, root, proof)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        forged = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert not merkle.verify_consistency(old_size, size, old_root, root, forged)
        assert not merkle.verify_consistency(old_size, size, old_root, root, proof[:-1])


def test_an_empty_old_tree_proves_nothing() -> None:
    assert not merkle.verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not merkle.verify_consistency(0, 3, EMPTY_ROOT, merkle.root(LEAVES[:3]), [])


def test_a_proof_that_is_short_or_holds_no_hashes_proves_nothing() -> None:
    old, new = merkle.root(LEAVES[:3]), merkle.root(LEAVES[:4])
    proof = merkle.consistency_proof(LEAVES[:4], 3)
    assert merkle.verify_consistency(3, 4, old, new, proof)
    assert not merkle.verify_consistency(3, 4, old, new, [])
    assert not merkle.verify_consistency(3, 4, old, new, [proof[0][:-1], *proof[1:]])


def test_an_inner_node_cannot_be_shown_as_a_leaf() -> None:
    """The attack on trees without leaf and node bytes: the node's two children, joined, offered as a leaf."""
    joined = merkle.leaf_hash(b"a") + merkle.leaf_hash(b"b")
    proof = [merkle.node_hash(merkle.leaf_hash(b"c"), merkle.leaf_hash(b"d"))]
    root = merkle.root([b"a", b"b", b"c", b"d"])
    assert not merkle.verify_inclusion(joined, 0, 2, proof, root)
    unsafe = hashlib.sha256(b"\x01" + joined).digest()
    assert merkle.verify_inclusion_of_hash(unsafe, 0, 2, proof, root), "without the leaf byte it would pass"


def test_a_doubled_last_leaf_changes_the_root() -> None:
    assert merkle.root([b"a", b"b", b"c"]) != merkle.root([b"a", b"b", b"c", b"c"])


def test_a_history_is_never_altered() -> None:
    before = History().append(b"a").append(b"b").append(b"c")
    root = before.root
    assert before.append(b"d") != before
    assert (before.size, before.root) == (3, root)


@pytest.mark.parametrize(
    ("size", "frontier"),
    [(-1, ()), (1, ()), (2, (bytes(32), bytes(32))), (0, (bytes(32),)), (1, (bytes(31),))],
)
def test_a_history_that_cannot_be_is_refused(size: int, frontier: tuple[bytes, ...]) -> None:
    with pytest.raises(LocalError):
        History(size=size, frontier=frontier)


@given(st.integers(0, 70), st.integers(0, 40), st.data())
def test_a_tree_goes_on_from_a_frontier(known: int, more: int, data: st.DataObject) -> None:
    """Of later leaves it proves what the whole tree proves; of earlier ones nothing."""
    leaves = [bytes((number,)) for number in range(known + more)]
    before = History()
    for leaf in leaves[:known]:
        before = before.append(leaf)
    whole, part = Tree(leaves), Tree(leaves[known:], after=before)
    assert (part.size, part.known_from) == (known + more, known)
    size = data.draw(st.integers(known, known + more))
    assert part.root(size) == whole.root(size)
    for index in range(known, size):
        assert part.inclusion_proof(index, size) == whole.inclusion_proof(index, size)
    for old_size in range(max(1, known), size + 1):
        assert part.consistency_proof(old_size, size) == whole.consistency_proof(old_size, size)
    if known:
        with pytest.raises(LocalError):
            part.inclusion_proof(known - 1, size)
    if known > 1:
        for question in (lambda: part.consistency_proof(known - 1, size), lambda: part.root(known - 1)):
            with pytest.raises(LocalError):
                question()


def test_a_tree_refuses_questions_without_an_answer() -> None:
    tree = Tree(LEAVES[:5])
    assert tree.root(0) == EMPTY_ROOT
    for index, size in [(5, 5), (-1, 5), (0, 0), (0, 6)]:
        with pytest.raises(LocalError):
            tree.inclusion_proof(index, size)
    for old_size, size in [(0, 5), (4, 3), (1, 6)]:
        with pytest.raises(LocalError):
            tree.consistency_proof(old_size, size)
    with pytest.raises(LocalError):
        tree.root(-1)
