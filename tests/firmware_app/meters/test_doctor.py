"""`gridlight doctor` for wiring: a good bus, cut and inverted wires, noise, second masters, held ports."""

import json
import os
import re
import threading
from collections.abc import Callable

import pytest

from firmware_app.console import Exit
from firmware_app.meters import doctor
from testbed.fleet.foreign_slaves import LIBMODBUS, PtyLink, slave
from tests.firmware_app.meters.test_commands import SDM120, answer
from tests.meter_io.encoders import DSMR5, encrypted, p1_telegram
from tests.meter_io.modbus.test_exchange import rtu


@pytest.mark.usefixtures("libmodbus")
def test_doctor_finds_nothing_wrong_with_a_good_bus(capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    with slave(LIBMODBUS, "serial", link.theirs, {3: SDM120}):
        words = ("doctor", "--port", link.ours, "--profile", "eastron-sdm120", "--address", "3", "--json")
        code, out, _ = answer(capsys, *words)
    link.close()
    document = json.loads(out)
    assert code == Exit.OK
    states = {check["name"]: check["state"] for check in document["checks"]}
    assert states == dict.fromkeys(("name", "port", "silence", "meter", "model"), "ok")


@pytest.mark.usefixtures("libmodbus")
@pytest.mark.parametrize(
    ("change", "found", "step"),
    [
        (lambda data: b"", "did not answer", "check power and A/B"),
        (
            lambda data: bytes(byte ^ 0xFF for byte in data),
            "no other speed or parity is understood",
            "swap A and B",
        ),
    ],
    ids=["cut wire", "inverted line"],
)
def test_doctor_names_the_next_step(
    change: Callable[[bytes], bytes], found: str, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    link = PtyLink()
    link.change = change
    with slave(LIBMODBUS, "serial", link.theirs, {3: SDM120}):
        code, out, _ = answer(
            capsys, "doctor", "--port", link.ours, "--profile", "eastron-sdm120", "--address", "3"
        )
    link.close()
    assert code == Exit.FAILED
    assert found in out
    assert step in out


@pytest.mark.usefixtures("libmodbus")
def test_doctor_counts_damaged_answers(capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    passed = iter(range(1_000))

    def spoil_each_third(data: bytes) -> bytes:
        return data[:-1] + bytes((data[-1] ^ 1,)) if next(passed) % 3 == 2 else data

    with slave(LIBMODBUS, "serial", link.theirs, {3: SDM120}):
        link.change = spoil_each_third
        code, out, _ = answer(
            capsys, "doctor", "--port", link.ours, "--profile", "eastron-sdm120", "--address", "3"
        )
    link.close()
    assert code == Exit.FAILED
    assert re.search(r"FAIL  meter +20 questions: [4-9] answers damaged", out)
    assert "120-ohm terminators" in out


@pytest.mark.parametrize(
    ("noise", "found"),
    [
        (rtu(7, b"\x04\x02\x00\x05"), "slave 7 answers somebody else"),
        (b"\0" * 20, "it is not at rest"),
        (b"\x1b\x1bhello", "without a question"),
    ],
)
def test_doctor_listens_before_it_asks(noise: bytes, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    link = PtyLink()
    fd = os.open(link.theirs, os.O_WRONLY | os.O_NOCTTY)
    talker = threading.Timer(0.3, os.write, (fd, noise))
    talker.start()
    _, out, _ = answer(capsys, "doctor", "--port", link.ours)
    talker.join()
    os.close(fd)
    link.close()
    assert found in out


P1 = p1_telegram("XMX5LGBBFG", DSMR5)


@pytest.mark.parametrize(
    ("sent", "state", "found"),
    [
        (P1[40:] + P1, "ok", "XMX5LGBBFG sent"),
        (P1.replace(b"(0", b"(9", 1) * 2, "FAIL", "only damaged telegrams came"),
        (b"\x00\xff\xfe" * 30, "FAIL", "90 bytes came in 1 s at 115200 8N1, and no p1 telegram among them"),
        (encrypted(P1, key=bytes(16), authentication=bytes(16)), "warn", "no key was given"),
        (b"", "FAIL", "nothing came in 1 s"),
    ],
)
def test_doctor_listens_for_a_whole_telegram(
    sent: bytes, state: str, found: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes alone prove nothing, and a telegram that began before we listened is no damage."""
    monkeypatch.setattr(doctor, "_LISTEN_MS", 1_000)
    link = PtyLink()
    fd = os.open(link.theirs, os.O_WRONLY | os.O_NOCTTY)
    talker = threading.Timer(0.3, os.write, (fd, sent))
    talker.start()
    code, out, _ = answer(capsys, "doctor", "--port", link.ours, "--profile", "p1-dsmr5", "--json")
    talker.join()
    os.close(fd)
    link.close()
    check = next(check for check in json.loads(out)["checks"] if check["name"] == "telegrams")
    assert check["state"] == state.lower()
    assert found in check["found"]
    assert (check["next"] is None) == (state == "ok")
    assert code == (Exit.FAILED if state == "FAIL" else Exit.OK)


def test_doctor_says_who_holds_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    import serial

    link = PtyLink()
    with serial.Serial(link.ours, exclusive=True):
        code, out, _ = answer(capsys, "doctor", "--port", link.ours)
    link.close()
    assert code == Exit.FAILED
    assert "is in use by" in out
    assert "one owner" in out
