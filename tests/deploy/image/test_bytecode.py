"""Compiled files for whose sources nobody asks: Python takes them, whatever the time of their sources is."""

import os
import py_compile
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from deploy.image.bytecode import free_of_sources


def _package(folder: Path, mtime: int, mode: PycInvalidationMode = PycInvalidationMode.TIMESTAMP) -> Path:
    folder.mkdir(parents=True)
    source = folder / "answer.py"
    source.write_text("VALUE = 42\n", encoding="ascii")
    os.utime(source, (mtime, mtime))
    compiled = Path(py_compile.compile(str(source), invalidation_mode=mode) or "")
    compiled.chmod(0o644)
    return compiled


def test_two_builds_at_other_times_are_the_same(tmp_path: Path) -> None:
    one, two = (
        _package(tmp_path / name, mtime) for name, mtime in (("one", 1_000_000_000), ("two", 1_700_000_000))
    )
    assert one.read_bytes()[:16] != two.read_bytes()[:16], "as Debian leaves them"
    assert free_of_sources(tmp_path) == 2
    assert one.read_bytes()[:16] == two.read_bytes()[:16]
    assert free_of_sources(tmp_path) == 0, "and they are left alone from then on"


@pytest.mark.parametrize("mode", [PycInvalidationMode.TIMESTAMP, PycInvalidationMode.CHECKED_HASH])
def test_python_takes_them_without_a_look_at_the_source(tmp_path: Path, mode: PycInvalidationMode) -> None:
    compiled = _package(tmp_path / "lib", 1_000_000_000, mode)
    assert free_of_sources(tmp_path) == 1
    (tmp_path / "lib" / "answer.py").write_text("raise SystemExit('this was read')\n", encoding="ascii")
    code = "import importlib.util as u, sys; s = u.find_spec('answer'); s.loader.exec_module(u.module_from_spec(s))"
    world = {"PYTHONPATH": str(tmp_path / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(
        [sys.executable, "-v", "-c", code], capture_output=True, text=True, check=True, env=world
    ).stderr
    assert f"# {compiled} matches" in said
    assert "compiling" not in [line for line in said.splitlines() if "answer" in line][-1]
    assert f"wrote '{compiled}'" not in said


def test_what_has_no_source_or_no_header_is_left_alone(tmp_path: Path) -> None:
    compiled = _package(tmp_path / "lib", 1_000_000_000)
    (tmp_path / "lib" / "answer.py").unlink()
    short = compiled.with_name("short.cpython-313.pyc")
    short.write_bytes(b"\x00")
    (tmp_path / "lib" / "short.py").write_text("", encoding="ascii")
    before = compiled.read_bytes()
    assert free_of_sources(tmp_path) == 0
    assert compiled.read_bytes() == before


def test_a_source_that_is_a_link_out_of_the_root_is_not_needed(tmp_path: Path) -> None:
    """Debian's `sitecustomize.py` is a link to /etc, which leads elsewhere while the card is made."""
    compiled = _package(tmp_path / "lib", 1_000_000_000, PycInvalidationMode.CHECKED_HASH)
    (tmp_path / "lib" / "answer.py").unlink()
    (tmp_path / "lib" / "answer.py").symlink_to("/nowhere/answer.py")
    before = compiled.read_bytes()
    assert free_of_sources(tmp_path) == 1
    assert compiled.read_bytes() == before[:4] + b"\x01\0\0\0" + before[8:]
