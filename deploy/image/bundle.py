"""Updates: signed bundles that RAUC installs into the slot that is not running, and the keys that sign them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from deploy.image.boards import Board
from deploy.image.tools import ImageError, run

KEYRING: Final = "keyring.pem"
_AUTHORITY: Final = "authority.key"
_SIGNER: Final = "signer.key"
_SIGNER_CERTIFICATE: Final = "signer.pem"
LEVEL: Final = 9
"""Of zstd: at mksquashfs' own 15 an update is 3 % smaller, and takes five times as long to make."""
_DAYS: Final = 10_950
"""Thirty years: what a board believes is decided by its keyring, which an update can replace."""
_MANIFEST: Final = """\
[update]
compatible={compatible}
version={release}

[bundle]
format=verity

[image.rootfs]
filename=root.img
"""


def make_keys(folder: Path) -> list[Path]:
    """Make an authority and a signer of updates; never replace any.

    Returns:
        The files: the authority's key belongs into a safe, the signer's to whoever releases, the keyring onto boards.

    Raises:
        ImageError: there are keys already, or they cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = [folder / name for name in (_AUTHORITY, KEYRING, _SIGNER, _SIGNER_CERTIFICATE)]
    there = [path.name for path in files if path.exists()]
    if there:
        raise ImageError(f"{folder} holds {', '.join(there)} already: keys are never replaced")
    authority, keyring, signer, certificate = files
    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
    mask = os.umask(0o077)
    try:
        run("openssl", "req", "-x509", *elliptic, "-keyout", authority, "-out", keyring, "-days", str(_DAYS),
            "-subj", "/O=gridlight/CN=updates", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        request = folder / "signer.csr"
        run(
            "openssl",
            "req",
            "-new",
            *elliptic,
            "-keyout",
            signer,
            "-out",
            request,
            "-subj",
            "/O=gridlight/CN=release",
        )
        extensions = folder / "signer.ext"
        extensions.write_text(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n",
            encoding="ascii",
        )
        run("openssl", "x509", "-req", "-in", request, "-CA", keyring, "-CAkey", authority, "-days", str(_DAYS),
            "-extfile", extensions, "-out", certificate)  # fmt: skip
    finally:
        os.umask(mask)
    request.unlink()
    extensions.unlink()
    return files


def make_bundle(
    bundle: Path,
    board: Board,
    slot: Path,
    keys: Path,
    folder: Path,
    *,
    release: str,
    epoch: int,
    level: int = LEVEL,
) -> None:
    """Write an update for boards of one kind.

    Args:
        bundle: the file that is made.
        slot: image of the root.
        keys: folder of the signer's key and certificate, and of the keyring.
        folder: for files in between.
        level: of compression.

    Raises:
        ImageError: RAUC refuses, or is not installed.
    """
    content = folder / f"bundle-{board.name}"
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    (content / "manifest.raucm").write_text(
        _MANIFEST.format(compatible=board.compatible, release=release), encoding="ascii"
    )
    os.link(slot, content / "root.img")
    fresh = bundle.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    run(
        "rauc", "bundle", f"--cert={keys / _SIGNER_CERTIFICATE}", f"--key={keys / _SIGNER}",
        f"--keyring={keys / KEYRING}", f"--mksquashfs-args=-comp zstd -Xcompression-level {level} -processors 1 -quiet",
        content, fresh, epoch=epoch,
    )  # fmt: skip
    fresh.replace(bundle)
    shutil.rmtree(content)
