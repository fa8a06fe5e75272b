"""A Merkle tree written from RFC 9162's recursive definitions alone, to judge `light_client.rules.merkle`.

Slow and short on purpose. Imports nothing from the project.
"""

import hashlib


def split(count: int) -> int:
    """Return the largest power of two smaller than `count`, found by counting up."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(leaves: list[bytes]) -> bytes:
    """Return the Merkle Tree Hash MTH(D_n) of section 2.1.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(bytes([0]) + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(bytes([1]) + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Return the inclusion path PATH(m, D_n) of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: list[bytes]) -> list[bytes]:
    """Return the consistency proof PROOF(m, D_n) of section 2.1.4.1."""
    return _subproof(m, leaves, whole=True)


def _subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*_subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]
