"""What the linters cannot see: no floats in the rules, files of a readable size, no mention of anybody's machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = sorted((REPOSITORY / "light_client" / "rules").rglob("*.py"))
MAX_LINES = 400
TEXTS = {".py", ".toml", ".md", ".lock", ".ini", ".json", ".svg", ".html", ".sh", ""}


def tracked(pattern: str) -> list[Path]:
    """Return the files of the project that match, with those not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := REPOSITORY / name).is_file()]


def floats(source: str) -> Iterator[str]:
    """Yield each place of a source text where a float is written or could come into being."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex() as number):
                yield f"line {node.lineno}: the literal {number}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: true division"
            case ast.Name(id="float" | "round" | "complex"):
                yield f"line {node.lineno}: {node.id}"
            case ast.Attribute(value=ast.Name(id="math"), attr=name) if name not in {
                "gcd",
                "lcm",
                "isqrt",
                "comb",
            }:
                yield f"line {node.lineno}: math.{name}"
            case ast.ImportFrom(module="math" | "cmath" | "statistics" | "decimal"):
                yield f"line {node.lineno}: from {node.module} import"
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
                yield f"line {node.lineno}: a negative power"


@pytest.mark.parametrize("file", RULES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_the_rules_hold_no_floats(file: Path) -> None:
    assert list(floats(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1.5",
        "x = a / b",
        "x /= 2",
        "x = float(a)",
        "x = math.sqrt(a)",
        "x = 2 ** -1",
        "from math import sqrt",
    ],
)
def test_the_scan_sees_a_float(source: str) -> None:
    assert len(list(floats(source))) == 1
    assert list(floats("x = a // b + math.isqrt(c)")) == []


def test_there_are_rules_to_scan() -> None:
    assert {"crypto.py", "encoding.py", "merkle.py", "errors.py"} <= {file.name for file in RULES}


def test_files_are_short_enough_to_read() -> None:
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked("*.py")
    }
    assert len(lengths) > 30
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_catch_all_modules() -> None:
    names = {path.stem for path in tracked("*.py")}
    assert names.isdisjoint({"utils", "util", "common", "misc", "helpers"})


def test_nothing_names_a_folder_of_somebodys_machine() -> None:
    """Absolute paths belong to one machine; the project has to work on any."""
    places = re.compile(r"(?<![\w.-])/(work|root|home|Users)/")
    found = [
        f"{path.relative_to(REPOSITORY)}: {place}"
        for path in tracked("*")
        if path.suffix in TEXTS
        for place in places.findall(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_locked_releases_have_hashes_and_name_no_registry() -> None:
    locks = tracked("requirements/*.lock")
    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert not [line for line in text.splitlines() if line.startswith("-")], "an option of one machine"
        releases = [line for line in text.splitlines() if line and line[0] not in " #"]
        assert len(releases) > 10
        assert [line for line in releases if "==" not in line or not line.endswith("\\")] == []
