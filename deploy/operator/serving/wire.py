"""What comes from the broker and what goes to it, without a word of MQTT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said."""

    topic: str
    payload: bytes
    number: int = 0
    """By which the broker hears that it was written."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Something to say."""

    topic: str
    payload: bytes
    retain: bool


class Broker(Protocol):
    """A broker, from the desk's side."""

    def take(self, wait_s: float) -> Sequence[Message]:
        """What was said meanwhile; waits so long for the first, s. Not acknowledged yet."""

    def written(self, messages: Sequence[Message]) -> None:
        """These are on the disk: the broker need not keep them any longer, and may send more."""

    def send(self, sendings: Sequence[Sending]) -> None:
        """Say these; what cannot be said now is said again after `connections` rose."""

    @property
    def connections(self) -> int:
        """How often a connection was made: after each, what must lie in topics is sent anew."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
