"""Signs of life of all parts: what each part does is told here, and systemd is fed as long as all of them live."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from firmware_app.journal import Journal
from firmware_app.watchdog.notify import Notifier
from firmware_app.watchdog.parts import Part
from firmware_app.watchdog.watch import GaveUp, PartReport, Recovered, Restart, Stale, Watch, WatchEvent


class Vitals:
    """The watch, with those who act upon what it sees."""

    def __init__(
        self,
        parts: tuple[Part, ...],
        *,
        notifier: Notifier,
        journal: Journal,
        restart: Callable[[str, str], None],
        monotonic_ms: Callable[[], int],
    ) -> None:
        """Begin to watch.

        Args:
            restart: builds a part anew; is told its name and why.
        """
        self._watch = Watch(parts, now_ms=monotonic_ms())
        self._notifier = notifier
        self._journal = journal
        self._restart = restart
        self._monotonic_ms = monotonic_ms

    def fresh(self, part: str) -> None:
        """A part did its work."""
        self._act(self._watch.fresh(part, self._monotonic_ms()))

    def idle(self, part: str, why: str) -> None:
        """A part has nothing to show, and says why."""
        self._act(self._watch.idle(part, why, self._monotonic_ms()))

    def beat(self) -> None:
        """Look at all parts: restart what is stale, feed systemd if nothing is given up."""
        beat = self._watch.beat(self._monotonic_ms())
        self._act(beat.events)
        if beat.feed:
            self._notifier.watchdog()
        self._notifier.status(beat.status)

    def _act(self, events: Iterable[WatchEvent]) -> None:
        for event in events:
            match event:
                case Restart(part=part, attempt=attempt):
                    self._journal.warning("watchdog.restart", "no sign of life", part=part, attempt=attempt)
                    self._restart(part, "it showed no sign of life")
                case Stale(part=part, silent_ms=silent_ms) | GaveUp(part=part, silent_ms=silent_ms):
                    self._journal.warning(
                        "watchdog.silent", "a part is silent", part=part, silent_ms=silent_ms
                    )
                case Recovered(part=part, after_ms=after_ms):
                    self._journal.info(
                        "watchdog.recovered", "a part works again", part=part, after_ms=after_ms
                    )

    def report(self) -> tuple[PartReport, ...]:
        """How each part fares."""
        return self._watch.report()
