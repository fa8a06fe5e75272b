"""What a card does by itself: when a slot is called healthy, and what becomes of the bundle on a stick."""

import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import deploy.image
from deploy.image import layout
from deploy.image.slot import release_file
from testbed.updates.sticks import LABEL

_OVERLAY = Path(deploy.image.__file__).parent / "overlay"
_SCRIPTS = _OVERLAY / "usr/lib/gridlight"
_SHELL = sorted(path for path in _SCRIPTS.iterdir() if path.read_bytes().startswith(b"#!/bin/sh"))
_FINE: dict[str, Any] = {
    "parts": [{"name": "meters", "state": "working"}, {"name": "store", "state": "working"}],
    "meters": [{"quality": "good"}],
    "store": {"read_only": False},
}


@pytest.mark.parametrize("script", _SHELL, ids=lambda path: path.name)
def test_the_shell_reads_every_script(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111, "and it may be run"


def test_a_stick_has_a_label_that_fat_knows_and_udev_looks_for() -> None:
    assert len(LABEL) <= 11
    rules = (_OVERLAY / "etc/udev/rules.d/70-gridlight.rules").read_text(encoding="utf-8")
    assert f'ENV{{ID_FS_LABEL}}=="{LABEL}"' in rules


def test_rauc_sees_what_the_update_has_mounted() -> None:
    """RAUC's service does the work: what is mounted for one unit alone it would not find."""
    unit = (_OVERLAY / "usr/lib/systemd/system/gridlight-update@.service").read_text(encoding="utf-8")
    assert not re.search(r"^(PrivateMounts|PrivateTmp|ProtectSystem|MountFlags)=", unit, re.MULTILINE)
    assert "After=gridlight-healthy.service" in unit, "and a release on trial writes over no other"


def test_a_reset_makes_the_data_partition_as_the_card_has_it() -> None:
    """Larger blocks, which mke2fs would choose for a whole card, wear it out."""
    script = (_SCRIPTS / "factory-reset").read_text(encoding="utf-8")
    (made,) = re.findall(r"^mkfs\.ext4 .*$", script, re.MULTILINE)
    assert f"-b {layout.DATA_BLOCK_BYTES} -i {layout.DATA_INODE_BYTES} " in made


# -- healthy -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[ModuleType]:
    """The script as a module, with its files in a folder."""
    loader = importlib.machinery.SourceFileLoader("healthy", str(_SCRIPTS / "healthy"))
    spec = importlib.util.spec_from_loader("healthy", loader)
    assert spec is not None
    module: Any = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    for name in ("DOCUMENT", "RELEASE", "COMMAND_LINE"):
        setattr(module, name, tmp_path / name)
    module.PROVEN, module.LOOK_S = tmp_path, 0
    module.DOCUMENT.touch()
    module.RELEASE.write_text(release_file("virt", "2.0", healthy_within_s=0), encoding="ascii")
    module.COMMAND_LINE.write_text("root=PARTUUID=67726964-03 ro rauc.slot=B panic=10\n", encoding="ascii")
    yield module
    shutil.rmtree(_SCRIPTS / "__pycache__", ignore_errors=True)


def _run(healthy: Any, status: dict[str, Any], *, marks: int = 0) -> tuple[int, list[str]]:
    """Run it with a service that says this of itself, and a RAUC that ends with `marks`; the commands it gave."""
    given: list[str] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        given.append(" ".join(words))
        asked = words[0].endswith("gridlight")
        return subprocess.CompletedProcess(
            words, 0 if asked else marks, json.dumps(status) if asked else "", ""
        )

    healthy.subprocess = type("Subprocess", (), {"run": staticmethod(run)})
    return healthy.main(), [word for word in given if "rauc" in word]


def test_a_new_release_is_marked_once_the_meter_is_read(healthy: Any, tmp_path: Path) -> None:
    assert _run(healthy, _FINE) == (0, ["/usr/bin/rauc status mark-good"])
    assert (tmp_path / "proven-B").read_text(encoding="ascii") == "2.0"


@pytest.mark.parametrize(
    "change",
    [
        {"parts": []},
        {"parts": [{"name": "meters", "state": "starting"}]},
        {"meters": []},
        {"meters": [{"quality": "none"}]},
        {"store": {"read_only": True}},
    ],
    ids=["no service", "a part is missing", "no meter", "no reading", "no store"],
)
def test_a_new_release_that_lacks_something_is_not(
    healthy: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    assert _run(healthy, {**_FINE, **change}) == (1, [])
    assert not (tmp_path / "proven-B").exists()


def test_a_release_that_has_read_the_meter_is_not_taken_back_for_a_silent_one(healthy: Any) -> None:
    silent = {**_FINE, "meters": [{"quality": "none"}]}
    assert _run(healthy, _FINE)[0] == 0
    assert _run(healthy, silent) == (0, ["/usr/bin/rauc status mark-good"])
    assert _run(healthy, {}) == (1, []), "but the service must run"


def test_another_release_in_the_slot_has_to_show_it_anew(healthy: Any, tmp_path: Path) -> None:
    (tmp_path / "proven-B").write_text("1.9", encoding="ascii")
    assert _run(healthy, {**_FINE, "meters": []}) == (1, [])


def test_a_board_without_a_configuration_is_good_when_it_came_so_far(healthy: Any, tmp_path: Path) -> None:
    healthy.DOCUMENT.unlink()
    assert _run(healthy, {}) == (0, ["/usr/bin/rauc status mark-good"])
    assert not (tmp_path / "proven-B").exists(), "which says nothing of the meter"


def test_a_slot_that_cannot_be_marked_is_no_success(healthy: Any, tmp_path: Path) -> None:
    assert _run(healthy, _FINE, marks=1)[0] == 1
    assert not (tmp_path / "proven-B").exists()


# -- update ------------------------------------------------------------------------------------------------------------


class _Board:
    """The script `update` with a stick, a RAUC and a systemd that only write down what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("stick/gridlight", "data", "bin"):
            (folder / name).mkdir(parents=True)
        (folder / "release").write_text(release_file("virt", "1.0"), encoding="ascii")
        (folder / "cmdline").write_text("ro rauc.slot=A panic=10\n", encoding="ascii")
        text = (_SCRIPTS / "update").read_text(encoding="utf-8")
        for path, name in (
            ("/run/gridlight-stick", "stick"),
            ("/data/rauc", "data"),
            ("/etc/gridlight-release", "release"),
            ("/proc/cmdline", "cmdline"),
        ):
            assert path in text
            text = text.replace(path, str(folder / name))
        (folder / "update").write_text(text, encoding="utf-8")
        for name in ("mount", "umount", "sync"):
            self._program(name, "")
        self._program("systemctl", f'echo "systemctl $*" >>{folder}/done')
        self.rauc()
        self.bundle(b"bundle")

    def _program(self, name: str, line: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="ascii")
        path.chmod(0o755)

    def rauc(self, *, offered: str = "2.0", info: int = 0, install: int = 0) -> None:
        """What RAUC says from now on."""
        lines = [
            f"if [ $1 = info ]; then echo \"RAUC_MF_VERSION='{offered}'\"; exit {info}; fi",
            f'echo "rauc $1" >>{self.folder}/done',
            f"exit {install}",
        ]
        self._program("rauc", "\n".join(lines))

    def bundle(self, content: bytes) -> None:
        """What lies on the stick."""
        (self.folder / "stick/gridlight/update.raucb").write_bytes(content)

    def plug(self) -> tuple[int, str, list[str]]:
        """Put the stick in: the exit code, what was said, what was done."""
        (self.folder / "done").write_text("", encoding="ascii")
        world = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        words = ["sh", str(self.folder / "update"), "/dev/sda"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=world)
        return done.returncode, done.stdout + done.stderr, (self.folder / "done").read_text().splitlines()


@pytest.fixture
def board(tmp_path: Path) -> _Board:
    """A board that runs release 1.0 in slot A, and a stick with release 2.0."""
    return _Board(tmp_path)


def test_a_newer_release_is_installed_and_started(board: _Board) -> None:
    (board.folder / "data/proven-B").write_text("2.0", encoding="ascii")
    code, said, done = board.plug()
    assert (code, done) == (0, ["rauc install", "systemctl reboot"]), said
    assert not (board.folder / "data/proven-B").exists(), "what slot B has shown before counts no more"


def test_a_release_that_did_not_hold_is_not_installed_again(board: _Board) -> None:
    board.plug()
    code, said, done = board.plug()  # it runs release 1.0 still: the boot loader went back
    assert (code, done) == (0, [])
    assert "was tried and did not hold" in said
    board.bundle(b"the same release, built anew")
    assert board.plug()[2] == ["rauc install", "systemctl reboot"]


def test_an_installation_that_was_cut_off_is_done_again(board: _Board) -> None:
    board.rauc(install=1)
    code, said, done = board.plug()
    assert (code, done) == (1, ["rauc install"])
    assert "update: refused" in said
    board.rauc()
    assert board.plug()[2] == ["rauc install", "systemctl reboot"]


def test_what_rauc_does_not_believe_is_not_installed(board: _Board) -> None:
    board.rauc(info=1)
    code, said, done = board.plug()
    assert (code, done) == (1, [])
    assert "update: refused" in said


def test_the_release_that_runs_is_not_installed_again(board: _Board) -> None:
    board.rauc(offered="1.0")
    code, said, done = board.plug()
    assert (code, done) == (0, [])
    assert "runs already" in said


def test_a_stick_without_a_bundle_is_left_alone(board: _Board) -> None:
    (board.folder / "stick/gridlight/update.raucb").unlink()
    assert board.plug() == (0, "", [])
