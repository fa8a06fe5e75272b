"""Who can say that the wall clock is right: the kernel, whichever time service disciplines it, and chrony.

The kernel's own state (`adjtimex`) is set by chrony, timesyncd and ntpd alike, and cleared by whoever sets the clock.
Reading it needs no privilege. `chronyc` knows more (which server, how many steps to a reference clock), so it is asked
where it is installed; the kernel decides where the two disagree on whether the clock is synchronised.

Source: adjtimex(2), chronyc(1) `tracking` with `-c`.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from typing import Final

from firmware_app.clock.gate import Sync

STA_UNSYNC: Final = 0x0040
STA_NANO: Final = 0x2000
TIME_ERROR: Final = 5
_CHRONY_FIELDS: Final = 14
_CHRONYC_S: Final = 2.0
_MAX_ANSWER: Final = 4_096


class Timex(ctypes.Structure):
    """`struct timex` of the C library, as far as its last named field."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("tv_sec", ctypes.c_long),
        ("tv_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


Adjtimex = Callable[[Timex], int]
"""Fills the structure in; returns the clock's state, or -1 with errno set."""


def libc_adjtimex() -> Adjtimex:
    """The C library's call."""
    call = ctypes.CDLL(None, use_errno=True).adjtimex
    return lambda timex: int(call(ctypes.byref(timex)))


def ask_kernel(adjtimex: Adjtimex) -> Sync:
    """What the kernel says of the wall clock; reading only (`modes` is 0)."""
    timex = Timex()
    state = adjtimex(timex)
    if state < 0:
        error = os.strerror(ctypes.get_errno())
        return Sync(source="kernel", synchronised=False, reason=f"the kernel does not tell: {error}")
    if timex.status & STA_UNSYNC or state == TIME_ERROR:
        return Sync(source="kernel", synchronised=False, reason="no time service holds the clock")
    scale = 1_000 if timex.status & STA_NANO else 1
    return Sync(
        source="kernel",
        synchronised=True,
        # the kernel's `offset` is what is left to be corrected: what the clock is slow by
        offset_us=-(int(timex.offset) // scale),
        error_us=int(timex.maxerror),
    )


def read_tracking(answer: str) -> Sync | None:
    """Read the answer of `chronyc -c tracking`; None if it is none.

    Fields: reference id, name, stratum, reference time, system offset (s, positive: slow of NTP time), last offset,
    RMS offset, frequency, residual, skew, root delay (s), root dispersion (s), update interval, leap status.
    """
    fields = answer.strip().split(",")
    if len(fields) != _CHRONY_FIELDS or len(answer) > _MAX_ANSWER:
        return None
    try:
        stratum = int(fields[2])
        slow_us, delay_us, dispersion_us = (round(float(fields[at]) * 1e6) for at in (4, 10, 11))
    except (ValueError, OverflowError):
        return None
    leap = fields[13].strip()
    synchronised = leap != "Not synchronised" and 0 < stratum < 16
    return Sync(
        source="chrony",
        synchronised=synchronised,
        offset_us=-slow_us if synchronised else None,
        error_us=abs(slow_us) + delay_us // 2 + dispersion_us if synchronised else None,
        stratum=stratum if synchronised else None,
        reason="" if synchronised else "chrony is not synchronised",
    )


def ask_chronyc() -> str:
    """The answer of `chronyc -c tracking`; empty where it is not installed, fails, or takes over 2 s."""
    try:
        done = subprocess.run(
            ["/usr/bin/chronyc", "-n", "-c", "tracking"],
            capture_output=True,
            timeout=_CHRONYC_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout[: _MAX_ANSWER + 1].decode(errors="replace") if done.returncode == 0 else ""


def ask(adjtimex: Adjtimex, chronyc: Callable[[], str] = ask_chronyc) -> Sync:
    """What is known of the wall clock: chrony's words where it speaks and the kernel does not contradict."""
    kernel = ask_kernel(adjtimex)
    chrony = read_tracking(chronyc())
    if chrony is None or chrony.synchronised != kernel.synchronised:
        return kernel
    return chrony
