"""The snapshot on a terminal: state first, then each section, then what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from firmware_app.console import Paint
from firmware_app.status import rows, wording
from firmware_app.status.snapshot import Absent, Snapshot

WIDTH: Final = 80
STALE_MS: Final = 30_000
"""A snapshot older than this is said to be."""
_INDENT: Final = 12
_PAINTS: Final = {
    "trading": Paint.GREEN,
    "degraded": Paint.RED,
    "halted": Paint.RED,
}

Painter = Callable[[str, Paint], str]
"""`Console.paint`."""


def lines(snapshot: Snapshot, paint: Painter, *, age_ms: int = 0) -> Iterator[str]:
    """Yield the lines of `gridlight status`.

    Args:
        snapshot: what is known.
        paint: colours a text, or leaves it as it is.
        age_ms: how old the snapshot is.
    """
    yield _apart(rows.identity(snapshot), rows.made(snapshot))
    state = snapshot.life.state
    gist = _apart(
        f"{state.upper():<11} {rows.headline(snapshot)}",
        _counts(snapshot),
        at=48,
    )
    word = paint(state.upper(), _PAINTS.get(state, Paint.YELLOW))
    yield word + gist[len(state) :]
    if snapshot.life.sentence and state != "trading":
        yield from _wrapped(snapshot.life.sentence)
    if age_ms > STALE_MS:
        yield paint(
            f"{'STALE':<11} this is {wording.span(age_ms)} old: the device does not renew it", Paint.RED
        )
    yield ""
    for row in rows.rows(snapshot):
        yield from _section(row)
    for notice in snapshot.notices:
        yield ""
        failure = notice.severity == "failure"
        title = paint(f"{'Failure' if failure else 'Warning':<11}", Paint.RED if failure else Paint.YELLOW)
        subject = f"{notice.subject} " if notice.subject else ""
        first, *rest = _wrapped(subject + notice.sentence)
        yield f"{title} {first.lstrip()}"
        yield from rest
        yield from _wrapped(f"next: {notice.next}")


def _counts(snapshot: Snapshot) -> str:
    """How much is wrong, and that it stands at the end, where there is room to say so."""
    counts = rows.counts(snapshot)
    return f"{counts}, at the end" if 0 < len(counts) < WIDTH - 48 - len(", at the end") else counts


def gist(snapshot: Snapshot) -> str:
    """The whole device in one line, for `--watch` on something that is no terminal."""
    made = snapshot.made_utc_ms
    when = "--:--:--" if isinstance(made, Absent) else wording.clock(made, snapshot.zone_offset_s)
    worst = f"; {rows.counts(snapshot)}: {snapshot.notices[0].code}" if snapshot.notices else ""
    return f"{when} {snapshot.life.state}{worst}"


def _apart(left: str, right: str, *, at: int | None = None) -> str:
    """Two texts on one line, the second at a column or at the right edge."""
    if not right:
        return left
    column = WIDTH - len(right) if at is None else at
    return f"{left:<{max(column, len(left) + 2)}}{right}"


def _section(row: rows.Row) -> Iterator[str]:
    lines = [part for line in row.lines for part in _fitting(line)]
    yield f"{row.title[:_INDENT]:<{_INDENT}}{lines[0].lstrip()}"
    yield from lines[1:]


def _fitting(line: str) -> list[str]:
    """A line as it stands with its columns, or broken at blanks where it is too long."""
    return [" " * _INDENT + line] if len(line) <= WIDTH - _INDENT else _wrapped(line)


def _wrapped(text: str) -> list[str]:
    """A sentence broken at blanks, indented to the column of the sections."""
    done: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH - _INDENT:
            done.append(line)
            line = word
        else:
            line = f"{line} {word}".lstrip()
    return [" " * _INDENT + each for each in [*done, line]]
