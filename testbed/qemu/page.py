"""The status page of an emulated board, looked at from this machine."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Final

PASSWORD: Final = "emulated-board"  # noqa: S105 - of a page on the loopback interface, worthless elsewhere
_ANSWER_S: Final = 5.0


def look(page_port: int, password: str = PASSWORD, *, timeout_s: float = _ANSWER_S) -> dict[str, Any]:
    """What the board's page says; empty while it says nothing."""
    request = urllib.request.Request(f"http://127.0.0.1:{page_port}/status.json")
    request.add_header(
        "Authorization", "Basic " + base64.b64encode(f"gridlight:{password}".encode()).decode()
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310 - as above
            found = json.load(reply)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return found if isinstance(found, dict) else {}


def has_read(status: dict[str, Any]) -> bool:
    """Whether a meter was read and is believed."""
    return any(meter["quality"] == "good" for meter in status.get("meters") or [])
