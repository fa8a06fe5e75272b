"""The authenticated map: one root for the whole ledger state, and a short proof for any single entry.

A binary tree over 32-byte keys. A subtree that holds one entry *is* that entry, so the tree has one shape for one
content and a depth of about log2 of the number of entries. Nodes are never changed: an update makes new nodes
along its paths only, so a proposed block's root costs no copy, and older roots stay usable.

Hashes: entry ``H("…/entry", key, value_hash)``, branch ``H("…/branch", left, right)``, empty 32 zero bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from light_client.rules.crypto import tagged_hash
from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES

EMPTY_ROOT = bytes(HASH_BYTES)
MAX_DEPTH = 256
_ENTRY = "gridlight/state/entry/1"
_BRANCH = "gridlight/state/branch/1"


class Entry(NamedTuple):
    """One key with the hash of its value."""

    hash: bytes
    key: bytes
    value_hash: bytes


class Branch(NamedTuple):
    """Two subtrees: keys whose bit at this depth is 0, and 1."""

    hash: bytes
    left: Node
    right: Node


Node = Entry | Branch | None


def state_key(kind: str, identity: bytes) -> bytes:
    """The tree's key of a record: a tagged hash, so that nobody can choose neighbours."""
    return tagged_hash("gridlight/state/key/1", kind.encode(), b"/", identity)


def value_hash_of(encoded: bytes) -> bytes:
    """The hash of a record's canonical bytes as the tree holds it."""
    return tagged_hash("gridlight/state/value/1", encoded)


def root_of(node: Node) -> bytes:
    """The root hash of a tree, 32 bytes."""
    return EMPTY_ROOT if node is None else node.hash


def update(node: Node, changes: Mapping[bytes, bytes | None]) -> Node:
    """A new tree with ``changes`` applied: key -> value hash, or None to remove the key."""
    keys = sorted(changes)
    return _update(node, keys, changes, 0, len(keys), 0)


def _update(
    node: Node,
    keys: Sequence[bytes],
    changes: Mapping[bytes, bytes | None],
    low: int,
    high: int,
    depth: int,
) -> Node:
    if low == high:
        return node
    if not isinstance(node, Branch):
        return _rebuild(node, keys, changes, low, high, depth)
    middle = _split(keys, low, high, depth)
    left = _update(node.left, keys, changes, low, middle, depth + 1)
    right = _update(node.right, keys, changes, middle, high, depth + 1)
    return _join(left, right)


def _rebuild(
    entry: Entry | None,
    keys: Sequence[bytes],
    changes: Mapping[bytes, bytes | None],
    low: int,
    high: int,
    depth: int,
) -> Node:
    """A subtree out of at most one old entry and the changes that fall into it."""
    entries = [make_entry(key, value) for key in keys[low:high] if (value := changes[key]) is not None]
    if entry is not None and entry.key not in changes:
        entries.insert(bisect_left([new.key for new in entries], entry.key), entry)
    return _build(entries, depth)


def _build(entries: list[Entry], depth: int) -> Node:
    if len(entries) <= 1:
        return entries[0] if entries else None
    middle = _split([entry.key for entry in entries], 0, len(entries), depth)
    return _join(_build(entries[:middle], depth + 1), _build(entries[middle:], depth + 1))


def _join(left: Node, right: Node) -> Node:
    """The subtree over two halves: an entry alone moves up, so that one content has one shape."""
    if left is None and not isinstance(right, Branch):
        return right
    if right is None and not isinstance(left, Branch):
        return left
    return Branch(branch_hash(root_of(left), root_of(right)), left, right)


def _split(keys: Sequence[bytes], low: int, high: int, depth: int) -> int:
    """Where, among sorted keys equal in their first ``depth`` bits, those with bit ``depth`` set begin."""
    while low < high:
        middle = (low + high) // 2
        if _bit(keys[middle], depth):
            high = middle
        else:
            low = middle + 1
    return low


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def subtree(values: Mapping[bytes, bytes], depth: int) -> Node:
    """The subtree over entries whose keys agree in their first ``depth`` bits: key -> value hash."""
    return _build([make_entry(key, values[key]) for key in sorted(values)], depth)


def nodes_at(node: Node, bits: int) -> list[Node]:
    """The ``2 ** bits`` subtrees of a tree at a depth, left to right; a lone entry stands in its key's place."""
    level: list[Node] = [node]
    for depth in range(bits):
        below: list[Node] = []
        for each in level:
            if isinstance(each, Branch):
                below += [each.left, each.right]
            elif each is None or not _bit(each.key, depth):
                below += [each, None]
            else:
                below += [None, each]
        level = below
    return level


class Summary(NamedTuple):
    """What is told of a subtree: enough to compute the root above it."""

    hash: bytes
    """Its root; ``EMPTY_ROOT`` if it is empty."""
    is_branch: bool


def summary_of(node: Node) -> Summary:
    """The summary of a subtree."""
    return Summary(root_of(node), isinstance(node, Branch))


def root_over(summaries: Sequence[Summary]) -> bytes:
    """The root over a power of two of neighbouring subtrees."""
    level: list[Node] = [_stub(summary) for summary in summaries]
    while len(level) > 1:
        level = [_join(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return root_of(level[0])


def _stub(summary: Summary) -> Node:
    if summary.is_branch:
        return Branch(summary.hash, None, None)
    return None if summary.hash == EMPTY_ROOT else Entry(summary.hash, b"", b"")


def make_entry(key: bytes, value_hash: bytes) -> Entry:
    """An entry with its hash."""
    return Entry(tagged_hash(_ENTRY, key, value_hash), key, value_hash)


def branch_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a branch over two subtree hashes."""
    return tagged_hash(_BRANCH, left, right)


class StateProof(NamedTuple):
    """That a key has a value in a state, or that it has none."""

    siblings: tuple[bytes, ...]
    """Hashes of the other halves, from the root downwards."""
    other: tuple[bytes, bytes] | None
    """For absence only: the entry (key, value hash) found in the key's place, or None where the place is empty."""


def prove(node: Node, key: bytes) -> StateProof:
    """A proof for ``key`` in the tree, present or absent."""
    siblings: list[bytes] = []
    while isinstance(node, Branch):
        if _bit(key, len(siblings)):
            siblings.append(root_of(node.left))
            node = node.right
        else:
            siblings.append(root_of(node.right))
            node = node.left
    other = None if node is None or node.key == key else (node.key, node.value_hash)
    return StateProof(tuple(siblings), other)


def verify_state(root: bytes, key: bytes, encoded: bytes | None, proof: StateProof) -> None:
    """Check that ``key`` has the value ``encoded`` under ``root`` (None: has no value).

    Raises:
        RuleViolation: LC-20 for a proof of another shape, LC-21 when it does not lead to the root.
    """
    siblings, other = proof
    if (
        len(siblings) > MAX_DEPTH
        or len(key) != HASH_BYTES
        or any(len(sibling) != HASH_BYTES for sibling in siblings)
    ):
        raise RuleViolation(
            "LC-20",
            "shape of a state proof",
            got=len(siblings),
            expected=f"at most {MAX_DEPTH} hashes",
        )
    if encoded is not None:
        if other is not None:
            raise RuleViolation(
                "LC-20",
                "a proof of presence names another entry",
                got=other[0],
                expected=None,
            )
        node = make_entry(key, value_hash_of(encoded)).hash
    elif other is None:
        node = EMPTY_ROOT
    else:
        other_key, other_value = other
        depth = len(siblings)
        if len(other_key) != HASH_BYTES or len(other_value) != HASH_BYTES or other_key == key:
            raise RuleViolation(
                "LC-20",
                "a proof of absence names no other entry",
                got=other_key,
                expected="another key",
            )
        if any(_bit(other_key, at) != _bit(key, at) for at in range(depth)):
            raise RuleViolation(
                "LC-20",
                "the other entry does not stand in the key's place",
                got=other_key,
                expected=key,
            )
        node = make_entry(other_key, other_value).hash
    for at in range(len(siblings) - 1, -1, -1):
        node = branch_hash(siblings[at], node) if _bit(key, at) else branch_hash(node, siblings[at])
    if node != root:
        raise RuleViolation(
            "LC-21",
            "a state proof does not lead to the state root",
            got=node,
            expected=root,
        )
