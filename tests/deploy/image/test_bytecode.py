"""Compiled files without a time in them: Python takes them, whatever the time of their sources is."""

import os
import py_compile
import subprocess
import sys
from pathlib import Path

from deploy.image.bytecode import tie_to_sources


def _package(folder: Path, mtime: int) -> Path:
    folder.mkdir(parents=True)
    source = folder / "answer.py"
    source.write_text("VALUE = 42\n", encoding="ascii")
    os.utime(source, (mtime, mtime))
    compiled = Path(
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP) or ""
    )
    compiled.chmod(0o644)
    return compiled


def test_two_builds_at_other_times_are_the_same(tmp_path: Path) -> None:
    one, two = (
        _package(tmp_path / name, mtime) for name, mtime in (("one", 1_000_000_000), ("two", 1_700_000_000))
    )
    assert one.read_bytes()[:16] != two.read_bytes()[:16], "as Debian leaves them"
    assert tie_to_sources(tmp_path) == 2
    assert one.read_bytes()[:16] == two.read_bytes()[:16]
    assert tie_to_sources(tmp_path) == 0, "and they are left alone from then on"


def test_python_takes_them_although_the_source_has_another_time(tmp_path: Path) -> None:
    compiled = _package(tmp_path / "lib", 1_000_000_000)
    tie_to_sources(tmp_path)
    os.utime(tmp_path / "lib" / "answer.py", (1, 1))
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
    assert tie_to_sources(tmp_path) == 0
    assert compiled.read_bytes() == before
