"""The recipe of a device's root, as far as it can be judged without one: packages, wheel, image, Dockerfile, suite."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from deploy.root import as_image, unpack

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "deploy" / "root"
DOCKERFILES = (ROOT / "deploy" / "Dockerfile", ROOT / "deploy" / "compose" / "Dockerfile")
DEBIAN = {
    "cryptography": "python3-cryptography",
    "ecdsa": "python3-ecdsa",
    "paho-mqtt": "python3-paho-mqtt",
    "pynacl": "python3-nacl",
    "pyserial": "python3-serial",
    "pyzmq": "python3-zmq",
    "tinydb": "python3-tinydb",
}
"""What the device needs -> its Debian package."""
ON_BOARDS = ("openssl", "fleet")
"""Extras that every board has."""
PUBLIC_HOSTS = {"deb.debian.org", "pypi.org"}


def _listed() -> list[str]:
    done = subprocess.run([RECIPE / "install", "list"], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_everything_that_the_device_needs_is_a_listed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for extra in ON_BOARDS for text in project["optional-dependencies"][extra]]
    names = {re.split(r"[<>=~ ]", text)[0] for text in (*project["dependencies"], *extras)}
    assert {DEBIAN[name] for name in names} <= set(_listed()), "a part of a board would not start"


def test_what_no_device_may_have_is_not_listed() -> None:
    assert not {"python3-numpy", "python3-scipy", "python3-pip", "gcc", "build-essential"} & set(_listed())


def test_every_listed_package_has_its_reason() -> None:
    for line in (RECIPE / "packages").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]* +# \S.*", line), line


@pytest.mark.parametrize("words", [[], ["paint"], ["program"]])
def test_the_recipe_says_how_it_is_used(words: list[str]) -> None:
    done = subprocess.run([RECIPE / "install", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install program WHEEL" in done.stderr


@pytest.mark.parametrize(
    "script", [RECIPE / "install", RECIPE / "make-base", ROOT / "deploy" / "armhf" / "run-tests"]
)
def test_scripts_parse(script: Path) -> None:
    shell = script.read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2].split()[-1]
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- the wheel ---------------------------------------------------------------------------------------------------------


def _wheel(folder: Path, files: dict[str, bytes], *, lies: str | None = None) -> Path:
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, content in files.items():
        digest = hashlib.sha256(b"something else" if name == lies else content).digest()
        rows.writerow(
            [name, f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}", len(content)]
        )
    rows.writerow(["x-1.dist-info/RECORD", "", ""])
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("x-1.dist-info/RECORD", record.getvalue())
    return path


def test_a_wheel_is_unpacked_to_the_byte(tmp_path: Path) -> None:
    files = {"x/__init__.py": b"", "x/data/a.toml": bytes(range(256))}
    wheel = _wheel(tmp_path, files)
    assert unpack.unpack(wheel, tmp_path / "out") == 3
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    assert unpack.main([str(wheel), str(tmp_path / "out")]) == 0


def test_a_file_that_is_not_what_the_record_says_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    wheel = _wheel(tmp_path, {"x/a.py": b"1", "x/b.py": b"2"}, lies="x/b.py")
    with pytest.raises(unpack.WheelError, match=r"x/b\.py .* is not what the record says"):
        unpack.unpack(wheel, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert unpack.main([str(wheel), str(tmp_path / "out")]) == 1


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py"])
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    wheel = _wheel(tmp_path, {name: b"1"})
    with pytest.raises(unpack.WheelError, match="would lie outside"):
        unpack.unpack(wheel, tmp_path / "out")


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.whl").write_bytes(b"PK")
    with pytest.raises(unpack.WheelError, match="cannot be read"):
        unpack.unpack(tmp_path / "broken.whl", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("x/a.py", "1")
    with pytest.raises(unpack.WheelError, match="0 records"):
        unpack.unpack(tmp_path / "empty.whl", tmp_path / "out")
    assert unpack.main([]) == 2


# -- the image ---------------------------------------------------------------------------------------------------------


def _root(folder: Path) -> Path:
    path = folder / "root.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("etc/debian_version")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"13.1\n"))
    return path


def test_a_root_becomes_an_image_for_the_boards_processor(tmp_path: Path) -> None:
    root, out = _root(tmp_path), tmp_path / "image.tar"
    image = as_image.pack(root, "base:armhf", out)
    with tarfile.open(out) as archive:
        files = {entry.name: (archive.extractfile(entry) or io.BytesIO()).read() for entry in archive}
    (listed,) = json.loads(files["manifest.json"])
    assert listed["RepoTags"] == ["base:armhf"]
    config = files[listed["Config"]]
    assert hashlib.sha256(config).hexdigest() == image
    facts = json.loads(config)
    assert (facts["os"], facts["architecture"], facts["variant"]) == ("linux", "arm", "v7")
    (layer,) = listed["Layers"]
    assert facts["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}"]
    assert files[layer] == root.read_bytes()


def test_the_same_root_is_the_same_archive(tmp_path: Path) -> None:
    root = _root(tmp_path)
    for name in ("one.tar", "two.tar"):
        assert as_image.main([str(root), "base:armhf", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert as_image.main([str(tmp_path / "none"), "base:armhf", str(tmp_path / "x.tar")]) == 1
    assert as_image.main([]) == 2


# -- what is built from it ---------------------------------------------------------------------------------------------


def test_the_image_is_built_from_a_public_base_and_runs_as_nobody_special() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG BASE=debian:trixie-slim" in text
    assert re.search(r"^USER gridlight$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\"gridlight\", \"status\"", text, re.MULTILINE)
    assert re.findall(r"^VOLUME (.*)$", text, re.MULTILINE) == ["/var/lib/gridlight"]


def test_whatever_the_images_copy_is_sent_to_the_builder_and_nothing_else() -> None:
    sent = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    text = "".join(path.read_text(encoding="utf-8") for path in DOCKERFILES)
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert {
        name for name in copied if not any(name == one or name.startswith(f"{one}/") for one in sent)
    } == set()
    assert sent <= copied
    assert all((ROOT / name).exists() for name in sent)


def test_no_host_but_debians_own_is_named() -> None:
    folders = (RECIPE, ROOT / "deploy" / "armhf")
    for path in (*DOCKERFILES, *(path for folder in folders for path in folder.iterdir())):
        if path.is_file():
            hosts = set(
                re.findall(r"https?://([^/\s\"'}]+)", path.read_text(encoding="utf-8", errors="replace"))
            )
            assert hosts <= PUBLIC_HOSTS, path


def test_the_sample_of_tests_covers_every_package_of_the_device() -> None:
    lines = (ROOT / "deploy" / "armhf" / "suite").read_text(encoding="utf-8").splitlines()
    files = [line for line in lines if not line.startswith(("#", "--deselect="))]
    left_out = [line.removeprefix("--deselect=").partition("::") for line in lines if line.startswith("--")]
    assert all(f"def {test}(" in (ROOT / name).read_text(encoding="utf-8") for name, _, test in left_out)
    assert [name for name in files if not (ROOT / name).is_file()] == []
    sampled = {Path(name).parts[1:3] for name in files}
    packages = {
        (path.parent.parent.name, path.parent.name)
        for top in ("light_client", "meter_io", "firmware_app")
        for path in (ROOT / top).glob("*/__init__.py")
    }
    tested = {(top, name) for top, name in packages if list((ROOT / "tests" / top / name).glob("test_*.py"))}
    assert tested - sampled == set()


def test_the_image_of_this_machine_starts(tmp_path: Path) -> None:
    """Only where `deploy/armhf/run-tests image` has been, and its engine is up."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("docker is not installed")
    found = subprocess.run(
        [docker, "images", "--quiet", "gridlight:armhf"], capture_output=True, text=True, check=False
    )
    if found.returncode or not found.stdout.strip():
        pytest.skip("no engine with an image gridlight:armhf: deploy/armhf/run-tests image makes one")
    words = [
        "run",
        "--rm",
        "--platform",
        "linux/arm/v7",
        "--network",
        "none",
        "--read-only",
        "gridlight:armhf",
    ]
    done = subprocess.run(
        [docker, *words, "version"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "signatures by cryptography" in done.stdout
