"""The authenticated map: one root for the whole ledger state, and a short proof for any single entry.

A binary tree over 32-byte keys. A subtree that holds one entry *is* that entry, so the tree has one shape for one
content and a depth of about log2 of the number of entries. Nodes are never changed: an update makes new nodes
along its paths only, so a proposed block's root costs no copy, and older roots stay usable.

Hashes: entry ``H("…/entry", key, value_hash)``, branch ``H("…/branch", left, right)``, empty 32 zero bytes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from light_client.rules.crypto import tag_prefix
from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES

EMPTY_ROOT = bytes(HASH_BYTES)
KEY_BITS = 8 * HASH_BYTES
MAX_DEPTH = KEY_BITS
_KEY_PREFIX = tag_prefix("gridlight/state/key/1")
_VALUE_PREFIX = tag_prefix("gridlight/state/value/1")
_ENTRY_PREFIX = tag_prefix("gridlight/state/entry/1")
_BRANCH_PREFIX = tag_prefix("gridlight/state/branch/1")


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
    return sha256(_KEY_PREFIX + kind.encode() + b"/" + identity).digest()


def value_hash_of(encoded: bytes) -> bytes:
    """The hash of a record's canonical bytes as the tree holds it."""
    return sha256(_VALUE_PREFIX + encoded).digest()


def root_of(node: Node) -> bytes:
    """The root hash of a tree, 32 bytes."""
    return EMPTY_ROOT if node is None else node.hash


def update(node: Node, changes: Mapping[bytes, bytes | None]) -> Node:
    """A new tree with ``changes`` applied: key -> value hash, or None to remove the key."""
    keys = sorted(changes)
    values = [changes[key] for key in keys]
    return _update(node, _Sorted(keys, values, _numbers(keys)), 0, len(keys), 0)


class _Sorted(NamedTuple):
    """Changes in the order of their keys, which is that of the tree from left to right."""

    keys: list[bytes]
    values: list[bytes | None]
    numbers: list[int]
    """The keys as numbers, so that the place where a bit turns from 0 to 1 is found by bisection."""


def _numbers(keys: Iterable[bytes]) -> list[int]:
    return [int.from_bytes(key, "big") for key in keys]


def _update(node: Node, changes: _Sorted, low: int, high: int, depth: int) -> Node:
    """A subtree with those changes from ``low`` up to ``high``, which fall into it."""
    if high - low == 1:
        return _update_one(node, changes.keys[low], changes.values[low], depth)
    if low == high:
        return node
    if not isinstance(node, Branch):
        return _rebuild(node, changes, low, high, depth)
    middle = _split(changes.numbers, low, high, depth)
    left = _update(node.left, changes, low, middle, depth + 1)
    right = _update(node.right, changes, middle, high, depth + 1)
    return _join(left, right)


def _update_one(node: Node, key: bytes, value_hash: bytes | None, depth: int) -> Node:
    """A subtree with one change: down to where the key belongs, and up again.

    In a large ledger nearly all nodes that a block makes anew are made here, so it is spelled out.
    """
    bits = f"{int.from_bytes(key, 'big'):0{KEY_BITS}b}"
    siblings: list[Node] = []
    while isinstance(node, Branch):
        if bits[depth] == "1":
            _, sibling, node = node
        else:
            _, node, sibling = node
        siblings.append(sibling)
        depth += 1
    if value_hash is None:
        node = None if node is None or node.key == key else node
    else:
        entry = make_entry(key, value_hash)
        node = entry if node is None or node.key == key else _build(sorted((node, entry), key=_key), depth)
    for sibling in reversed(siblings):
        depth -= 1
        node = _join(sibling, node) if bits[depth] == "1" else _join(node, sibling)
    return node


def _rebuild(entry: Entry | None, changes: _Sorted, low: int, high: int, depth: int) -> Node:
    """A subtree out of at most one old entry and the changes that fall into it."""
    rows = zip(changes.keys[low:high], changes.values[low:high], strict=True)
    entries = [make_entry(key, value) for key, value in rows if value is not None]
    if entry is not None and entry.key not in changes.keys[low:high]:
        insort(entries, entry, key=_key)
    return _build(entries, depth)


def _key(entry: Entry) -> bytes:
    return entry.key


def _build(entries: list[Entry], depth: int) -> Node:
    """A subtree over entries in the order of their keys, which agree in their first ``depth`` bits."""
    return _build_part(entries, _numbers(entry.key for entry in entries), 0, len(entries), depth)


def _build_part(entries: list[Entry], numbers: list[int], low: int, high: int, depth: int) -> Node:
    if high - low <= 1:
        return entries[low] if low < high else None
    middle = _split(numbers, low, high, depth)
    left = _build_part(entries, numbers, low, middle, depth + 1)
    return _join(left, _build_part(entries, numbers, middle, high, depth + 1))


def _join(left: Node, right: Node) -> Node:
    """The subtree over two halves: an entry alone moves up, so that one content has one shape."""
    if left is not None and right is not None:
        return Branch(sha256(_BRANCH_PREFIX + left[0] + right[0]).digest(), left, right)
    if left is None and not isinstance(right, Branch):
        return right
    if right is None and not isinstance(left, Branch):
        return left
    return Branch(branch_hash(root_of(left), root_of(right)), left, right)


def _split(numbers: list[int], low: int, high: int, depth: int) -> int:
    """Where, among ascending keys equal in their first ``depth`` bits, those with bit ``depth`` set begin."""
    below = KEY_BITS - 1 - depth
    return bisect_left(numbers, (numbers[low] >> below | 1) << below, low, high)


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
    return Entry(sha256(_ENTRY_PREFIX + key + value_hash).digest(), key, value_hash)


def branch_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a branch over two subtree hashes."""
    return sha256(_BRANCH_PREFIX + left + right).digest()


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
