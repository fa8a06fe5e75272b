"""The alarm: what goes to disk, to the servers and to the owner when a committee contradicted itself or the rules."""

from __future__ import annotations

from light_client.client.belief import Belief
from light_client.client.news import Halted, Output
from light_client.messages.anchors import ForkMessage
from light_client.messages.codec import encode_message
from light_client.rules.ledger.fork import Fork, fork_from_bytes
from light_client.session.actor import PeerName, Report, Send
from light_client.store import trust


def raise_alarm(reason: str, fork: Fork | None, servers: tuple[PeerName, ...]) -> list[Output]:
    """Keep the reason and the evidence, and show the evidence to everybody."""
    outputs: list[Output] = [*trust.halt(reason, None if fork is None else fork.encode())]
    if fork is not None:
        raw = fork.encode()
        outputs += [Send(peer=peer, message=encode_message(ForkMessage(fork=raw))) for peer in servers]
        outputs.append(Report(name="fork", value=raw))
    return [*outputs, Report(name="halted", value=reason), Halted(reason=reason)]


def fork_reason(fork: Fork) -> str:
    """What a fork is called where people read it."""
    return f"two certified headers of height {fork.height}"


def proven_fork(message: ForkMessage, belief: Belief) -> Fork | None:
    """The fork that somebody tells of, if it contradicts what is trusted here; None if that is not proven.

    Raises:
        RuleViolation: the bytes are no fork, or its certificates do not hold.
    """
    fork = fork_from_bytes(message.fork)
    known = belief.anchor_at(fork.height)
    if known is None:
        return None
    other = fork.first if fork.second.header.hash() == known.header_hash else fork.second
    return belief.contradicts(other)
