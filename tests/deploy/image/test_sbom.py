"""The bill of materials: every package that is on a card, of which dpkg knows only some."""

import gzip
import json
from pathlib import Path

import pytest

from deploy.image.sbom import document, unpacked
from deploy.image.tools import ImageError

_STATUS = """\
Package: chrony
Status: install ok installed
Architecture: armhf
Version: 4.6.1-3
Description: a server
 that says the time

Package: gone
Status: deinstall ok config-files
Architecture: armhf
Version: 1

Package: libzmq5
Status: install ok installed
Source: zeromq3 (4.3.5-1)
Architecture: armhf
Version: 4.3.5-1+b2
"""


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A root, unpacked boot loaders, a wheel."""
    root, loaders, wheel = (
        tmp_path / "root",
        tmp_path / "loaders",
        tmp_path / "gridlight-1.2.0-py3-none-any.whl",
    )
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(_STATUS, encoding="utf-8")
    for name, line in (
        ("linux-image-6.12-armmp", "linux (6.12.1-1) trixie; urgency=low\n"),
        ("u-boot-omap", "u-boot (2025.01-3) trixie; urgency=low\n"),
        ("adduser", "adduser (3.1) trixie; urgency=low\n"),
    ):
        folder = loaders / "usr/share/doc" / name
        folder.mkdir(parents=True)
        with gzip.open(folder / "changelog.Debian.gz", "wt", encoding="utf-8") as out:
            out.write(line)
    (loaders / "usr/share/doc/linux-image-armmp").symlink_to("linux-image-6.12-armmp")
    wheel.write_bytes(b"a wheel")
    return root, loaders, wheel


def test_it_names_what_is_installed_what_was_unpacked_and_the_program(parts: tuple[Path, Path, Path]) -> None:
    bill = document(*parts, board="beaglebone", release="1.2", epoch=0)
    assert [(one["name"], one["version"]) for one in bill["components"]] == [
        ("gridlight", "1.2.0"),
        ("chrony", "4.6.1-3"),
        ("libzmq5", "4.3.5-1+b2"),
        ("linux-image-6.12-armmp", "6.12.1-1"),
        ("linux-image-armmp", "6.12.1-1"),
        ("u-boot-omap", "2025.01-3"),
    ]
    by_name = {one["name"]: one for one in bill["components"]}
    assert by_name["libzmq5"]["properties"] == [{"name": "debian:source", "value": "zeromq3"}]
    assert by_name["u-boot-omap"]["purl"] == "pkg:deb/debian/u-boot-omap@2025.01-3?distro=debian-13"
    assert by_name["chrony"]["purl"].endswith("?arch=armhf&distro=debian-13")


def test_the_same_card_has_the_same_bill(parts: tuple[Path, Path, Path]) -> None:
    one, two, other = (
        json.dumps(document(*parts, board=board, release="1.2", epoch=0))
        for board in ("virt", "virt", "beaglebone")
    )
    assert one == two
    assert one != other


def test_a_package_without_a_version_is_no_guess(parts: tuple[Path, Path, Path]) -> None:
    with gzip.open(parts[1] / "usr/share/doc/u-boot-omap/changelog.Debian.gz", "wt") as out:
        out.write("nothing that Debian writes\n")
    with pytest.raises(ImageError, match="expected `SOURCE"):
        list(unpacked(parts[1]))
