"""`gridlight status`: ask the running service how it fares, once, again and again, or until a state is reached."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from firmware_app.console import CommandError, Console, Exit
from firmware_app.status import client, terminal
from firmware_app.status.document import DocumentError, from_document, to_document
from firmware_app.status.local import Looks, snapshot
from firmware_app.status.snapshot import SCHEMA, Snapshot

WATCH_S: Final = 2.0
WAIT_S: Final = 0.5
_CLEAR: Final = "\x1b[H\x1b[J"


class Answer(NamedTuple):
    """What is known.

    Attributes:
        snapshot: of the device.
        age_ms: how old it is.
        served: whether the service said it.
    """

    snapshot: Snapshot
    age_ms: int
    served: bool


def run(
    args: argparse.Namespace,
    looking: Looks,
    *,
    sleep_s: Callable[[float], None] = time.sleep,
    clock_s: Callable[[], float] = time.monotonic,
) -> int:
    """Show how the device fares.

    Returns:
        0; 1 if a failure is found (with `--strict` a warning too) or the service is not running; 3 if `--wait` ends
        in vain.
    """
    path = client.socket_path(args.socket)
    if args.wait:
        return _wait(args, path, looking, sleep_s, clock_s)
    if args.watch:
        return _watch(args, path, looking, sleep_s)
    answer = ask(path, looking)
    _print(args.console, answer)
    return _code(args, answer)


def ask(path: str, looking: Looks) -> Answer:
    """What the service says; if none runs, what can be told without it.

    Raises:
        CommandError: the service runs and does not answer as it should.
    """
    try:
        (document,) = client.ask(path, "status")
        return Answer(from_document(document), _age_ms(document), served=True)
    except client.ServiceDownError as error:
        return Answer(snapshot(error.sentence.split(":")[0], looking), 0, served=False)
    except (DocumentError, ValueError) as error:
        raise CommandError(
            f"the service's status is not understood: {error}",
            hint="another release? systemctl restart gridlight",
        ) from None


def _age_ms(document: dict[str, Any]) -> int:
    age_ms = document.get("age_ms", 0)
    return age_ms if type(age_ms) is int and age_ms >= 0 else 0


def _print(console: Console, answer: Answer) -> None:
    if not answer.served:
        console.note(f"{answer.snapshot.life.sentence} This is what the board alone tells.\n")
    console.result(
        SCHEMA, _document(answer), terminal.lines(answer.snapshot, console.paint, age_ms=answer.age_ms)
    )
    if not answer.served and not console.json:
        console.note("\nnext: systemctl start gridlight; journalctl -u gridlight")


def _document(answer: Answer) -> dict[str, Any]:
    return {"age_ms": answer.age_ms, "served": answer.served, **to_document(answer.snapshot)}


def _code(args: argparse.Namespace, answer: Answer) -> int:
    severities = {notice.severity for notice in answer.snapshot.notices}
    wrong = "failure" in severities or (args.strict and bool(severities))
    return Exit.FAILED if wrong or not answer.served else Exit.OK


def _watch(args: argparse.Namespace, path: str, looking: Looks, sleep_s: Callable[[float], None]) -> int:
    """Show it again and again, until Ctrl-C: on a terminal in place, elsewhere one line each."""
    console: Console = args.console
    while True:
        answer = ask(path, looking)
        if console.json:
            console.stream(SCHEMA, _document(answer))
        elif console.draws:
            drawn = terminal.lines(answer.snapshot, console.paint, age_ms=answer.age_ms)
            console.result(SCHEMA, {}, [_CLEAR + "\n".join(drawn), "", "Ctrl-C stops"])
        else:
            console.result(SCHEMA, {}, [terminal.gist(answer.snapshot)])
        sleep_s(WATCH_S)


def _wait(
    args: argparse.Namespace,
    path: str,
    looking: Looks,
    sleep_s: Callable[[float], None],
    clock_s: Callable[[], float],
) -> int:
    """Ask until the state is reached or the time is over."""
    console: Console = args.console
    end_s = clock_s() + args.timeout
    console.note(f"waiting for {args.wait!r}, at most {args.timeout:g} s")
    while True:
        try:
            answer = ask(path, looking)
            state = answer.snapshot.life.state
        except CommandError as error:
            answer, state = None, error.sentence
        if answer is not None and state == args.wait:
            _print(console, answer)
            return Exit.OK
        if clock_s() >= end_s:
            raise CommandError(
                f"{args.wait!r} was not reached within {args.timeout:g} s: got {state!r}",
                hint="gridlight doctor",
                code=Exit.UNDECIDED,
            )
        sleep_s(WAIT_S)
