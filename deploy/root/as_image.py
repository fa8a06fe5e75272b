"""Make a root of `make-base` into an image that an engine can load: `python3 as_image.py ROOT.tar NAME OUT.tar`.

`docker import` would label it with this machine's processor instead of the board's, and nothing would build on it.
OUT.tar is what `docker load` and `podman load` read. Needs nothing but Python.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

_WRONG_USE = 2
_CHUNK = 1 << 20


def pack(root: Path, name: str, out: Path) -> str:
    """Write the archive; return the image's id.

    Args:
        root: an uncompressed tar archive of a whole file system for armhf.
        name: of the image, such as ``gridlight-base:armhf``.

    Raises:
        OSError: the root cannot be read, or the archive not be written.
    """
    layer = _digest(root)
    config = _json(
        {
            "architecture": "arm",
            "variant": "v7",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        }
    )
    image = hashlib.sha256(config).hexdigest()
    with tarfile.open(out, "w") as archive:
        archive.add(root, f"{layer}/layer.tar", filter=_plain)
        _add(archive, f"{image}.json", config)
        manifest = [{"Config": f"{image}.json", "RepoTags": [name], "Layers": [f"{layer}/layer.tar"]}]
        _add(archive, "manifest.json", _json(manifest))
    return image


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without a trace of who packed it, and when."""
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode = 0, 0, 0, "", "", 0o644
    return entry


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def main(words: list[str]) -> int:
    """Pack, and say which image came out."""
    if len(words) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return _WRONG_USE
    try:
        image = pack(Path(words[0]), words[1], Path(words[2]))
    except OSError as error:
        sys.stderr.write(f"as_image: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"as_image: {words[1]} is sha256:{image[:12]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
