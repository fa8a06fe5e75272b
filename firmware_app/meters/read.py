"""`gridlight read`: one meter, live on a terminal, or as JSON."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from firmware_app.console import CommandError, Console, Exit
from firmware_app.meters import table
from firmware_app.meters.history import History
from firmware_app.meters.target import in_a_folder, meter_errors, profile_of, wiring_of
from meter_io.bus.dialogue import Said
from meter_io.bus.driver import drive, monotonic_ms
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import MeterError, WrongSpeed
from meter_io.guard.guard import CounterGuard
from meter_io.guard.params import GuardParams
from meter_io.identify import Slave, require
from meter_io.modbus.poll import Exchanges
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, Obis
from meter_io.profiles.model import Profile, TelegramForm
from meter_io.pulse.counter import PulseInput
from meter_io.reading import MeterId, Moment, Reading, Sample, TimeBasis, Value
from meter_io.wiring import Wiring

if TYPE_CHECKING:
    from meter_io.p1 import Decryptor

_SCHEMA: Final = "gridlight.read/1"
METER: Final = MeterId("meter")
_TELEGRAM_TRIES: Final = 2
"""Who begins to listen in the middle of a telegram gets a broken one first."""
_TRUST_GAP_MS: Final = GuardParams().trust_gap_ms
_BEATS: Final = 2
"""So many missed readings leave one good reading enough: the guard's trust gap is at least twice the polling."""
_PORT_TRIES: Final = 3
"""A port that was never open is given up after so many tries; one that was lost is waited for."""


def run(args: argparse.Namespace) -> int:
    """Read until the wanted number of readings, or Ctrl-C."""
    console: Console = args.console
    if not 0.1 <= args.interval <= 86_400:
        raise CommandError(f"--interval is 0.1 to 86400 seconds, got {args.interval:g}", code=Exit.USAGE)
    if args.count is not None and args.count < 1:
        raise CommandError(f"--count is at least 1, got {args.count}", code=Exit.USAGE)
    profile = profile_of(args.profile)
    if args.key_file and profile.protocol != "p1":
        raise CommandError(f"--key-file is for P1 ports, not for {profile.protocol}", code=Exit.USAGE)
    if args.state and profile.protocol not in {"p1", "pulse"}:
        raise CommandError(f"--state is for P1 ports and pulses, not for {profile.protocol}", code=Exit.USAGE)
    if args.accept and not args.history:
        raise CommandError(
            "--accept is for a meter with a history",
            hint="without --history every run begins with a first reading anyway",
            code=Exit.USAGE,
        )
    if args.history and profile.protocol == "pulse":
        raise CommandError(
            "--history is for meters with a counter of their own; pulses have --state", code=Exit.USAGE
        )
    live = sys.stdout.isatty() or console.json
    count = 1 if args.once else args.count if args.count is not None else None if live else 1
    if isinstance(profile.form, PulseInput):
        from firmware_app.meters.pulses import read_pulses  # noqa: PLC0415 - which shows with this module

        return read_pulses(args, profile, profile.form, count)
    wiring = wiring_of(args)
    if not isinstance(wiring.profile.form, TelegramForm):
        _check_identity(wiring)
    unit = None if isinstance(profile.form, TelegramForm) else wiring.unit
    interval_ms = round(args.interval * 1000)
    with meter_errors(), _history(args, wiring) as history, _decryptor(args, profile) as decryptor:
        reader = Reader(
            console,
            profile,
            port=args.port,
            unit=unit,
            place=wiring.where,
            count=count,
            interval_ms=interval_ms,
            history=history,
        )
        bus = wiring.bus(METER, interval_ms=interval_ms, now_ms=monotonic_ms(), decryptor=decryptor)
        drive(bus, wiring.port(), report=reader.report, stopped=reader.is_done)
    return reader.end()


@contextmanager
def _history(args: argparse.Namespace, wiring: Wiring) -> Iterator[History]:
    """What is known of this meter from earlier; keep what is known at the end, however it comes."""
    history = History(in_a_folder("--history", args.history), wiring.profile, wiring.where)
    history.load(accept=args.accept)
    try:
        yield history
    finally:
        history.save()


@contextmanager
def _decryptor(args: argparse.Namespace, profile: Profile) -> "Iterator[Decryptor | None]":
    """Decrypt with the keys at hand, from where the last run ended; keep where this one ends, however it does."""
    if profile.protocol != "p1":
        yield None
        return
    from firmware_app.meters.keys import KeptCounter, decryptor_of  # noqa: PLC0415 - P1 alone needs it

    state = in_a_folder("--state", args.state)
    kept = KeptCounter(state) if state else None
    decryptor = decryptor_of(args.key_file, kept.load() if kept else None)
    if kept is not None and decryptor is None:
        raise CommandError("--state keeps the counter of an encrypted port: give --key-file", code=Exit.USAGE)
    try:
        yield decryptor
    finally:
        if kept is not None and decryptor is not None:
            kept.save(decryptor.seen)


def _check_identity(wiring: Wiring) -> None:
    """Refuse a profile that is not the meter's, before anything is shown."""
    port = wiring.port()
    with meter_errors():
        port.open()
        try:
            slave = Slave(
                once=wiring.once(port),
                exchanges=Exchanges(tcp=wiring.address.frames_tcp),
                unit=wiring.unit,
                reply_ms=wiring.profile.timing.reply_ms,
            )
            require(slave, wiring.profile)
        finally:
            port.close()


class Reader:
    """Takes what the bus reports and shows it."""

    def __init__(
        self,
        console: Console,
        profile: Profile,
        *,
        port: str,
        unit: int | None,
        place: str,
        count: int | None,
        interval_ms: int,
        history: History | None = None,
    ) -> None:
        """Show readings of one meter.

        Args:
            console: to show them on.
            profile: of the meter.
            port: as it was given.
            unit: the slave's address, if it has one.
            place: where the meter is, for people.
            count: so many readings; None for no end.
            interval_ms: from one reading to the next, where the meter is asked.
            history: what is known of the meter from earlier; nothing if not given.
        """
        self._console = console
        self._profile = profile
        self._where: dict[str, Any] = {"port": port, "address": unit, "profile": profile.name}
        self._place = place
        self._left = count
        self._interval_ms = interval_ms
        self._history = history or History(None, profile, place)
        self._streams = count != 1
        self._draws = self._streams and not console.json and sys.stdout.isatty()
        self._guard: CounterGuard | None = None
        self._before: Mapping[Obis, Value] = {}
        self._drawn = 0
        self._good = self._failed = self._broken = 0
        self._last_error: MeterError | None = None
        form = profile.form
        self._asking = form.asking if isinstance(form, TelegramForm) else None
        self._patience = _TELEGRAM_TRIES if isinstance(form, TelegramForm) and not self._asking else 1

    @property
    def trust_gap_ms(self) -> int:
        """How long the next reading may be in coming, and still be enough on its own."""
        form = self._profile.form
        beat_ms = self._interval_ms
        if isinstance(form, TelegramForm) and form.asking is None:
            beat_ms = form.silence_ms  # it pushes
        return max(_TRUST_GAP_MS, _BEATS * beat_ms)

    def is_done(self) -> bool:
        """Whether enough was read, or the beginning failed."""
        hopeless = not self._good and (self._failed >= self._patience or self._broken >= _PORT_TRIES)
        return hopeless or (self._left is not None and self._left <= 0)

    def end(self) -> int:
        """Return the exit code; a reading that never came is an error in words."""
        error = self._last_error
        if not self._good and error is not None:
            raise CommandError(error.sentence, hint=error.hint)
        return Exit.FAILED if self._failed >= self._patience or self._broken else Exit.OK

    def report(self, what: Round | Failed | Broken) -> None:
        """Take one report of the bus."""
        if isinstance(what, Round):
            self._good += 1
            self._count_down()
            self._show(what)
            return
        self._last_error = what.error
        if isinstance(what, Failed):
            self._failed += 1
            if self._asking is not None and isinstance(what.error, WrongSpeed):
                self._patience = len(self._asking.answers)
            if self._failed >= self._patience:
                self._count_down()
        else:
            self._broken += 1
        if self._good:
            self._complain(what.error, retry_s=max(0, what.retry_ms - monotonic_ms()) / 1000)

    def _count_down(self) -> None:
        if self._left is not None:
            self._left -= 1

    def _complain(self, error: MeterError, *, retry_s: float) -> None:
        if self._console.json and self._streams:
            failure = {"message": error.sentence, "next": error.hint or None}
            self._console.stream(_SCHEMA, {**self._where, "ok": False, "error": failure})
        else:
            self._drawn = 0
            self._console.warn(f"{error.sentence}; next try in {retry_s:.0f} s")

    def _show(self, what: Round) -> None:
        took_ms = what.ended_ms - what.began_ms
        reading = self._judge(what.said, what.ended_ms)
        if self._console.json:
            shown = table.document(what.said, reading, where=self._where, took_ms=took_ms)
            if self._streams:
                self._console.stream(_SCHEMA, shown)
            else:
                self._console.result(_SCHEMA, shown, [])
        else:
            head = f"{self._profile.title}   {self._place}   {time.strftime('%H:%M:%S')}"
            body = table.lines(self._console, what.said, reading, self._before, took_ms=took_ms)
            self._draw([head, *body])
        self._before = what.said.values

    def _draw(self, lines: list[str]) -> None:
        """Print, over the reading before on a terminal."""
        if self._draws:
            if self._drawn:
                lines = [f"\x1b[{self._drawn}A\x1b[J{lines[0]}", *lines[1:]]
            else:
                self._console.note("Ctrl-C stops")
            self._drawn = len(lines)
        self._console.result(_SCHEMA, {}, lines)

    def _judge(self, said: Said, monotonic: int) -> Reading:
        sample = Sample(
            meter=METER,
            moment=Moment(
                utc_ms=time.time_ns() // 1_000_000, monotonic_ms=monotonic, basis=TimeBasis.RECEIVED
            ),
            model=said.model,
            values=said.values,
        )
        if self._guard is None:
            counters = (
                self._profile.counter(IMPORT_TOTAL) if IMPORT_TOTAL in said.values else None,
                self._profile.counter(EXPORT_TOTAL) if EXPORT_TOTAL in said.values else None,
            )
            if counters == (None, None):
                raise MeterError(
                    "the meter gives neither import nor export energy",
                    hint="switch its extended data set on, or choose another profile",
                )
            params = GuardParams(counters=counters, trust_gap_ms=self.trust_gap_ms)
            self._guard = self._history.guard(METER, params)
        return self._guard.judge(sample).reading
