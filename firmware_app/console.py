"""What every command of the project does on a terminal: results, notes, colour, progress, JSON.

The result goes to stdout and everything else to stderr, so that a pipe carries the result alone. With `--json` the
result is one document whose first key is `schema`, also when the command fails. Nothing here draws on a stream that
is not a terminal. `command_line.py` beside this file reads the arguments.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, IntEnum
from types import TracebackType
from typing import Final, Self, TextIO

_REDRAW_S: Final = 0.1
_LINE_EVERY_S: Final = 30.0
_BAR_CELLS: Final = 28


class Exit(IntEnum):
    """What a command's exit code means, the same for all commands."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNDECIDED = 3
    BUG = 70
    INTERRUPTED = 130


EXIT_CODES: Final = "0 success, 1 failure found, 2 wrong use, 3 undecided, 70 our bug, 130 interrupted"


class CommandError(Exception):
    """Ends a command with one sentence for its user: no traceback, because nothing is wrong with the program.

    Attributes:
        sentence: what failed, with got and expected where there is a value.
        hint: the next thing to do or to type, or an empty string.
        code: how the process ends.
    """

    def __init__(self, sentence: str, *, hint: str = "", code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.sentence: Final = sentence
        self.hint: Final = hint
        self.code: Final = code


class Paint(Enum):
    """The colours in use: of the sixteen of any terminal, never a background, never the only sign of a state."""

    BOLD = "1"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"


def wants_colour(choice: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Decide whether to colour a stream.

    Args:
        choice: `always`, `never` or `auto`, from `--color`. Only `auto` asks further.
        environ: `NO_COLOR` forbids and `FORCE_COLOR` demands, if not empty; `TERM=dumb` forbids.
        is_terminal: whether the stream is one.

    Source: no-color.org, force-color.org.
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


class Console:
    """One command's terminal."""

    def __init__(
        self,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        json: bool = False,
        colour: str = "auto",
        quiet: bool = False,
        progress: bool = True,
    ) -> None:
        """Bind the streams and settle the choices.

        Args:
            out: where results go; stdout if not given.
            err: where everything else goes; stderr if not given.
            environ: environment variables that bear on colour; none if not given.
            clock_s: monotonic seconds, for durations.
            json: results are JSON documents and nothing else.
            colour: `auto`, `always` or `never`.
            quiet: no notes and no progress; results, warnings and errors only.
            progress: whether progress is shown at all.
        """
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._clock_s = clock_s
        self._quiet = quiet
        self._shows_progress = progress and not quiet
        self.json: Final = json
        environ = environ or {}
        self._colour_out = wants_colour(colour, environ, is_terminal=self._out.isatty())
        self._colour_err = wants_colour(colour, environ, is_terminal=self._err.isatty())
        self.draws: Final = self._err.isatty() and environ.get("TERM") != "dumb"

    def result(self, schema: str, document: Mapping[str, object], lines: Iterable[str]) -> None:
        """Print the result: `document` as JSON where that was asked for, otherwise `lines`.

        Args:
            schema: name and version of the document's form, such as `gridlight.status/1`: keys may be added under
                the same version, never changed.
            document: what the result says to programs: whole numbers with their unit in the key, null for absent.
            lines: what it says to people, coloured by `paint`.
        """
        if self.json:
            self._print_json({"schema": schema, **document})
        else:
            for line in lines:
                print(line, file=self._out)
        self._out.flush()

    def stream(self, schema: str, document: Mapping[str, object]) -> None:
        """Print one of many results as one line of JSON."""
        import json

        line = json.dumps({"schema": schema, **document}, ensure_ascii=False, allow_nan=False)
        print(line, file=self._out, flush=True)

    def _print_json(self, document: Mapping[str, object]) -> None:
        import json

        print(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False), file=self._out)

    def paint(self, text: str, paint: Paint) -> str:
        """Return `text` for a result line, coloured where stdout is to be."""
        return _painted(text, paint) if self._colour_out else text

    def note(self, text: str) -> None:
        """Say something on the way to the result."""
        if not self._quiet:
            print(text, file=self._err, flush=True)

    def warn(self, text: str) -> None:
        """Say that something is wrong that does not stop the command."""
        word = _painted("warning:", Paint.YELLOW) if self._colour_err else "warning:"
        print(f"{word} {text}", file=self._err, flush=True)

    def fail(self, sentence: str, *, hint: str, code: Exit) -> Exit:
        """Say why the command ends without a result, on stderr and as a document where JSON was asked for."""
        word = _painted("error:", Paint.RED) if self._colour_err else "error:"
        print(f"{word} {sentence}", file=self._err)
        if hint:
            print(f"  next: {hint}", file=self._err)
        self._err.flush()
        if self.json:
            error = {"code": int(code), "message": sentence, "next": hint or None}
            self._print_json({"schema": "gridlight.error/1", "error": error})
            self._out.flush()
        return code

    def progress(self, label: str, *, total: int = 0, unit: str = "") -> "Progress":
        """Return a context manager that shows how far a long step is.

        Args:
            label: what is done, as a short noun or verb.
            total: number of steps, 0 if nobody knows.
            unit: what a step is, in the plural.
        """
        return Progress(
            label, total, unit, self._err, self._clock_s, draws=self.draws, shown=self._shows_progress
        )


def _painted(text: str, paint: Paint) -> str:
    return f"\x1b[{paint.value}m{text}\x1b[0m"


class Progress:
    """A bar on a terminal; elsewhere one line when a step begins, one when it ends, and one every 30 s between."""

    def __init__(
        self,
        label: str,
        total: int,
        unit: str,
        stream: TextIO,
        clock_s: Callable[[], float],
        *,
        draws: bool,
        shown: bool,
    ) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._stream = stream
        self._clock_s = clock_s
        self._draws = draws and shown
        self._writes = shown and not draws
        self._done = 0
        self._text = ""
        self._began_s = self._last_s = clock_s()

    def __enter__(self) -> Self:
        """Say that the step begins."""
        if self._writes:
            self._line(f"{self._total} {self._unit}".rstrip() if self._total else "started")
        self._draw()
        return self

    def advance(self, steps: int = 1, text: str = "") -> None:
        """Count finished steps; `text` says what people want to know meanwhile, such as simulated time."""
        self._done += steps
        self._text = text
        now_s = self._clock_s()
        if self._draws and now_s - self._last_s >= _REDRAW_S:
            self._last_s = now_s
            self._draw()
        elif self._writes and now_s - self._last_s >= _LINE_EVERY_S:
            self._last_s = now_s
            self._line(f"{self._done}/{self._total} {text}".rstrip() if self._total else text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar and say how it ended and how long it took."""
        taken = f"{self._clock_s() - self._began_s:.1f} s"
        if self._draws:
            self._stream.write("\r\x1b[K")
        if self._draws or self._writes:
            self._line(f"done in {taken}" if kind is None else f"stopped after {taken}")

    def _line(self, text: str) -> None:
        print(f"{self._label}: {text}", file=self._stream, flush=True)

    def _draw(self) -> None:
        if not self._draws:
            return
        if self._total:
            filled = min(_BAR_CELLS, _BAR_CELLS * self._done // self._total)
            bar = f"[{'#' * filled:.<{_BAR_CELLS}}] {self._done}/{self._total}"
        else:
            bar = f"{self._done} {self._unit}".rstrip()
        self._stream.write(f"\r\x1b[K{self._label} {bar} {self._text}".rstrip())
        self._stream.flush()
