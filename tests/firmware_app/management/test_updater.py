"""RAUC's command line behind the port: which slot runs, what is typed, and what is made of a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_app.management.updater import RESTART, Rauc, UpdaterError

CMDLINE = "console=ttyAMA0 root=/dev/mmcblk0p3 ro rauc.slot=B quiet\n"


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a kernel's command line, and a `rauc` that writes down how it was called."""
    (tmp_path / "cmdline").write_text(CMDLINE)
    program = tmp_path / "rauc"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n'
        f"[ ! -e {tmp_path}/refuses ] || {{ echo first >&2; echo 'signature verification failed' >&2; exit 1; }}\n"
    )
    program.chmod(0o755)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def rauc(board: Path) -> Rauc:
    return Rauc(command_line=board / "cmdline", runtime=board / "run")


def called(board: Path) -> list[str]:
    return (board / "called").read_text().splitlines()


def test_the_slot_is_what_the_boot_script_said(board: Path) -> None:
    assert rauc(board).slot() == "B"
    (board / "cmdline").write_text("console=tty0 rauc.slots=C xrauc.slot=A\n")
    assert rauc(board).slot() == ""
    (board / "cmdline").unlink()
    assert rauc(board).slot() == ""


def test_without_rauc_there_is_no_slot(board: Path) -> None:
    assert Rauc("no-such-program", command_line=board / "cmdline").slot() == ""


def test_a_firmware_is_installed_confirmed_and_started(board: Path) -> None:
    updater = rauc(board)
    assert updater.install(board / "x.raucb") == ""
    updater.restart("")
    assert (board / "run" / RESTART).exists()
    updater.confirm()
    assert called(board) == [f"install {board / 'x.raucb'}", "status mark-good booted"]


def test_going_back_marks_the_other_slot_before_anything_restarts(board: Path) -> None:
    rauc(board).restart("A")
    assert called(board) == ["status mark-active other", "status mark-bad booted"]
    assert (board / "run" / RESTART).exists()


def test_what_rauc_refuses_is_told_in_its_last_words(board: Path) -> None:
    (board / "refuses").touch()
    updater = rauc(board)
    assert updater.install(board / "x.raucb") == "signature verification failed"
    for what in (updater.confirm, lambda: updater.restart("A")):
        with pytest.raises(UpdaterError, match="signature verification failed"):
            what()
    assert not (board / "run" / RESTART).exists(), "nothing restarts that could not be marked"


def test_a_board_that_cannot_be_started_anew_says_so(board: Path) -> None:
    (board / "run").rmdir()
    with pytest.raises(UpdaterError, match="cannot be started anew"):
        rauc(board).restart("")
