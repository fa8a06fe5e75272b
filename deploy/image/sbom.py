"""What is on a card, as CycloneDX: every Debian package with its version and source, and the program itself."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.image.tools import ImageError

_UNPACKED: Final = ("linux-image-", "raspi-firmware", "u-boot-")
"""Of the unpacked packages those whose files are on cards; others came with them."""
_CHANGE: Final = re.compile(r"([a-z0-9][a-z0-9+.-]*) \(([^)\s]+)\) ")
_NAMESPACE: Final = uuid.UUID("67726964-6c69-4768-8400-0000000000bb")


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of `Field: value` lines, as dpkg keeps them; continued lines are left out."""
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line[0].isspace()]
        fields = dict(line.split(":", 1) for line in lines)
        if fields:
            yield {name: value.strip() for name, value in fields.items()}


def unpacked(boot_files: Path) -> Iterator[dict[str, str]]:
    """Kernel, firmware and boot loaders: dpkg keeps no record of what was only unpacked, but their changelogs do.

    Raises:
        ImageError: a changelog does not begin as Debian's do.
    """
    for folder in sorted((boot_files / "usr/share/doc").iterdir()):
        changelog = folder / "changelog.Debian.gz"
        if not folder.name.startswith(_UNPACKED) or not changelog.exists():
            continue
        with gzip.open(changelog, "rt", encoding="utf-8") as file:
            line = file.readline()
        found = _CHANGE.match(line)
        if found is None:
            raise ImageError(f"{changelog} begins with {line!r}, expected `SOURCE (VERSION) ...`")
        yield {"Package": folder.name, "Source": found[1], "Version": found[2]}


def component(fields: dict[str, str]) -> dict[str, Any]:
    """One Debian package."""
    name, version = fields["Package"], fields["Version"]
    source = fields.get("Source", name).partition(" ")[0]
    architecture = f"arch={fields['Architecture']}&" if "Architecture" in fields else ""
    return {
        "type": "library",
        "bom-ref": f"deb/{name}",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{name}@{version}?{architecture}distro=debian-13",
        "properties": [{"name": "debian:source", "value": source}],
    }


def document(
    root: Path, boot_files: Path, wheel: Path, *, board: str, release: str, epoch: int
) -> dict[str, Any]:
    """The bill of materials of one card, the same for the same card.

    Args:
        root: the tree, with dpkg's records.
        boot_files: the unpacked packages of kernel and boot loaders, with their changelogs.
        wheel: the program's.
    """
    records = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    installed = [fields for fields in paragraphs(records) if "installed" in fields.get("Status", "").split()]
    packages = {fields["Package"]: fields for fields in (*unpacked(boot_files), *installed)}
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    program = {
        "type": "application",
        "bom-ref": "gridlight",
        "name": "gridlight",
        "version": wheel.name.split("-")[1],
        "purl": f"pkg:pypi/gridlight@{wheel.name.split('-')[1]}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    components = [program, *(component(packages[name]) for name in sorted(packages))]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps([board, release, components]))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {"type": "operating-system", "name": f"gridlight-{board}", "version": release},
        },
        "components": components,
    }
