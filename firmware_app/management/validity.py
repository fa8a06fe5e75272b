"""When the device's certificate ends, without a library to read certificates: it is noted beside it.

The library takes a seventh of the device's memory and would be asked one question a day. Whoever joins a fleet, or
renews, has it loaded and leaves the note; a note that is not of this very certificate does not count.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from firmware_app.management.credentials import CredentialsError, put
from firmware_app.store.files import Files

_NOTE: Final = ".ends"


def ends_ms(path: Path, files: Files) -> int:
    """When the certificate in a file ends, UTC ms.

    Raises:
        CredentialsError: the file holds none.
    """
    try:
        mark = sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise CredentialsError(f"{path} holds no certificate") from None
    note = path.with_name(path.name + _NOTE)
    with suppress(OSError, ValueError):
        of, ends = note.read_text(encoding="ascii").split()
        if of == mark:
            return int(ends)
    from firmware_app.management import certificate  # noqa: PLC0415 - loads the library

    found = certificate.ends_ms(path)
    with suppress(CredentialsError):  # a disk that cannot be written: noted at another start
        put(note, f"{mark} {found}\n".encode("ascii"), files)
    return found
