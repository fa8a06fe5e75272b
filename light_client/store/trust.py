"""The trusted states of a light client on disk: one value, so that no power cut leaves half of it.

The value holds the newest trusted state and the latest turns of committees before it, a few kilobytes. Its height and
time are floors: nothing below them is ever trusted again. What is read back must be of this chain and still carry the
signatures that made it trusted, so that a bit that flipped on the flash is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import header_from_wire
from light_client.rules.ledger.committee import certificate_of_quorum_from_wire, committee_from_wire
from light_client.rules.light import TrustedState, Update, header_is_certified
from light_client.session.actor import Storage, Write
from light_client.store.errors import StoreDamagedError

TABLE: Final = "light"
_TRUST: Final = b"trust"
_HALT: Final = b"halt"
_FORK: Final = b"fork"
_MAX_BYTES: Final = 128 << 10
_MAX_ITEMS: Final = 4_096


def remember(states: Sequence[TrustedState], *, may_wait: bool = False) -> Write:
    """The write that keeps trusted states, in ascending order, instead of the ones kept before."""
    wire = tuple(_to_wire(state) for state in states if state.header is not None)
    return Write(table=TABLE, key=_TRUST, value=encode(wire), may_wait=may_wait)


def recall(storage: Storage, chain_id: bytes) -> tuple[TrustedState, ...]:
    """The trusted states of an earlier life; none before the first one was kept.

    Raises:
        StoreDamagedError: the value is no such list, or of another chain.
    """
    raw = storage.get(TABLE, _TRUST)
    if raw is None:
        return ()
    try:
        wire: Any = decode(raw, max_bytes=_MAX_BYTES, max_depth=6, max_items=_MAX_ITEMS)
        states = tuple(_from_wire(row) for row in wire)
    except (RuleViolation, TypeError, ValueError) as error:
        raise StoreDamagedError("the trusted headers on disk cannot be read", got=str(error)) from error
    if any(state.chain_id != chain_id for state in states):
        raise StoreDamagedError(
            "the trusted headers on disk are of another chain", got=states[-1].chain_id, expected=chain_id
        )
    return states


def halt(reason: str, fork: bytes | None) -> list[Write]:
    """The writes that keep an alarm, and the evidence for it if there is any."""
    writes = [Write(table=TABLE, key=_HALT, value=reason.encode())]
    if fork is not None:
        writes.append(Write(table=TABLE, key=_FORK, value=fork))
    return writes


def lift() -> Write:
    """The write that ends an alarm; the evidence stays."""
    return Write(table=TABLE, key=_HALT, value=None)


def alarm(storage: Storage) -> str | None:
    """Why an earlier life stopped trading; None if it did not."""
    raw = storage.get(TABLE, _HALT)
    return None if raw is None else raw.decode(errors="replace")


def evidence(storage: Storage) -> bytes | None:
    """The fork that an earlier life saw."""
    return storage.get(TABLE, _FORK)


def _to_wire(state: TrustedState) -> tuple[Any, ...]:
    header, certificate = state.header, state.certificate
    return (
        () if header is None else header.to_wire(),
        () if certificate is None else (certificate.to_wire(),),
        state.signers.to_wire(),
        state.committee.to_wire(),
    )


def _from_wire(wire: Any) -> TrustedState:
    header, certificate, *committees = wire
    read = header_from_wire(header)
    signers, committee = (committee_from_wire(members) for members in committees)
    if (signers.hash(), committee.hash()) != (read.committee_hash, read.next_committee_hash):
        raise RuleViolation("LC-17", "committees beside a header on disk", got=signers.hash())
    signed = certificate_of_quorum_from_wire(certificate[0]) if certificate else None
    if signed is not None:  # signatures are the best checksum there is
        header_is_certified(signers, read.chain_id, Update(header=read, certificate=signed))
    return TrustedState(
        chain_id=read.chain_id,
        height=read.height,
        header_hash=read.hash(),
        time_ms=read.time_ms,
        signers=signers,
        committee=committee,
        header=read,
        certificate=signed,
    )
