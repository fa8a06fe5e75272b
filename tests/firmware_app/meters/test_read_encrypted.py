"""`gridlight read` of an encrypted P1 port: keys never shown, recorded telegrams never read again."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import CommandError, Exit
from firmware_app.meters.keys import KEY_VARIABLE, KeptCounter, decryptor_of
from meter_io.errors import MeterError
from meter_io.p1.cipher import Seen
from testbed.fleet.virtual_meters.ends import PtyEnd
from tests.meter_io.encoders import DSMR5, encrypted, p1_telegram

KEY, AUTHENTICATION = bytes(range(16)), bytes(range(16, 32))
PLAIN = p1_telegram("XYZ5\\2TEST", DSMR5)
TITLE = b"SYSTEMID"


@contextmanager
def port(tmp_path: Path, counters: list[int]) -> Iterator[str]:
    """A P1 port that sends frames with these counters for ever, the last one again and again."""
    end, stop = PtyEnd(tmp_path / "p1"), threading.Event()

    def push() -> None:
        left = list(counters)
        while not stop.wait(0.15):
            counter = left.pop(0) if len(left) > 1 else left[0]
            end.write(encrypted(PLAIN, key=KEY, authentication=AUTHENTICATION, counter=counter))

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield end.name
    finally:
        stop.set()
        thread.join(10)
        end.unplug()


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """The file with both keys."""
    file = tmp_path / "keys"
    file.write_text(f"{KEY.hex()} {AUTHENTICATION.hex()}\n")
    return str(file)


def read(capsys: pytest.CaptureFixture[str], where: str, *words: str) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr; the keys are in none of them."""
    code = cli.main(["read", "--profile", "p1-dsmr5", "--port", where, "--once", "--json", *words])
    shown = capsys.readouterr()
    for secret in (KEY.hex(), AUTHENTICATION.hex(), repr(KEY), "Traceback"):
        assert secret not in shown.out + shown.err
    return code, shown.out, shown.err


def test_with_its_keys_it_is_read(tmp_path: Path, keys: str, capsys: pytest.CaptureFixture[str]) -> None:
    with port(tmp_path, list(range(1, 1_000))) as where:
        code, out, _ = read(capsys, where, "--key-file", keys)
    assert code == Exit.OK
    assert json.loads(out)["import_j"] > 0


def test_without_or_with_a_wrong_key_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with port(tmp_path, list(range(1, 1_000))) as where:
        code, out, _ = read(capsys, where)
        assert (code, json.loads(out)["schema"]) == (Exit.FAILED, "gridlight.error/1")
        assert "ask the grid operator for the key" in out
        monkeypatch.setenv(KEY_VARIABLE, bytes(16).hex())
        code, out, _ = read(capsys, where)
        assert (code, json.loads(out)["schema"]) == (Exit.FAILED, "gridlight.error/1")
        assert "check both keys" in out


def test_a_recording_is_not_read_after_a_restart(
    tmp_path: Path, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--key-file", keys, "--state", str(tmp_path / "seen"))
    with port(tmp_path, [7]) as where:
        assert read(capsys, where, *words)[0] == Exit.OK
        assert (tmp_path / "seen").read_text() == f"{TITLE.hex()} 7\n"
        code, out, _ = read(capsys, where, *words)
    assert (code, json.loads(out)["schema"]) == (Exit.FAILED, "gridlight.error/1")
    assert "invocation counter 7, expected more than 7" in out
    assert (tmp_path / "seen").read_text() == f"{TITLE.hex()} 7\n"
    with port(tmp_path, [8]) as where:
        assert read(capsys, where, *words)[0] == Exit.OK


def test_a_state_file_without_keys_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = read(capsys, "/dev/none", "--state", str(tmp_path / "seen"))
    assert code == Exit.USAGE
    assert "give --key-file" in out


@pytest.mark.parametrize(
    "content",
    ["", "x 1\n", "00 1\n", f"{TITLE.hex()}\n", f"{TITLE.hex()} -1\n", f"{TITLE.hex()} 4294967296\n"],
)
def test_a_damaged_counter_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "seen"
    file.write_text(content)
    with pytest.raises(MeterError, match="the counter of the P1 port in") as refusal:
        KeptCounter(file).load()
    assert "delete the file" in refusal.value.hint


def test_an_unchanged_counter_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    kept = KeptCounter(file)
    assert kept.load() is None
    kept.save(None)
    assert not file.exists()
    kept.save(Seen(TITLE, 5))
    file.write_text("changed by hand\n")
    kept.save(Seen(TITLE, 5))
    assert file.read_text() == "changed by hand\n"
    kept.save(Seen(TITLE, 6))
    assert KeptCounter(file).load() == Seen(TITLE, 6)


def test_a_key_that_is_none_is_not_repeated() -> None:
    with pytest.raises(CommandError, match="cannot read /dev/none/keys"):
        decryptor_of("/dev/none/keys")
