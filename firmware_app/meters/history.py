"""What the counter guard knows of a meter, kept from one `gridlight read` to the next: `--history FILE`."""

import json
from pathlib import Path
from typing import Final

from meter_io.guard import CounterGuard, GuardParams, GuardStateError
from meter_io.kept import KeptText
from meter_io.profiles.model import Profile
from meter_io.reading import MeterId

SCHEMA: Final = "gridlight.history/1"


class History:
    """Makes the guard of one meter, and keeps it where there is a file for it."""

    def __init__(self, path: Path | None, profile: Profile, place: str) -> None:
        """Name the file; its folder exists.

        Args:
            path: of the file; None where nothing is kept.
            profile: of the meter.
            place: port and address: a history is one meter's.
        """
        hint = "give each meter a file of its own; delete it to begin anew"
        self._text = None if path is None else KeptText(path, what="the history of a meter", hint=hint)
        self._whose = {"schema": SCHEMA, "profile": profile.name, "place": place}
        self._stored: str | None = None
        self._guard: CounterGuard | None = None

    def load(self, *, accept: bool) -> None:
        """Read the file, if there is one; `accept`: forget its counters, because the meter or its scale is new.

        Raises:
            MeterError: it cannot be read, is damaged, or is another meter's.
        """
        line = None if self._text is None else self._text.load()
        if line is None or self._text is None:
            return
        try:
            document = json.loads(line)
            whose = {key: document[key] for key in self._whose}
            stored = document["guard"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._text.unusable(f"holds {line[:40]!r}, expected what an earlier read kept") from None
        if whose != self._whose:
            theirs, ours = (f"{who['profile']} at {who['place']}" for who in (whose, self._whose))
            raise self._text.unusable(f"is that of {theirs}, not of {ours}")
        self._stored = None if accept or not isinstance(stored, str) else stored

    def guard(self, meter: MeterId, params: GuardParams) -> CounterGuard:
        """Return the guard, which goes on where the last one stopped.

        Raises:
            MeterError: what was kept is damaged.
        """
        stored = None if self._stored is None else self._stored.encode()
        try:
            self._guard = CounterGuard(meter, params, stored)
        except GuardStateError as error:
            if self._text is None:
                raise
            raise self._text.unusable(f"is damaged: {error.sentence}") from error
        return self._guard

    def save(self) -> None:
        """Keep what the guard knows by now, if it was ever asked.

        Raises:
            MeterError: it could not be written.
        """
        state = None if self._guard is None else self._guard.dump()
        if self._text is not None and state is not None:
            self._text.save(json.dumps({**self._whose, "guard": state.decode()}, separators=(",", ":")))
