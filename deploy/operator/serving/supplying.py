"""Answers devices that ask for chunks of what bundles bring: few at a time for each, so that nobody takes all."""

from __future__ import annotations

from typing import Final

from deploy.operator.desk.attachments import Attachments
from deploy.operator.serving.wire import Sending
from firmware_app.fleet.attachment import want_from_bytes
from firmware_app.fleet.report import Allowance
from firmware_app.fleet.topics import Said, Topics

BURST: Final = 4
EACH_MS: Final = 100
"""Answers to one device: some at once, then one each so many ms; one is up to eight chunks, 256 KiB."""


class Supplying:
    """Keeps no state that matters: whoever gets no answer asks again."""

    def __init__(self, attachments: Attachments, topics: Topics) -> None:
        self._attachments = attachments
        self._topics = topics
        self._allowances: dict[str, Allowance] = {}

    def hear(self, device: str, payload: bytes, now_ms: int) -> list[Sending]:
        """Answer a device that belongs to the fleet.

        Raises:
            RuleViolation: FLT-02.
        """
        want = want_from_bytes(payload)
        allowance = self._allowances.setdefault(device, Allowance(burst=BURST, each_ms=EACH_MS))
        if not allowance.take(now_ms):
            return []
        topic = self._topics.device(device, Said.CHUNK)
        return [Sending(topic, chunk.encode(), retain=False) for chunk in self._attachments.chunks(want)]
