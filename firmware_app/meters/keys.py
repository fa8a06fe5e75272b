"""The keys of an encrypted P1 port, from a file or the environment; others can see a command line."""

import os
from pathlib import Path
from typing import Final

from firmware_app.console import CommandError, Exit
from meter_io.errors import MeterError
from meter_io.kept import KeptText
from meter_io.p1 import Decryptor, KeyMaterial
from meter_io.p1.cipher import Seen

KEY_VARIABLE: Final = "GRIDLIGHT_P1_KEY"
_TITLE_DIGITS: Final = 16
_MAX_COUNTER: Final = (1 << 32) - 1


def decryptor_of(key_file: str | None, seen: Seen | None = None) -> Decryptor | None:
    """Return what decrypts with these keys, or None where there are none.

    Args:
        key_file: name of a file; the environment is looked at without one.
        seen: what was accepted last, before a restart.

    Raises:
        CommandError: keys are there and cannot be used; the sentence holds nothing of them.
    """
    try:
        text = Path(key_file).read_text(encoding="ascii") if key_file else os.environ.get(KEY_VARIABLE, "")
        return Decryptor(KeyMaterial.parse(text), seen) if text else None
    except OSError as error:
        raise CommandError(f"cannot read {key_file}: {error.strerror}", code=Exit.USAGE) from None
    except UnicodeDecodeError:
        raise CommandError(
            f"{key_file} is no text: a key is 32 hexadecimal digits", code=Exit.USAGE
        ) from None
    except ValueError as error:
        where = key_file or f"${KEY_VARIABLE}"
        raise CommandError(f"the key in {where} cannot be used: {error}", code=Exit.USAGE) from None
    except MeterError as error:
        raise CommandError(error.sentence, hint=error.hint) from None


class KeptCounter:
    """The highest counter that an encrypted port has shown, over restarts: a recorded telegram is never read again."""

    def __init__(self, path: Path) -> None:
        """Name the file; its folder exists."""
        hint = "delete the file to accept any counter once more"
        self._text = KeptText(path, what="the counter of the P1 port", hint=hint)
        self._kept: Seen | None = None

    def load(self) -> Seen | None:
        """Return what was accepted last, or None the very first time.

        Raises:
            MeterError: the file is damaged or cannot be read.
        """
        line = self._text.load()
        if line is None:
            return None
        title, _, counter = line.partition(" ")
        try:
            seen = Seen(bytes.fromhex(title), int(counter))
        except ValueError:
            seen = None
        if seen is None or len(title) != _TITLE_DIGITS or not 0 <= seen.counter <= _MAX_COUNTER:
            raise self._text.unusable(f"holds {line[:40]!r}, expected 16 hexadecimal digits and a number")
        self._kept = seen
        return seen

    def save(self, seen: Seen | None) -> None:
        """Keep what was accepted last, if it is anything new.

        Raises:
            MeterError: it could not be written.
        """
        if seen is not None and seen != self._kept:
            self._text.save(f"{seen.system_title.hex()} {seen.counter}")
            self._kept = seen
