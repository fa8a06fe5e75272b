"""Meters that made their own keys: the operator of a live run registers these instead of those of the cast.

enrolled.json beside the node files: number of a home -> public key of its meter's identity, hexadecimal digits
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from light_client.rules.units import PUBLIC_KEY_BYTES

_FILE: Final = "enrolled.json"


class EnrolledError(Exception):
    """The file is not as it must be; one sentence."""


def enrol(folder: Path, keys: Mapping[int, bytes]) -> None:
    """Write down whom the operator registers, before it is started.

    Args:
        folder: of the node files.
        keys: home -> public key of the identity that its meter made itself.

    Raises:
        OSError: it cannot be written.
    """
    document = {str(home_id): key.hex() for home_id, key in sorted(keys.items())}
    (folder / _FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def enrolled(folder: Path) -> dict[int, bytes]:
    """Home -> public key; empty where nobody enrolled.

    Raises:
        EnrolledError: it cannot be read.
    """
    try:
        document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        keys = {int(home_id): bytes.fromhex(key) for home_id, key in document.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EnrolledError(f"{folder / _FILE} cannot be read: {error}") from None
    for home_id, key in keys.items():
        if len(key) != PUBLIC_KEY_BYTES:
            raise EnrolledError(
                f"the key of home {home_id} has {len(key)} bytes, expected {PUBLIC_KEY_BYTES}"
            )
    return keys
