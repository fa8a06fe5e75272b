"""The page in a real browser: it draws, it needs no script and no network, and it fits a narrow phone."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from matplotlib import image

from firmware_app.status import page
from firmware_app.status.params import StatusParams
from firmware_app.status.server import StatusServer
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Snapshot
from tests.firmware_app.status.test_terminal import judged
from tests.status_kit import BARE, FAILED, TRADING

pytestmark = pytest.mark.system
PHONE, DESK, HEIGHT = 390, 1_100, 900
PAPER = (0xF3, 0xF4, 0xF1)


@pytest.fixture
def chromium() -> str:
    """The browser, or a skip that says why."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    return program


def shot(program: str, address: str, file: Path, *words: str, width: int) -> str:
    """Let the browser draw; returns what it complains about."""
    command = [
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"),
        f"--user-data-dir={file.parent / 'profile'}",
        f"--window-size={width},{HEIGHT}",
        f"--screenshot={file}",
        *words,
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    return "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def served(program: str, snapshot: Snapshot, file: Path, *words: str) -> str:
    """Draw what a real server sends, with its policy."""

    async def serving() -> str:
        shown = Shown(lambda: snapshot.made_monotonic_ms)
        shown.update(snapshot)
        server = StatusServer(StatusParams(port=0), shown)
        address = f"http://127.0.0.1:{await server.start()}/"
        try:
            return await asyncio.to_thread(shot, program, address, file, *words, width=DESK)
        finally:
            await server.stop()

    return asyncio.run(serving())


def pixels(file: Path) -> Any:
    """Red, green and blue, 0 to 255, by row and column."""
    return (image.imread(file)[..., :3] * 255).round().astype(int)


def colours(drawn: Any) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in drawn.reshape(-1, 3)[::3].tolist()}


def test_it_draws_the_day_and_the_browser_has_nothing_to_complain_about(
    chromium: str, tmp_path: Path
) -> None:
    file = tmp_path / "desk.png"
    assert served(chromium, TRADING, file) == ""
    drawn = pixels(file)
    assert drawn.shape == (HEIGHT, DESK, 3)
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), PAPER} <= colours(drawn)  # blue, vermilion, paper


def test_a_script_that_got_into_the_page_would_not_run(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "render", lambda *_, **__: page.document("x", "<script>alert(1)</script>"))
    assert "Content Security Policy" in served(chromium, TRADING, tmp_path / "x.png")


def test_it_is_dark_where_people_want_it_dark(chromium: str, tmp_path: Path) -> None:
    file = tmp_path / "dark.png"
    served(chromium, FAILED, file, "--blink-settings=preferredColorScheme=0")
    drawn = pixels(file)
    assert tuple(drawn[0, 0].tolist()) == (0x0E, 0x12, 0x14)
    assert (0xFF, 0x8F, 0x75) in colours(drawn)


def test_it_fits_narrow_phones_without_sideways_scrolling(chromium: str, tmp_path: Path) -> None:
    """Cards keep their right margin: nothing sticks out. A window has 500 px at least, a frame may be narrower."""
    snapshots = (judged(TRADING), judged(FAILED), BARE)
    widths = (PHONE, PHONE, 320)
    frames = ""
    for number, (snapshot, width) in enumerate(zip(snapshots, widths, strict=True)):
        (tmp_path / f"{number}.html").write_text(page.render(snapshot))
        frames += f'<iframe src="{number}.html" width={width} height={HEIGHT} style="border:0"></iframe>'
    whole = tmp_path / "phones.html"
    whole.write_text(f'<body style="margin:0;display:flex">{frames}')
    file = tmp_path / "phones.png"
    shot(chromium, f"file://{whole}", file, width=sum(widths))
    drawn = pixels(file)
    end = 0
    for width in widths:
        end += width
        assert (drawn[:, end - 12 : end - 2] == PAPER).all()
        assert (drawn[:, end - width // 2] != PAPER).any()
