"""docs/how-to/add-a-meter-model.md, followed to the letter."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from testbed.fleet.foreign_slaves import PYMODBUS, free_port, slave

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-meter-model.md"
PORT = "tcp://10.0.0.7"
EX1 = {
    0: 2_301,
    0x0C: 2_312,
    0x0D: 0,
    0x20: 1_234_567 & 0xFFFF,
    0x21: 1_234_567 >> 16,
    0x22: 67_890 & 0xFFFF,
    0x23: 67_890 >> 16,
    0x100: 17_752,
}


@pytest.fixture(scope="module")
def meter() -> Iterator[str]:
    """An EX1 behind TCP, with the registers of its manual and no other."""
    number = free_port()
    with slave(PYMODBUS, "tcp", str(number), {1: EX1}):
        yield f"tcp://127.0.0.1:{number}"


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for word, block in fenced if word == language]


def steps() -> list[tuple[str, list[str]]]:
    """Every command of the page, with the lines that it is said to print."""
    found = []
    for block in blocks(""):
        command, *printed = block.splitlines()
        assert command.startswith("$ gridlight ")
        assert printed
        found.append((command.removeprefix("$ gridlight "), printed))
    return found


def spaced(text: str) -> str:
    """A text whose columns may be of any width."""
    return " ".join(text.split())


def test_the_page_shows_all_that_is_needed() -> None:
    assert len(blocks("toml")) == 1
    assert len(steps()) == 6


def test_following_the_page_reads_the_meter(
    meter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (profile,) = blocks("toml")
    Path("ex1.toml").write_text(profile, encoding="utf-8")
    typos = iter([("address = 0x0100", "adress = 0x0100"), ("codes = [17752]", "codes = [17753]")])
    for command, printed in steps():
        if "typo.toml" in command:
            right, wrong = next(typos)
            assert f"`{wrong}`" in PAGE.read_text(encoding="utf-8")
            assert profile.count(right) == 1
            Path("typo.toml").write_text(profile.replace(right, wrong), encoding="utf-8")
        code = cli.main(shlex.split(command.replace(PORT, meter)))
        shown = capsys.readouterr()
        said = [spaced(line.replace(meter, PORT)) for line in (shown.out + shown.err).splitlines()]
        for line in printed:
            assert any(spaced(line) in text for text in said), (command, line, said)
        fails = printed[0].startswith(("error", "unknown"))
        assert code == (Exit.FAILED if fails else Exit.OK), command
    assert next(typos, None) is None
