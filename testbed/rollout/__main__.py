"""One process of meters: `python -m testbed.rollout PART.json`, told by words on its standard input.

`return` switches on who was away, `truth` asks how every board really stands, `stop` ends it. It says how its meters do
once a second, one JSON document each line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from testbed.rollout.broker import resident_kib
from testbed.rollout.cast import crowd_of, read_part
from testbed.rollout.crowd import Crowd

_EACH_S: Final = 1.0


def main() -> int:
    """Play the part until told to stop, or until nobody is there to tell."""
    crowd = crowd_of(read_part(Path(sys.argv[1])))
    os.set_blocking(sys.stdin.fileno(), False)
    said_s, words = 0.0, b""
    while True:
        crowd.turn()
        if time.monotonic() - said_s >= _EACH_S:
            said_s = time.monotonic()
            _say(_state(crowd))
        try:
            more = os.read(sys.stdin.fileno(), 4_096)
        except BlockingIOError:
            continue
        words += more
        *lines, words = words.split(b"\n")
        for line in lines:
            _obey(crowd, line.decode())
        if b"stop" in lines or not more:
            crowd.close()
            return 0


def _obey(crowd: Crowd, word: str) -> None:
    if word == "return":
        crowd.bring_back()
    elif word == "truth":
        _say({"truth": list(crowd.truths())})


def _state(crowd: Crowd) -> dict[str, Any]:
    traffic = crowd.traffic
    return {
        "counts": crowd.counts(),
        "connected": crowd.connected,
        "sent": traffic.sent,
        "sent_bytes": traffic.sent_bytes,
        "heard": traffic.heard,
        "heard_bytes": traffic.heard_bytes,
        "connections": traffic.connections,
        "lost": crowd.lost,
        "memory_kib": resident_kib(os.getpid()),
        "cpu_ms": time.process_time_ns() // 1_000_000,
    }


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
