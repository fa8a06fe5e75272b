"""Meters that come by themselves: places taken, filled, left; and the compose file that starts everybody."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from testbed.boards.housing import Board, HousingError
from testbed.neighbourhood import meter, neighbours, tier
from testbed.neighbourhood.neighbours import Neighbours
from testbed.neighbourhood.places import Grounds, Place

_ROOT = Path(__file__).resolve().parents[3]
_COMPOSE = _ROOT / "deploy/compose"
_PROGRAM = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({code})); time.sleep(60)"
)


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    """A shared folder whose doors are open."""
    found = Grounds(tmp_path)
    found.places.mkdir()
    found.open.touch()
    return found


def _board(place: Place) -> Board:
    return Board(name="meter-0101", home_id=101, folder=place.folder, door=place.folder)


def _come(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, *, code: int
) -> tuple[threading.Thread, list[int]]:
    """A meter that takes part with another program in the device's stead."""
    started = subprocess.Popen
    words = [sys.executable, "-c", _PROGRAM.format(code=code)]
    monkeypatch.setattr("testbed.neighbourhood.meter.subprocess.Popen", lambda _: started(words))
    monkeypatch.setattr(
        "testbed.neighbourhood.meter.signal.signal", lambda *_: None
    )  # a thread has no signals
    monkeypatch.setattr(meter, "_AFTER_S", 0.1)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(meter.main(grounds.folder)))
    thread.start()
    return thread, codes


@pytest.mark.parametrize("code", [0, 7])
def test_a_meter_comes_lives_and_leaves_with_its_program_s_code(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    thread, codes = _come(grounds, monkeypatch, code=code)
    until_s = time.monotonic() + 10
    while not grounds.taken() and time.monotonic() < until_s:
        time.sleep(0.01)
    (place,) = grounds.taken()
    assert place.folder.name == socket.gethostname()
    housing, board = Neighbours("127.0.0.1"), _board(place)
    housing.prepare(board)
    time.sleep(1.0)  # until the program has said what it does about SIGTERM
    assert housing.end(board) == code
    thread.join(0.6)
    assert thread.is_alive(), "a container that is gone before the verdict takes the tier with it"
    grounds.open.unlink()
    thread.join(10)
    assert codes == [code]


def test_a_meter_that_does_not_leave_has_no_code(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(grounds.places / "one")
    place.folder.mkdir()
    monkeypatch.setattr(neighbours, "_GOODBYE_S", 0.3)
    assert Neighbours("127.0.0.1").end(_board(place)) is None
    place.code.write_text("1", encoding="ascii")  # half a line is no code yet
    assert Neighbours("127.0.0.1").end(_board(place)) is None


def test_the_electricity_meter_is_where_the_document_says(grounds: Grounds) -> None:
    place = Place(grounds.places / "one")
    housing, board = Neighbours("127.0.0.1"), _board(place)
    try:
        inside = housing.inside(board)
        assert inside.meter == f"rtu+{housing.plug(board).name}"
        assert housing.inside(board) == inside, "however often it is asked"
        host, _, port = inside.meter.removeprefix("rtu+tcp://").partition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    finally:
        housing.close()


def test_what_only_the_engine_can_do_is_said(grounds: Grounds) -> None:
    housing, board = Neighbours("127.0.0.1"), _board(Place(grounds.places / "one"))
    for what in (housing.switch_off, housing.reset, housing.cut, housing.mend):
        with pytest.raises(HousingError, match="docker"):
            what(board)
    with pytest.raises(HousingError):
        housing.status(board)


def test_the_doors_close_when_nobody_comes_any_more(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tier, "_LOOK_S", 0.01)
    (grounds.places / "one").mkdir()
    late = threading.Timer(0.3, (grounds.places / "two").mkdir)
    late.start()
    found = tier.guests(grounds, settle_s=0.2)
    late.join()
    assert [place.folder.name for place in found] == ["one", "two"], "one alone is not enough"
    assert "2 meters are here" in capsys.readouterr().out


def test_a_second_run_in_the_same_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Grounds(tmp_path).run.mkdir()
    assert tier.main(["--grid", str(tmp_path)]) == 2
    assert "down --volumes" in capsys.readouterr().err


def test_the_compose_file_is_what_an_engine_reads() -> None:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    document = yaml.safe_load((_COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    services = document["services"]
    assert set(services) == {"tier", "broker", "meter"}
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["healthcheck"]["test"], name
        for build in filter(None, [service.get("build")]):
            assert (_COMPOSE / build["context"] / build["dockerfile"]).exists()
    assert "USER gridlight" in (_COMPOSE / "Dockerfile").read_text(encoding="utf-8")
