"""Reading one table of a TOML file strictly: every key known, every value of its type, every mistake with its line."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from meter_io.errors import ProfileError
from meter_io.obis import Obis

_MISSING: Final = object()
Choice = TypeVar("Choice")


class File:
    """A profile's text, to find lines in."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()

    def line_of(self, header: str, place: int, key: str) -> int:
        """Return the line (from 1) of a key in the `place`-th table of this header, or of the header; 1 at worst."""
        seen, inside, best = -1, not header, 1
        for number, line in enumerate(self._lines, start=1):
            words = line.split("#")[0].strip()
            if words.startswith("["):
                inside = words.strip("[] ") == header
                if inside:
                    seen += 1
                    inside = seen == place
                    best = number if inside else best
            elif inside and re.match(rf"\"?{re.escape(key)}\"?\s*=", words):
                return number
        return best


class Table:
    """One table. Each key is taken once; `done` complains about what nobody took."""

    def __init__(self, file: File, header: str, data: Mapping[str, Any], place: int = 0) -> None:
        self._file = file
        self._header = header
        self._place = place
        self._data = data
        self._known: list[str] = []

    @property
    def filled(self) -> bool:
        """Whether the file has this table."""
        return bool(self._data)

    def wrong(self, key: str, sentence: str) -> ProfileError:
        """The error for a key."""
        line = self._file.line_of(self._header, self._place, key)
        where = f"[{self._header}] {key}" if self._header else key
        return ProfileError(
            f"{self._file.name}, line {line}: {where}: {sentence}",
            hint="docs/meters.md describes every key; gridlight profiles NAME shows an example",
        )

    def _take(self, key: str, default: object) -> Any:
        self._known.append(key)
        if key in self._data:
            return self._data[key]
        if default is _MISSING:
            near = nearest(key, [other for other in self._data if other not in self._known])
            raise self.wrong(key, f"is missing.{near.replace('Did you mean', 'Is it')}")
        return default

    def text(self, key: str, default: object = _MISSING) -> str:
        """A string, of one line."""
        value = self._take(key, default)
        if not isinstance(value, str) or (key in self._data and not value.strip()):
            raise self.wrong(key, f"wants text, got {value!r}")
        text = " ".join(value.split())
        if not text.isprintable():
            raise self.wrong(key, f"wants text that can be printed, got {value!r}")
        return text

    def texts(self, key: str, default: object = _MISSING) -> tuple[str, ...]:
        """A list of strings."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(
            isinstance(item, str) and item and item.isprintable() for item in value
        ):
            raise self.wrong(key, f"wants a list of texts, got {value!r}")
        return tuple(value)

    def integer(self, key: str, low: int, high: int, default: object = _MISSING) -> int:
        """A whole number within bounds."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"wants a whole number from {low} to {high}, got {value!r}")
        return value

    def integers(self, key: str, low: int, high: int, default: object = _MISSING) -> tuple[int, ...]:
        """A list of whole numbers within bounds."""
        value = self._take(key, default)
        wanted = isinstance(value, list | tuple) and all(
            isinstance(item, int) and not isinstance(item, bool) and low <= item <= high for item in value
        )
        if not wanted:
            raise self.wrong(key, f"wants a list of whole numbers from {low} to {high}, got {value!r}")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """True or false; false where it is not said."""
        value = self._take(key, False)  # noqa: FBT003 - the default of a flag
        if not isinstance(value, bool):
            raise self.wrong(key, f"wants true or false, got {value!r}")
        return value

    def decimal(self, key: str, default: object = _MISSING) -> Decimal | None:
        """An exact number: a whole number, or text such as "0.01"."""
        value = self._take(key, default)
        if value is None:
            return None
        wanted = self.wrong(key, f'wants a number, fractions as text such as "0.01", got {value!r}')
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise wanted
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise wanted from None
        if not number.is_finite():
            raise self.wrong(key, f"wants a finite number, got {value!r}")
        return number

    def choice(self, key: str, choices: Mapping[str, Choice], default: object = _MISSING) -> Choice:
        """One of several words."""
        value = self._take(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(
                key, f"wants one of {', '.join(choices)}, got {value!r}.{nearest(str(value), list(choices))}"
            )
        return choices[value]

    def obis(self, key: str) -> Obis:
        """An OBIS code."""
        return self._obis(key, self.text(key))

    def obises(self, key: str, default: object = _MISSING) -> tuple[Obis, ...]:
        """A list of OBIS codes."""
        return tuple(self._obis(key, text) for text in self.texts(key, default))

    def _obis(self, key: str, text: str) -> Obis:
        try:
            return Obis.parse(text)
        except ValueError as error:
            raise self.wrong(key, str(error)) from None

    def table(self, key: str, *, required: bool = True) -> "Table":
        """A table inside this one; an empty one where it is absent and not required."""
        value = self._take(key, _MISSING if required else {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"wants a table [{key}], got {value!r}")
        return Table(self._file, key, value)

    def tables(self, key: str) -> "list[Table]":
        """A list of tables, written [[key]]."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, f"wants tables [[{key}]], got {value!r}")
        return [Table(self._file, key, item, place) for place, item in enumerate(value)]

    def done(self) -> None:
        """Complain about keys that nobody knows."""
        for key in self._data:
            if key not in self._known:
                raise self.wrong(key, f"there is no such key.{nearest(key, self._known)}")


def nearest(word: str, known: Sequence[str]) -> str:
    """Return ` Did you mean 'address'?` for a word close to a known one, otherwise an empty string."""
    import difflib  # noqa: PLC0415 - needed for mistakes only

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
