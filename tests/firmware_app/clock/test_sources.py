"""The kernel's word and chrony's, read without privilege; rubbish is no answer."""

import errno
import subprocess
from ctypes import set_errno, sizeof

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_app.clock import sources
from firmware_app.clock.gate import Sync
from firmware_app.clock.sources import STA_NANO, STA_UNSYNC, Timex

TRACKING = (
    "C0A80001,192.168.0.1,3,1790000000.123,0.000412000,0.000001,0.00002,-3.1,0.01,0.2,0.004,0.001,64.0,Normal"
)


def kernel(*, state: int = 0, status: int = 0, offset: int = 0, maxerror: int = 0) -> sources.Adjtimex:
    def fill(timex: Timex) -> int:
        assert timex.modes == 0  # reads, never sets
        timex.status, timex.offset, timex.maxerror = status, offset, maxerror
        return state

    return fill


def test_the_kernel_says_whether_a_time_service_holds_the_clock() -> None:
    held = sources.ask_kernel(kernel(status=STA_NANO, offset=412_000, maxerror=20_000))
    assert held == Sync(source="kernel", synchronised=True, offset_us=-412, error_us=20_000)
    assert not sources.ask_kernel(kernel(status=STA_UNSYNC)).synchronised
    assert not sources.ask_kernel(kernel(state=sources.TIME_ERROR)).synchronised


def test_a_kernel_that_may_not_be_asked_says_so() -> None:
    def refuse(_: Timex) -> int:
        set_errno(errno.EPERM)
        return -1

    said = sources.ask_kernel(refuse)
    assert (said.synchronised, said.reason) == (False, "the kernel does not tell: Operation not permitted")


def test_this_machines_kernel_answers() -> None:
    said = sources.ask_kernel(sources.libc_adjtimex())
    assert said.source == "kernel"
    assert said.synchronised or said.reason
    assert sizeof(Timex) in {128, 208}  # 32-bit and 64-bit `struct timex`


def test_chronys_answer_is_read() -> None:
    said = sources.read_tracking(TRACKING)
    assert said == Sync(
        source="chrony", synchronised=True, offset_us=-412, error_us=412 + 2_000 + 1_000, stratum=3
    )
    lost = sources.read_tracking(TRACKING.replace("Normal", "Not synchronised"))
    assert lost is not None
    assert not lost.synchronised


@given(st.text(max_size=300))
@example(TRACKING.replace("0.004", "inf"))
@example(TRACKING.replace(",3,", ",three,"))
def test_rubbish_is_no_answer(answer: str) -> None:
    assert sources.read_tracking(answer) is None


def test_the_kernel_decides_whether_and_chrony_how() -> None:
    both = sources.ask(kernel(), lambda: TRACKING)
    assert both.source == "chrony"
    assert sources.ask(kernel(status=STA_UNSYNC), lambda: TRACKING).source == "kernel"
    assert sources.ask(kernel(), lambda: "").source == "kernel"


def test_a_chronyc_that_is_absent_fails_or_hangs_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", run)
    assert sources.ask_chronyc() == ""
    failed = subprocess.CompletedProcess([], 1, stdout=b"506 Cannot talk to daemon")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    assert sources.ask_chronyc() == ""
    spoke = subprocess.CompletedProcess([], 0, stdout=TRACKING.encode())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: spoke)
    assert sources.ask_chronyc() == TRACKING
