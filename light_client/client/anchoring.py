"""Asking for a new anchor, when nothing but a checkpoint of the registry helps, and taking one."""

from __future__ import annotations

from light_client.client.belief import Belief
from light_client.messages.anchors import CheckpointMessage, GetCheckpoint
from light_client.messages.codec import encode_message
from light_client.rules.checkpoint import checkpoint_from_bytes
from light_client.rules.verdict import Accepted
from light_client.session.actor import Effect, Report, Send, SetTimer
from light_client.sync.servers import Fault, Servers

TIMER = "anchor"


def ask_anchor(belief: Belief, servers: Servers, retry_ms: int, now_ms: int) -> list[Effect]:
    """Ask a server for the registry's newest checkpoint, and another one the next time."""
    server = servers.primary
    servers.failed(server, Fault.SILENT, now_ms)
    request = encode_message(GetCheckpoint(above_height=belief.trusted.height))
    again_ms = max(now_ms + retry_ms, servers.ready_ms(server))
    return [Send(peer=server, message=request), SetTimer(name=TIMER, at_ms=again_ms)]


def take_anchor(belief: Belief, message: CheckpointMessage, now_ms: int) -> tuple[bool, Report]:
    """Begin anew from a checkpoint; tells whether it leads beyond what was trusted, and what to report.

    Raises:
        RuleViolation: the bytes are no checkpoint.
    """
    before, made = belief.trusted.height, checkpoint_from_bytes(message.checkpoint)
    verdict = belief.take_checkpoint(made, now_ms)
    if not isinstance(verdict, Accepted) or belief.trusted.height == before:
        return False, Report(name="checkpoint-refused", value=str(verdict))
    return True, Report(name="anchored", value=made.header.height)
