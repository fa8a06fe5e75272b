"""A program for the crash test: writes batch after batch and says on stdout which of them were acknowledged.

Batch n sets eight rows to n. Usage: batch_writer.py FILE FIRST [torn], where `torn` writes each row by itself.
"""

import sys
from pathlib import Path

from light_client.session.actor import Write
from light_client.store.sqlite import SqliteStorage

ROWS = 8


def batch(number: int) -> list[Write]:
    """The writes of one batch: large enough for several pages and now and then a checkpoint."""
    value = number.to_bytes(8) + bytes(number % 5 * 700)
    return [Write(table=f"t{row % 2}", key=bytes([row]), value=value) for row in range(ROWS)]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(path: Path, first: int, *, torn: bool) -> None:
    """Write until killed."""
    with SqliteStorage(path) as store:
        _say("open")
        number = first
        while True:
            if torn:
                for write in batch(number):
                    store.commit([write])
            else:
                store.commit(batch(number))
            _say(str(number))
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), torn=sys.argv[3:] == ["torn"])
