"""How every command of the project reads its arguments and ends: one set of conventions for three programs.

A program is a `Parser` with sub-commands; each of them sets `run`, a function of the parsed arguments that returns
an exit code and finds its terminal in `args.console`. Help shows examples first and exit codes last. A mistyped
command, flag or choice is answered with the likely one.
"""

import argparse
import gc
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from firmware_app.console import EXIT_CODES, CommandError, Console, Exit

_YOUNG_OBJECTS: Final = 50_000
"""New containers after which cyclic garbage is looked for: a few megabytes at most."""

Run: TypeAlias = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"
"""What `add_parser(commands)` of a command module is given."""


def likely(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'status'?` for a word close to a known one, otherwise an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


class Parser(argparse.ArgumentParser):
    """An argument parser with the project's help and error messages.

    Attributes:
        examples: lines shown first in the help, each a command to type, optionally followed by ` # why`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("conflict_handler", "resolve")
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_help(self) -> str:
        """Return the help: what it does, examples, usage, arguments, exit codes."""
        parts = [self.description or ""]
        if self.examples:
            parts.append("Examples:\n" + "\n".join(f"  {example}" for example in self.examples))
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        parts += [formatter.format_help().rstrip(), self.epilog or "", f"Exit codes: {EXIT_CODES}"]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is not among the choices, naming the likely one."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        name = (
            "command" if isinstance(action, argparse._SubParsersAction) else "/".join(action.option_strings)
        )
        message = f"there is no {name or action.dest} {str(value)!r}.{likely(str(value), choices)}"
        self.error(f"{message} Choose from {', '.join(choices)}.")

    def error(self, message: str) -> NoReturn:
        """End with the exit code for wrong use; `main` turns this into text or JSON."""
        raise CommandError(message, hint=f"{self.prog} --help", code=Exit.USAGE)


class CommandParser(Parser):
    """The parser of one sub-command: it knows the flags that all of them share."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shared = self.add_argument_group("shared options")
        shared.add_argument("--json", action="store_true", help="print one JSON document")
        shared.add_argument(
            "--color", choices=("auto", "always", "never"), default="auto", help="default: auto"
        )
        shared.add_argument("--quiet", action="store_true", help="no notes, no progress")
        shared.add_argument("--no-progress", action="store_true", help="notes, but no progress")
        shared.add_argument("--debug", action="store_true", help="show the traceback of a crash")


def program(name: str, description: str, *, examples: Sequence[str]) -> tuple[Parser, Commands]:
    """Return the parser of a program and what its command modules add themselves to."""
    parser = Parser(prog=name, description=description, examples=examples)
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", parser_class=CommandParser
    )
    return parser, commands


def add_command(
    commands: Commands, name: str, summary: str, run: Run, *, examples: Sequence[str]
) -> CommandParser:
    """Add one command and return its parser, for the arguments of its own.

    Args:
        commands: of the program.
        name: what people type.
        summary: one sentence: the line in the program's help and the head of the command's own.
        run: does the work; gets the parsed arguments, returns an exit code.
        examples: at least one command line to copy.
    """
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.examples = tuple(examples)
    parser.set_defaults(run=run)
    return parser


def main(parser: Parser, commands: Commands, argv: Sequence[str] | None = None) -> int:
    """Read the arguments, run the command, and turn whatever happens into an exit code and one sentence."""
    collect_less_often()
    _print_any_name()
    words = sys.argv[1:] if argv is None else list(argv)
    console = Console(json="--json" in words, environ=os.environ)
    debug = "--debug" in words
    try:
        if not words:
            print(parser.format_help(), end="", file=sys.stderr)
            return Exit.USAGE
        args = _parse(parser, commands, words)
        console = args.console = Console(
            json=args.json,
            colour=args.color,
            quiet=args.quiet,
            progress=not args.no_progress,
            environ=os.environ,
        )
        return int(args.run(args))
    except CommandError as error:
        hint = error.hint or (_help_of(parser, commands, words) if error.code is Exit.USAGE else "")
        return console.fail(error.sentence, hint=hint, code=error.code)
    except KeyboardInterrupt:
        return console.fail("interrupted", hint="", code=Exit.INTERRUPTED)
    except BrokenPipeError:  # the reader of our stdout has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the last line of defence: report, never show a bare traceback
        return _crashed(console, error, debug=debug)


def _print_any_name() -> None:
    """Let a file name that is no UTF-8 be printed escaped, which in JSON is an escape too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _help_of(parser: Parser, commands: Commands, words: Sequence[str]) -> str:
    """The command that explains what was used wrongly."""
    command = next((word for word in words if word in commands.choices), "")
    return " ".join(filter(None, (parser.prog, command, "--help")))


def collect_less_often(young_objects: int = _YOUNG_OBJECTS) -> None:
    """Look for cyclic garbage less often than Python does by itself: for the start of every process of the project.

    A block is ten thousand small objects, hardly any in a cycle; with Python's own thresholds looking for cycles among
    them takes an eighth of the time of an audit.

    Args:
        young_objects: new containers after which cyclic garbage is looked for; about 100 bytes each.
    """
    gc.set_threshold(young_objects, 20, 50)


def _parse(parser: Parser, commands: Commands, words: list[str]) -> argparse.Namespace:
    """Return the arguments, or refuse unknown ones with the likely flag of the command at hand."""
    args, unknown = parser.parse_known_args(words)
    chosen = commands.choices[args.command] if args.command else parser
    if unknown:
        flags = [flag for action in chosen._actions for flag in action.option_strings]
        chosen.error(f"{unknown[0]!r} is not understood.{likely(unknown[0].split('=')[0], flags)}")
    if args.command is None:
        parser.error("a command is missing")
    return args


_REPORT_PREFIX: Final = "gridlight-crash-"


def _crashed(console: Console, error: Exception, *, debug: bool) -> Exit:
    """Write the traceback of a bug to a file and say where it is."""
    import tempfile
    import traceback

    lines = "".join(traceback.format_exception(error))
    if debug:
        print(lines, end="", file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=_REPORT_PREFIX, suffix=".txt", delete=False, encoding="utf-8"
        ) as report:
            report.write(lines)
        hint = f"report it with {report.name}"
    except OSError:  # nowhere to write: then the terminal is the only place left
        if not debug:
            print(lines, end="", file=sys.stderr)
        hint = "report it with the traceback above"
    sentence = f"this is a bug in gridlight: {type(error).__name__}: {' '.join(str(error).split())}"
    return console.fail(sentence, hint=hint, code=Exit.BUG)
