"""Profiles of meters that have no registers: those that send telegrams, asked or not, and pulses."""

import re
from typing import Final

from meter_io.iec62056.handshake import Answer, is_address
from meter_io.iec62056.handshake import Timing as AskTiming
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL
from meter_io.profiles.model import Asking, TelegramForm
from meter_io.profiles.table import Table
from meter_io.pulse.counter import PulseInput

_MODES: Final = {word: word for word in "ABCD"}
_ANSWERS: Final = {answer.value: answer for answer in Answer}
_DELAYS: Final = {
    "before_answer_ms": 0,
    "before_change_ms": 0,
    "reply_ms": 50,
    "readout_ms": 1_000,
    "pause_ms": 0,
}
"""Delays of a handshake and their least values; meanings as in `meter_io.iec62056.handshake`."""


def telegram(table: Table, *, asked: bool) -> TelegramForm:
    """Read `[telegram]`; `asked`: the protocol is one whose meters may want to be asked.

    Raises:
        ProfileError: something is wrong; the sentence names file, line and key.
    """
    pattern = table.text("identification", ".*")
    try:
        identification = re.compile(pattern)
    except re.error as error:
        raise table.wrong("identification", f"is no regular expression: {error}") from None
    form = TelegramForm(
        identification=identification,
        silence_ms=table.integer("silence_s", 1, 3_600, 30) * 1_000,
        asking=_asking(table) if asked else None,
    )
    table.done()
    return form


def pulse(table: Table) -> PulseInput:
    """Read `[pulse]`.

    Raises:
        ProfileError: something is wrong; the sentence names file, line and key.
    """
    try:
        form = PulseInput(
            pulses_per_kwh=table.integer("pulses_per_kwh", 1, 1_000_000),
            max_power_w=table.integer("max_power_w", 1, 10_000_000),
            active_high=table.flag("active_high"),
            debounce_ms=table.integer("debounce_ms", 0, 10_000, 3),
            min_pulse_ms=table.integer("min_pulse_ms", 0, 10_000, 20),
            max_pulse_ms=table.integer("max_pulse_ms", 1, 60_000, 2_000),
            total=table.choice("counts", {"import": IMPORT_TOTAL, "export": EXPORT_TOTAL}, "import"),
        )
    except ValueError as error:
        raise table.wrong("debounce_ms", str(error)) from None
    table.done()
    return form


def _asking(table: Table) -> Asking | None:
    """Read how a meter of modes A to C is asked, its answer decides which of them it is; None for mode D."""
    mode = table.choice("mode", _MODES, "C")
    words = table.texts("answers", tuple(_ANSWERS))
    unknown = [word for word in words if word not in _ANSWERS]
    if unknown or not words:
        raise table.wrong("answers", f"are some of {', '.join(_ANSWERS)}, got {list(words)}")
    default = AskTiming()
    delays = {
        name: table.integer(name, low, 600_000, getattr(default, name)) for name, low in _DELAYS.items()
    }
    address = table.text("address", "")
    if not is_address(address):
        raise table.wrong("address", f"has up to 32 characters, none of ! / ?, got {address!r}")
    answers = tuple(_ANSWERS[word] for word in words)
    asking = Asking(timing=AskTiming(**delays), answers=answers, address=address)
    return None if mode == "D" else asking
