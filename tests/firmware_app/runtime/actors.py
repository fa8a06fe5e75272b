"""Small actors to drive: a counter that survives crashes, and one that asks it to count."""

from collections.abc import Callable

from light_client.session.actor import (
    Effect,
    Event,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
    Write,
)


class Counter:
    """Counts requests durably and answers each with the count; `boom` is a bug."""

    def __init__(self, name: str, storage: Storage) -> None:
        self.name = name
        self.count = int.from_bytes(storage.get("counter", b"count") or b"")

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        match event:
            case Started():
                return [Report(name="counter.started", value=self.count)]
            case Received(message=b"boom"):
                raise ZeroDivisionError("a bug for the test")
            case Received(peer=peer):
                self.count += 1
                value = self.count.to_bytes(8)
                return [
                    Send(peer=peer, message=value),
                    Write(table="counter", key=b"count", value=value),
                    Report(name="counter.count", value=self.count),
                ]
            case TimerFired():
                return []


class Asker:
    """Asks its server at a steady pace and reports the answers; they must never step back."""

    def __init__(self, name: str, server: str, every_ms: int, message: bytes = b"count") -> None:
        self.name = name
        self.server = server
        self.every_ms = every_ms
        self.message = message
        self.highest = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        match event:
            case Started() | TimerFired():
                again = SetTimer(name="ask", at_ms=now_ms + self.every_ms)
                return [Send(peer=self.server, message=self.message), again]
            case Received(message=message):
                count = int.from_bytes(message)
                stepped_back = count <= self.highest
                self.highest = max(self.highest, count)
                return [Report(name="asker.stepped-back" if stepped_back else "asker.answer", value=count)]


class Scripted:
    """Answers each event with what a function says."""

    def __init__(self, name: str, script: Callable[[Event, int], list[Effect]]) -> None:
        self.name = name
        self.script = script
        self.seen: list[tuple[Event, int]] = []

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        self.seen.append((event, now_ms))
        return self.script(event, now_ms)

    @property
    def fired(self) -> list[str]:
        """Names of the timers that ran out, in order."""
        return [event.name for event, _ in self.seen if isinstance(event, TimerFired)]
