"""The dashboard: what it answers, that nothing foreign gets in or is loaded, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from deploy.operator.cli import main
from deploy.operator.dashboard.server import Dashboard, Pages
from deploy.operator.desk.devices import State
from deploy.operator.desk.settings import PageParams
from firmware_app.fleet.telemetry import Alarm
from firmware_app.status.server import Request
from tests.deploy.operator.dashboard_kit import EVIL, SIZE, made_up
from tests.deploy.operator.desk_kit import World
from tests.deploy.operator.picture import text
from tests.firmware_app.status.test_browser import colours, pixels, shot

LOCAL = {"host": "127.0.0.1:8720"}
LIGHT, DARK = (0xF3, 0xF4, 0xF1), (0x0E, 0x12, 0x14)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A fleet in every condition."""
    return made_up(tmp_path_factory.mktemp("dashboard"))


@pytest.fixture
def pages(world: World) -> Pages:
    return Pages(world.clerk, lambda: world.now_ms)


def test_only_reading_on_this_machine(pages: Pages) -> None:
    assert pages.reply(Request("GET", "/", LOCAL)).status == 200
    assert pages.reply(Request("HEAD", "/", {"host": "localhost"})).status == 200
    assert pages.reply(Request("GET", "/", {"host": "evil.example"})).status == 421
    assert pages.reply(Request("GET", "/", {})).status == 421
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert pages.reply(Request(method, "/", LOCAL)).status == 405


@pytest.mark.parametrize(
    "path",
    ["/x", "/device", "/device/", "/device/meter-0000", "/device/../etc", "/device/a/b", "/feeder/99", "/feeder/x",
     "/feeder/1e3", "/rollout/v9", "/rollout/2'", "/rollout/", "//", "/device/%2e%2e", "/fleet.json/x"],
)  # fmt: skip
def test_other_paths_lead_nowhere(pages: Pages, path: str) -> None:
    assert pages.reply(Request("GET", path, LOCAL)).status == 404


def test_every_link_leads_to_a_page_and_nothing_is_loaded(world: World, pages: Pages) -> None:
    seen: set[str] = set()
    todo = {"/"}
    while todo:
        path = todo.pop()
        seen.add(path)
        reply = pages.reply(Request("GET", path, LOCAL))
        assert reply.status == 200, path
        page = reply.body.decode()
        assert not re.findall(r"""(?:src|href)=["'](?:https?:|//)""", page)
        assert " style=" not in page
        if reply.content_type.startswith("text/html"):
            todo |= set(re.findall(r'href="(/[^"]*)"', page)) - seen
    assert {"/", "/metrics", "/rollout/v1", "/rollout/v2", "/feeder/3", "/device/meter-0001"} <= seen
    assert len([path for path in seen if path.startswith("/device/")]) == SIZE


def test_what_a_stranger_wrote_is_text(world: World) -> None:
    page = text(world, "/device/meter-0001")
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_says_what_the_command_says(world: World, pages: Pages) -> None:
    document = json.loads(pages.reply(Request("GET", "/fleet.json", LOCAL)).body)
    assert document["schema"] == "gridlight.fleet.status/1"
    assert (document["devices"]["enrolled"], document["devices"]["online"]) == (SIZE, SIZE - 3)
    causes = [row["cause"] for row in document["attention"]]
    assert causes[:2] == ["evidence", "halted"], "the severe first"
    page = text(world, "/")
    for row in document["attention"]:
        assert row["sentence"] in page
    for feeder in document["feeders"]:
        assert f"Feeder {feeder['feeder']}" in page
        assert feeder["devices"] == SIZE // 6
    rollout = text(world, "/rollout/v2")
    assert "not well within" in rollout
    assert "health gate" in rollout


def test_the_command_names_nobody_where_there_is_nobody_to_name(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--desk", str(world.folder)]) == 0
    said = capsys.readouterr().out
    assert "did not keep v2" in said
    assert "such as meter-" in said
    assert "such as ." not in said


def test_a_large_fleet_shows_feeders_and_each_its_meters(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.operator.dashboard.fleet.MAX_CELLS", 10)
    page = text(world, "/")
    assert "/device/meter-0002" not in page
    assert 'class="strip"' in page
    assert text(world, "/feeder/1").count('href="/device/') == 2 * (SIZE // 6)


def test_the_page_is_for_this_machine_alone() -> None:
    with pytest.raises(ValueError, match="knows no passwords"):
        PageParams(host="0.0.0.0")  # noqa: S104 - that is the point


def test_it_is_served_with_its_policy(world: World) -> None:
    with (
        Dashboard(world.folder, PageParams(port=0)) as dashboard,
        urllib.request.urlopen(f"http://127.0.0.1:{dashboard.port}/", timeout=30) as answer,
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert b"gridlight fleet" in answer.read()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@pytest.fixture
def chromium() -> str:
    """The browser, or a skip that says why."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    return program


@pytest.mark.system
def test_a_browser_draws_it_light_and_dark_and_has_nothing_to_complain_about(
    world: World, chromium: str, tmp_path: Path
) -> None:
    with Dashboard(world.folder, PageParams(port=0)) as dashboard:
        address = f"http://127.0.0.1:{dashboard.port}/"
        for paper, words in ((LIGHT, ()), (DARK, ("--blink-settings=preferredColorScheme=0",))):
            file = tmp_path / f"{paper[0]}.png"
            assert shot(chromium, address, file, *words, width=1_100) == ""
            drawn = pixels(file)
            assert tuple(drawn[0, 0].tolist()) == paper
            assert len(colours(drawn)) > 20


@pytest.mark.system
def test_it_keeps_itself_fresh_without_being_loaded_anew(world: World, chromium: str, tmp_path: Path) -> None:
    """The script asks again: what happens after the first answer stands in the page at its end."""
    with Dashboard(world.folder, PageParams(port=0)) as dashboard:
        process = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--dump-dom", "--virtual-time-budget=120000", f"http://127.0.0.1:{dashboard.port}/device/meter-0002"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        end_s = time.monotonic() + 60
        while not dashboard.answered and time.monotonic() < end_s:
            time.sleep(0.05)
        assert dashboard.answered, "the browser asked"
        with world.clerk.database.transaction():
            world.clerk.devices.change("meter-0002", world.now_ms, state=State.ENROLLED, problem="fresh news")
            world.clerk.inbox.raise_alarm("meter-0002", Alarm.CLOCK, world.now_ms)
        out, _ = process.communicate(timeout=120)
    assert "fresh news" in out


@pytest.mark.system
def test_it_fits_a_phone(world: World, chromium: str, tmp_path: Path) -> None:
    pages = [text(world, path) for path in ("/", "/rollout/v2", "/device/meter-0016")]
    frames = ""
    for number, page in enumerate(pages):
        (tmp_path / f"{number}.html").write_text(page)
        frames += f'<iframe src="{number}.html" width=390 height=900 style="border:0"></iframe>'
    whole = tmp_path / "phones.html"
    whole.write_text(f'<body style="margin:0;display:flex">{frames}')
    file = tmp_path / "phones.png"
    shot(chromium, f"file://{whole}", file, width=390 * len(pages))
    drawn = pixels(file)
    for number in range(1, len(pages) + 1):
        edge = 390 * number
        assert (drawn[:, edge - 10 : edge - 2] == LIGHT).all(), "nothing sticks out at the right"
