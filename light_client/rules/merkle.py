"""Merkle trees, proofs of inclusion and of consistency, and the append-only history that a header commits to.

Leaves are hashed after a byte 0 and nodes after a byte 1, so that a node can never be shown as a leaf. A tree of n
leaves splits at the largest power of two below n; a lone subtree moves up as it is and is never doubled.

Every public function takes the leaves themselves, except the two that say `_hash` in their name. Functions that
verify return a bool and never raise for anything a peer sent. Functions that prove run on a server's own leaves.

Source: RFC 9162 sections 2.1.1 to 2.1.4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from light_client.rules.errors import LocalError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""
Proof = tuple[bytes, ...]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf, whatever its length."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children's hashes."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the leaves in their order; `EMPTY_ROOT` for none."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        lone = level[-1:] if len(level) % 2 else []
        level = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ] + lone
    return level[0]


def inclusion_proof(leaves: Iterable[bytes], index: int) -> Proof:
    """Return the proof that leaf `index` is in the tree over `leaves`. For several of one tree, keep a `Tree`.

    Raises:
        LocalError: there is no such leaf.
    """
    tree = Tree(leaves)
    return tree.inclusion_proof(index, tree.size)


def consistency_proof(leaves: Iterable[bytes], size: int) -> Proof:
    """Return the proof that the tree over the first `size` leaves is a prefix of the tree over all of them.

    Raises:
        LocalError: `size` is not between 1 and the number of leaves.
    """
    tree = Tree(leaves)
    return tree.consistency_proof(size, tree.size)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Tell whether `proof` shows that `leaf` is number `index` of the `size` leaves under `root_hash`."""
    return verify_inclusion_of_hash(leaf_hash(leaf), index, size, proof, root_hash)


def verify_inclusion_of_hash(
    hashed_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Do as `verify_inclusion` for a leaf of which only the hash is at hand, hashed by the caller himself.

    A hash taken from a peer proves nothing here: it may be that of an inner node.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size or not _all_hashes(hashed_leaf, root_hash, *proof):
        return False
    position, last, computed = index, size - 1, hashed_leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and computed == root_hash


def verify_consistency(
    old_size: int,
    new_size: int,
    old_root: bytes,
    new_root: bytes,
    proof: Sequence[bytes],
) -> bool:
    """Tell whether `proof` shows that the tree under `new_root` only appended to the one under `old_root`.

    An empty old tree is refused, since nothing can be proven about it: it is a prefix of everything.

    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if not _all_hashes(old_root, new_root, *proof):
        return False
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_computed = node_hash(new_computed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old_computed == old_root and new_computed == new_root


def _all_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An append-only list of leaves of which only the frontier is kept: enough for the root and for appending.

    Attributes:
        size: number of leaves appended, at least 0.
        frontier: roots of the perfect subtrees that make up the tree, leftmost and largest first: one for each 1
            in the binary form of `size`, so 20 hashes of 32 bytes hold the history of a million headers.
    """

    size: int = 0
    frontier: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Check that the frontier fits the size."""
        if self.size < 0:
            raise LocalError("a history has no negative size", got=self.size)
        if len(self.frontier) != self.size.bit_count():
            raise LocalError(
                "the frontier does not fit the size of the history",
                got=len(self.frontier),
                expected=self.size.bit_count(),
            )
        if not _all_hashes(*self.frontier):
            raise LocalError("a frontier holds hashes of 32 bytes", got=self.frontier)

    def append(self, leaf: bytes) -> Self:
        """Return the history with one more leaf; this one stays as it is."""
        hashed, kept = leaf_hash(leaf), list(self.frontier)
        carry = self.size
        while carry & 1:
            hashed, carry = node_hash(kept.pop(), hashed), carry >> 1
        return type(self)(size=self.size + 1, frontier=(*kept, hashed))

    @property
    def root(self) -> bytes:
        """Root over all leaves appended; `EMPTY_ROOT` for none."""
        if not self.frontier:
            return EMPTY_ROOT
        computed = self.frontier[-1]
        for subtree in reversed(self.frontier[:-1]):
            computed = node_hash(subtree, computed)
        return computed


class Tree:
    """All hashes of an append-only tree, on a server that hands out proofs for any of its past sizes.

    Appending costs one hash on average, a root or a proof a few times log2(size). Takes about 64 bytes of hashes a
    leaf. The leaves themselves are not kept.
    """

    def __init__(self, leaves: Iterable[bytes] = (), *, after: History | None = None) -> None:
        """Begin with ``leaves``, or after those of which only a frontier is known.

        Args:
            leaves: the first ones, or those that follow ``after``.
            after: what came before: of these leaves no inclusion can be proven, of later ones it can.
        """
        before = after or History()
        self.known_from = before.size
        """Leaves from here on are known."""
        frontier = list(before.frontier)
        depth = max(1, before.size.bit_length())
        # _levels[k][i - _first[k]] is the root of the perfect subtree over the leaves i * 2**k up to (i + 1) * 2**k.
        self._levels: list[list[bytes]] = [
            [frontier.pop()] if before.size >> height & 1 else [] for height in range(depth)
        ]
        self._first = [(before.size >> height) - len(level) for height, level in enumerate(self._levels)]
        self._size = before.size
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf at the end."""
        hashed, height = leaf_hash(leaf), 0
        self._size += 1
        while True:
            if height == len(self._levels):
                self._levels.append([])
                self._first.append(0)
            level = self._levels[height]
            level.append(hashed)
            if (self._first[height] + len(level)) % 2:
                return
            hashed, height = node_hash(level[-2], hashed), height + 1

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` leaves.

        Raises:
            LocalError: there are fewer leaves.
        """
        self._check_size(size)
        return self._subtree_root(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> Proof:
        """Return the proof that leaf `index` is in the tree over the first `size` leaves.

        Raises:
            LocalError: there are fewer leaves, or `index` is not among them.

        Source: RFC 9162 section 2.1.3.1.
        """
        self._check_size(size)
        if not self.known_from <= index < size:
            expected = f"{self.known_from} to {size - 1}"
            raise LocalError("there is no such leaf", got=index, expected=expected)
        siblings: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _largest_power_below(end - start)
            if index < middle:
                siblings.append(self._subtree_root(middle, end))
                end = middle
            else:
                siblings.append(self._subtree_root(start, middle))
                start = middle
        return tuple(reversed(siblings))

    def consistency_proof(self, old_size: int, new_size: int) -> Proof:
        """Return the proof that the first `old_size` leaves are a prefix of the first `new_size`.

        Raises:
            LocalError: not 1 <= old_size <= new_size <= size.

        Source: RFC 9162 section 2.1.4.1.
        """
        self._check_size(new_size)
        if not max(1, self.known_from) <= old_size <= new_size:
            expected = f"{max(1, self.known_from)} to {new_size}"
            raise LocalError("there is no such older tree", got=old_size, expected=expected)
        hashes: list[bytes] = []
        start, end = 0, new_size
        while old_size != end:
            middle = start + _largest_power_below(end - start)
            if old_size <= middle:
                hashes.append(self._subtree_root(middle, end))
                end = middle
            else:
                hashes.append(self._subtree_root(start, middle))
                start = middle
        if start:  # otherwise the subtree reached is the old tree, whose root the verifier has
            hashes.append(self._subtree_root(start, end))
        return tuple(reversed(hashes))

    def _check_size(self, size: int) -> None:
        if size != 0 and not self.known_from <= size <= self.size:
            expected = f"{self.known_from} to {self.size}"
            raise LocalError("the tree has no such size", got=size, expected=expected)

    def _subtree_root(self, start: int, end: int) -> bytes:
        """Return the root over leaves `start` to `end`, where `start` is a multiple of a power of two >= the width."""
        width = end - start
        if width & (width - 1) == 0:
            height = width.bit_length() - 1
            return self._levels[height][(start >> height) - self._first[height]]
        middle = start + _largest_power_below(width)
        return node_hash(self._subtree_root(start, middle), self._subtree_root(middle, end))


def _largest_power_below(number: int) -> int:
    """Return the largest power of two below `number`, which is at least 2."""
    return 1 << (number - 1).bit_length() - 1
