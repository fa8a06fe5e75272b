"""What the pages promise exists: every link leads somewhere, every command can be typed."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deploy.operator import cli as operator
from firmware_app import cli as device
from firmware_app.console import Exit
from firmware_app.version import VERSION
from testbed import cli as tier

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    REPOSITORY / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (REPOSITORY / name).is_file()
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAMS = {
    "gridlight": device.build_parser,
    "gridlight-fleet": operator.build_parser,
    "gridlight-testbed": tier.build_parser,
}


def on(page: Path) -> str:
    """Return the text of a page without its comments."""
    return re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def named(page: Path) -> str:
    """Name a page in the list of tests."""
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target.split("#")[0] for target in LINK.findall(on(page)) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    typed = set(re.findall(r"(?:^|`)make ([a-z-]+)", on(page), flags=re.MULTILINE))
    assert typed <= targets


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page: Path) -> None:
    """A page may show a command only once it can be typed."""
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", on(page), flags=re.DOTALL))
    for program, command in re.findall(
        r"^[`$ ]*(gridlight(?:-testbed|-fleet)?) ([a-z]+)", code, flags=re.MULTILINE
    ):
        assert command in PROGRAMS[program]()[1].choices, f"{program} {command}"


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[gone](missing.md) <!-- [hidden](later.md) -->")
    assert LINK.findall(on(page)) == ["missing.md"]
    with pytest.raises(AssertionError):
        test_links_lead_somewhere(page)


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    rows = re.findall(r"^\| (\d+) \|", on(REPOSITORY / "docs" / "commands.md"), flags=re.MULTILINE)
    assert [int(code) for code in rows] == [int(code) for code in Exit]


def test_the_front_page_fits_two_screens() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_no_two_decisions_share_a_number() -> None:
    numbers = [page.name[:4] for page in (REPOSITORY / "docs" / "adr").glob("[0-9]*.md")]
    assert len(numbers) > 4
    assert len(set(numbers)) == len(numbers)


def test_the_release_has_one_number_and_a_changelog() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    assert f"## {VERSION}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
