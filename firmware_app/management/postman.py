"""Which letters of the outbox are sent when: again and again until a receipt comes, few at a time.

    WAITING  --sent-->                          SENT      at most `IN_FLIGHT` at once
    SENT     --receipt-->                       (gone)    the outbox forgets it
    SENT     --60 s, doubling to an hour-->     WAITING
    SENT     --a new connection-->              WAITING   as if it had never been sent

The outbox keeps them over restarts and bounds them (`[store] outbox_mb`); this only remembers what is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_app.store.outbox import Message

IN_FLIGHT: Final = 8
FIRST_MS: Final = 60_000
LONGEST_MS: Final = 3_600_000


@dataclass(slots=True)
class _Sent:
    at_ms: int
    times: int = 1

    def is_due(self, now_ms: int) -> bool:
        return now_ms - self.at_ms >= min(LONGEST_MS, FIRST_MS * (1 << min(self.times - 1, 16)))


class Postman:
    """Of one destination of the outbox."""

    def __init__(self) -> None:
        self._sent: dict[str, _Sent] = {}

    def connected(self) -> None:
        """A new connection: whatever was under way is sent again."""
        self._sent.clear()

    def due(self, pending: Sequence[Message], now_ms: int) -> list[Message]:
        """What to send now, in order; it counts as sent.

        Args:
            pending: the first letters of the outbox.
            now_ms: monotonic ms.
        """
        here = {message.key for message in pending}
        self._sent = {key: sent for key, sent in self._sent.items() if key in here}
        found = []
        for message in pending:
            sent = self._sent.get(message.key)
            if sent is None and len(self._sent) < IN_FLIGHT:
                self._sent[message.key] = _Sent(now_ms)
            elif sent is not None and sent.is_due(now_ms):
                sent.at_ms, sent.times = now_ms, sent.times + 1
            else:
                continue
            found.append(message)
        return found

    def received(self, keys: Iterable[str]) -> list[str]:
        """Those of a receipt's keys that were under way: nothing else is forgotten, whatever a receipt says."""
        return [key for key in keys if self._sent.pop(key, None) is not None]
