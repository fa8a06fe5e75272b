"""The pictures of the dashboard in the guide: `python -m tests.deploy.operator.picture`, where chromium is."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from deploy.operator.dashboard.server import Pages
from firmware_app.status.server import Request
from tests.deploy.operator.dashboard_kit import made_up
from tests.deploy.operator.desk_kit import World
from tests.firmware_app.status.picture import dark

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "pictures"
WIDTH, HEIGHT = 1_180, 1_660


def text(world: World, path: str) -> str:
    """A page of the dashboard."""
    pages = Pages(world.clerk, lambda: world.now_ms)
    return pages.reply(Request("GET", path, {"host": "localhost"})).body.decode()


def draw(page: str, file: Path, *, width: int = WIDTH, height: int = HEIGHT) -> None:
    """One page as chromium draws it."""
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        source.write_text(page)
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{height}",
            f"--screenshot={shot}",
            f"file://{source}",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=240)
        with Image.open(shot) as drawn:
            few = drawn.convert("RGB").quantize(
                200, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
            )
            few.save(file, optimize=True)


def main(folder: Path = FOLDER) -> None:
    """Draw them."""
    with tempfile.TemporaryDirectory() as place:
        world = made_up(Path(place))
        draw(text(world, "/"), folder / "fleet-light.png")
        draw(dark(text(world, "/")), folder / "fleet-dark.png")
        draw(text(world, "/rollout/v2"), folder / "fleet-rollout.png", height=560)


if __name__ == "__main__":
    main()
