"""Unpack a wheel into a folder of Python packages: `python3 unpack.py WHEEL FOLDER`. Needs nothing but Python.

Each file must be what the wheel's own record says, and must lie in the folder; the command is made by `install`.
"""

import base64
import csv
import hashlib
import sys
import zipfile
from pathlib import Path, PurePosixPath

_WRONG_USE = 2


class WheelError(Exception):
    """The file is no wheel that can be unpacked; one sentence."""


def unpack(wheel: Path, folder: Path) -> int:
    """Write every file of a wheel below a folder, over what is there.

    Returns:
        How many files were written.

    Raises:
        WheelError: it is no wheel, or one of its files is not what its record says.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except (OSError, zipfile.BadZipFile) as error:
        raise WheelError(f"{wheel} cannot be read: {error}") from None
    records = [name for name in files if name.endswith(".dist-info/RECORD")]
    if len(records) != 1:
        raise WheelError(f"{wheel} has {len(records)} records, expected 1")
    expected = _expected(files[records[0]].decode("utf-8"))
    for name, content in files.items():
        if name != records[0] and _digest(content) != expected.get(name):
            raise WheelError(f"{name} in {wheel} is not what the record says")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise WheelError(f"{name} in {wheel} would lie outside {folder}")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return len(files)


def _expected(record: str) -> dict[str, str]:
    return {row[0]: row[1] for row in csv.reader(record.splitlines()) if len(row) > 1}


def _digest(content: bytes) -> str:
    """As a record spells it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode('ascii')}"


def main(words: list[str]) -> int:
    """Unpack, and say how many files there were."""
    if len(words) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return _WRONG_USE
    try:
        count = unpack(Path(words[0]), Path(words[1]))
    except WheelError as error:
        sys.stderr.write(f"unpack: {error}\n")
        return 1
    sys.stdout.write(f"unpack: {count} files in {words[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
