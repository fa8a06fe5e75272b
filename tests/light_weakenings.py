"""How the mutants of `tests/light_mutants.py` are made: checks taken out, or put back weaker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from light_client.rules import checkpoint, light
from light_client.rules.crypto import verify
from light_client.rules.ledger.committee import Committee, QuorumCertificate, check_quorum
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.light import LightParams, TrustedState, Update

Patch = Callable[[pytest.MonkeyPatch], None]


def put(module: ModuleType, name: str, value: object) -> Patch:
    """Replace one name."""
    return lambda patch: patch.setattr(module, name, value)


def skip(name: str, module: ModuleType = light) -> Patch:
    """Remove a check."""
    return put(module, name, lambda *arguments: None)


def quorum_of(rule: Callable[[int, int], bool]) -> Patch:
    """Replace what counts as a quorum: (weight, total) -> bool."""
    return lambda patch: patch.setattr(
        Committee, "is_quorum", lambda self, weight: rule(weight, self.total_weight)
    )


HONEST_NEWER, HONEST_FRESH = light.header_is_newer, light.trusted_header_is_fresh
HONEST_CERTIFICATE = light.certificate_is_for_the_header
HONEST_SIGNED = checkpoint.checkpoint_is_signed


def height_only(trusted: TrustedState, update: Update) -> None:
    """LC-02 without the order of times."""
    HONEST_NEWER(trusted, replace(update, header=replace(update.header, time_ms=trusted.time_ms + 1)))


def time_only(trusted: TrustedState, update: Update) -> None:
    """LC-02 without the order of heights."""
    HONEST_NEWER(trusted, replace(update, header=replace(update.header, height=trusted.height + 1)))


def expiry_a_moment_late(trusted: TrustedState, now_ms: int, params: LightParams) -> None:
    """LC-03 with `>` for `>=`."""
    HONEST_FRESH(trusted, now_ms - 1, params)


def certificate_without(field: str) -> Callable[[Update], None]:
    """LC-05 without one of its comparisons."""

    def check(update: Update) -> None:
        header = update.header
        right: dict[str, Any] = {
            "height": header.height,
            "header_hash": header.hash(),
            "round_": header.round_,
        }
        HONEST_CERTIFICATE(replace(update, certificate=replace(update.certificate, **{field: right[field]})))

    return check


def any_signature(*arguments: object) -> bool:
    """Take everything for a signature."""
    return True


def signatures_unchecked(
    known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = None
) -> None:
    """CNS-05 taken for nothing."""
    check_quorum(known, chain_id, certificate, any_signature)


def unknown_signers_ignored(
    known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = verify
) -> None:
    """CNS-03 taken for nothing."""
    bitmap = certificate.bitmap & (1 << len(known.members)) - 1
    kept = certificate.signatures[: bitmap.bit_count()]
    check_quorum(known, chain_id, replace(certificate, bitmap=bitmap, signatures=kept), check)


def duplicates_counted(
    known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = verify
) -> None:
    """Signatures counted one by one, whoever's they are."""
    seats = [seat for seat in range(len(known.members)) if certificate.bitmap >> seat & 1]
    if len(set(certificate.signatures)) == 1 and len(seats) > 1:
        alone = Committee(members=known.members[seats[0] : seats[0] + 1])
        once = replace(certificate, bitmap=1, signatures=certificate.signatures[:1])
        check_quorum(alone, chain_id, once, check)
        return
    check_quorum(known, chain_id, certificate, check)


def no_quorum(known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = None) -> None:
    """Certificates taken as they come."""


def named_committee_may_sign(patch: pytest.MonkeyPatch) -> None:
    """Whoever comes with the header may sign it, known or not."""
    listed: list[Committee] = []

    def note(trusted: TrustedState, update: Update) -> None:
        listed[:] = [update.next_committee or trusted.committee]

    def check(known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = verify) -> None:
        check_quorum(listed[0], chain_id, certificate, check)

    patch.setattr(light, "committee_is_the_known_one", note)
    patch.setattr(light, "check_quorum", check)


def old_committee_may_sign(patch: pytest.MonkeyPatch) -> None:
    """The committee of the trusted header may also sign the next one, whatever it announced."""
    signers: list[Committee] = []

    def note(trusted: TrustedState, update: Update) -> None:
        named = update.header.committee_hash
        signers[:] = [trusted.signers if named == trusted.signers.hash() else trusted.committee]

    def check(known: Committee, chain_id: bytes, certificate: QuorumCertificate, check: Any = verify) -> None:
        check_quorum(signers[0], chain_id, certificate, check)

    patch.setattr(light, "committee_is_the_known_one", note)
    patch.setattr(light, "check_quorum", check)


def one_key_is_enough(made: Any, chain_id: bytes, registry: MinerRegistry) -> None:
    """LC-17 without the threshold."""
    HONEST_SIGNED(made, chain_id, replace(registry, threshold=min(registry.threshold, len(made.signatures))))


def keys_counted_twice(made: Any, chain_id: bytes, registry: MinerRegistry) -> None:
    """LC-17 without distinct keys."""
    distinct = tuple(dict(made.signatures).items())
    fewer = registry.threshold - (len(made.signatures) - len(distinct))
    HONEST_SIGNED(replace(made, signatures=distinct), chain_id, replace(registry, threshold=fewer))


def committees_of_a_checkpoint_unchecked(made: Any, chain_id: bytes, registry: MinerRegistry) -> None:
    """LC-17 without the committees."""
    header = made.header
    signers = _Hashes(made.signers, header.committee_hash)
    stand: Any = _Stand(made, signers=signers, committee=_Hashes(made.committee, header.next_committee_hash))
    HONEST_SIGNED(stand, chain_id, registry)


class _Hashes:
    """A committee that says what is asked of it."""

    def __init__(self, committee: Committee, said: bytes) -> None:
        self.committee, self.said = committee, said

    def hash(self) -> bytes:
        """Return the hash wanted."""
        return self.said


class _Stand:
    """A checkpoint with other committees, under the signatures of the true one."""

    def __init__(self, made: Any, **other: Any) -> None:
        self.header, self.signatures, self.message = made.header, made.signatures, made.message
        self.signers, self.committee = other["signers"], other["committee"]


def order_of_a_fork_unchecked(made: Any, *arguments: Any) -> None:
    """LC-19 without two different headers."""
    for side in (made.first, made.second):
        check_quorum(arguments[1], arguments[0], side.certificate)
