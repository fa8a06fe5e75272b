"""Worked bytes of checkpoints and forks for docs/protocol.md, over the header that the page works with."""

from __future__ import annotations

from dataclasses import replace

from light_client.messages.anchors import GetHistory
from light_client.messages.codec import encode_message
from light_client.rules.checkpoint import Checkpoint, checkpoint_from_bytes
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind, vote_message
from light_client.rules.ledger.fork import CertifiedHeader, Fork, check_fork, fork_from_bytes, fork_of
from light_client.rules.ledger.genesis import Genesis


def _secret(number: int) -> bytes:
    return number.to_bytes(32, "big")


def checkpoint_of(genesis: Genesis, header: Header) -> Checkpoint:
    """Return the header as an anchor, signed by the first two registry keys (secrets 21 to 23)."""
    committee = genesis.committee
    bare = Checkpoint(header=header, signers=committee, committee=committee, signatures=())
    secrets = sorted((_secret(number) for number in (21, 22, 23)), key=public_key_of)
    return replace(bare, signatures=tuple((n, sign(secrets[n], bare.message())) for n in (0, 1)))


def _certified(chain_id: bytes, header: Header) -> CertifiedHeader:
    message = vote_message(VoteKind.PRECOMMIT, chain_id, header.height, 0, header.hash())
    certificate = QuorumCertificate(
        height=header.height,
        round_=0,
        header_hash=header.hash(),
        bitmap=0b111,
        signatures=tuple(sign(_secret(number), message) for number in (11, 12, 13)),
    )
    return CertifiedHeader(header=header, certificate=certificate)


def fork_at(genesis: Genesis, header: Header) -> Fork:
    """Return the header against itself with another state root, each signed by the seats 0 to 2."""
    chain_id = genesis.chain_id()
    twin = replace(header, state_root=bytes.fromhex("22" * 32))
    return fork_of(_certified(chain_id, header), _certified(chain_id, twin))


def anchor_vectors(genesis: Genesis, header: Header) -> dict[str, bytes]:
    """Return the bytes by name."""
    made = checkpoint_of(genesis, header)
    return {
        "checkpoint-bytes": made.message(),
        "checkpoint": made.encode(),
        "fork": fork_at(genesis, header).encode(),
        "history-request": encode_message(GetHistory(height=1, head_height=9)),
    }


def check_readable(page: dict[str, bytes], genesis: Genesis, header: Header) -> None:
    """Read the page's bytes back, and see that they mean what the words say."""
    assert checkpoint_from_bytes(page["checkpoint"]) == checkpoint_of(genesis, header)
    fork = fork_from_bytes(page["fork"])
    check_fork(fork, genesis.chain_id(), genesis.committee)
    assert fork.culprits() == (0, 1, 2)
