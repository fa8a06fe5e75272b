"""When the device's certificate ends, without a library to read certificates: it is noted beside it.

The library takes a seventh of the device's memory and would be asked one question a day. Whoever joins a fleet leaves
the note; a note that is not of this very certificate does not count. Where there is none, as beside a certificate that
was laid there by hand, a process of its own reads the certificate and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from firmware_app.management.credentials import CredentialsError, put
from firmware_app.store.files import Files

_NOTE: Final = ".ends"
_PATIENCE_S: Final = 60.0
_LIBRARY: Final = "firmware_app.management.certificate"
_READING: Final = (
    f"import sys; from pathlib import Path; from {_LIBRARY} import ends_ms; print(ends_ms(Path(sys.argv[1])))"
)


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
    loaded = sys.modules.get(_LIBRARY)  # where a fleet is joined or a certificate renewed it is there already
    found = _read_apart(path) if loaded is None else int(loaded.ends_ms(path))
    with suppress(CredentialsError):  # a disk that cannot be written: noted at another start
        put(note, f"{mark} {found}\n".encode("ascii"), files)
    return found


def _read_apart(path: Path) -> int:
    try:
        said = subprocess.run(  # noqa: S603 - this very Python, and a module of ours
            [sys.executable, "-c", _READING, str(path)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return int(said.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise CredentialsError(f"{path} holds no certificate") from None
