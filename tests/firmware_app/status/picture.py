"""The picture of the status page in the guide: `python -m tests.firmware_app.status.picture`, where chromium is."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from firmware_app.status import page
from tests.firmware_app.status.test_terminal import judged
from tests.status_kit import FAILED, TRADING

PICTURE = Path(__file__).resolve().parents[3] / "docs" / "pictures" / "status-page.png"
WIDTH, HEIGHT, GAP = 390, 1_240, 20


def dark(text: str) -> str:
    """The page as it looks to people who want it dark, whatever the browser thinks."""
    return text.replace("@media(prefers-color-scheme:dark){", "@media all{")


def draw(file: Path) -> None:
    """Three phones side by side: trading in light and in dark, and with everything failed."""
    pages = (
        page.render(judged(TRADING)),
        dark(page.render(judged(TRADING))),
        page.render(judged(FAILED), age_ms=41_000),
    )
    with tempfile.TemporaryDirectory() as folder:
        frames = ""
        for number, text in enumerate(pages):
            (Path(folder) / f"{number}.html").write_text(text)
            size = f'width="{WIDTH}" height="{HEIGHT}"'
            frames += f'<iframe src="{number}.html" {size} style="border:0"></iframe>'
        whole, shot = Path(folder) / "phones.html", Path(folder) / "shot.png"
        whole.write_text(f'<body style="margin:0;display:flex;gap:{GAP}px">{frames}')
        width = len(pages) * WIDTH + (len(pages) - 1) * GAP
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{HEIGHT}",
            f"--screenshot={shot}",
            f"file://{whole}",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(shot) as drawn:
            few = drawn.convert("RGB").quantize(
                200, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
            )
            few.save(file, optimize=True)


if __name__ == "__main__":
    draw(PICTURE)
