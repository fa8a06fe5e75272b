"""The work whose instructions are counted on an emulated board: `python guest.py WHAT TIMES [FILE]`.

Runs there with nothing but what the device has, so it imports the light client alone. Set-up and work are told apart
by the caller, who runs it with different `TIMES`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HASH = bytes(range(32))


def signature(backend: str) -> Callable[[], None]:
    """Check one signature over 32 bytes with one of the libraries."""
    from light_client.rules import crypto

    library = crypto.backend_named(backend)
    secret = bytes([7] * 32)
    key, made = library.public_key_of(secret), library.sign(secret, HASH)

    def work() -> None:
        if not library.verify(key, made, HASH):
            raise SystemExit("a good signature was refused")

    return work


def quorum(members: int, backend: str) -> Callable[[], None]:
    """Check the certificate of a header: the least quorum of a committee of so many."""
    from light_client.rules import crypto
    from light_client.rules.ledger import committee as rules

    library = crypto.backend_named(backend)
    secrets = [bytes([number + 1] * 32) for number in range(members)]
    committee = rules.Committee(
        members=tuple(rules.Member(public_key=library.public_key_of(secret)) for secret in secrets)
    )
    message = rules.vote_message(rules.VoteKind.PRECOMMIT, HASH, 9, 0, HASH)
    signing = members * 2 // 3 + 1
    certificate = rules.QuorumCertificate(
        height=9,
        round_=0,
        header_hash=HASH,
        bitmap=(1 << signing) - 1,
        signatures=tuple(library.sign(secret, message) for secret in secrets[:signing]),
    )

    def work() -> None:
        rules.check_quorum(committee, HASH, certificate, library.verify)

    return work


def audit(path: str) -> Callable[[], None]:
    """Audit a day from the bytes of a ledger, as `testbed.bench.armhf` writes them."""
    from light_client.rules.encoding import decode
    from light_client.rules.ledger.audit import MarketReplica
    from light_client.rules.ledger.block import body_from_bytes, header_from_wire
    from light_client.rules.ledger.genesis import genesis_from_wire

    raw = Path(path).read_bytes()
    wire: Any = decode(raw, max_bytes=len(raw))
    genesis = genesis_from_wire(wire[0])
    headers = [(header_from_wire(header), body) for header, body in wire[1]]

    def work() -> None:
        replica = MarketReplica(genesis)
        for header, body in headers:
            replica.follow(header, body_from_bytes(body, genesis.chain))

    return work


def start() -> Callable[[], None]:
    """Import what a meter imports to check anything; counted against a bare interpreter."""

    def work() -> None:
        from light_client.rules import light  # noqa: F401

    return work


def main(words: list[str]) -> None:
    """Prepare, then work so many times."""
    what, times, *rest = words
    name, _, detail = what.partition(":")
    work = {
        "signature": lambda: signature(detail),
        "quorum": lambda: quorum(int(detail.split(":")[0]), detail.split(":")[1]),
        "audit": lambda: audit(rest[0]),
        "start": start,
    }[name]()
    for _ in range(int(times)):
        work()


if __name__ == "__main__":
    main(sys.argv[1:])
