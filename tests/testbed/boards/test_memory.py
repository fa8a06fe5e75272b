"""The emulated program's memory is told apart from its emulator's; a program that nothing emulates is whole."""

from __future__ import annotations

import os

from testbed.boards.memory import memory_in, memory_of

EMULATOR = "/usr/libexec/qemu-binfmt/arm-binfmt-P"
KIB = 1_024


def _area(start: int, size: int, file: str, resident_kib: int) -> str:
    return (
        f"{start:x}-{start + size:x} r--p 00000000 08:01 77 {file}\n"
        f"Size: {size // KIB} kB\nRss: {resident_kib} kB\nPss: 1 kB\nVmFlags: rd mr\n"
    )


BASE = 0x7F00_0000_0000
EMULATED = (
    _area(0x5555_0000_0000, 0x20_0000, EMULATOR, 1_500)
    + _area(0x5555_1000_0000, 0x10_0000, "[heap]", 900)
    + _area(BASE, 0x10_0000, "", 0)
    + _area(BASE + 0x10_0000, 0x50_0000, "/usr/bin/python3.13", 4_000)
    + _area(BASE + 0x60_0000, 0xFF_A0_0000, "", 30_000)
    + _area(BASE + 0x1_0100_0000, 0x80_0000, "", 50_000)
)


def test_what_lies_around_the_programs_own_binary_is_the_programs() -> None:
    memory = memory_in(EMULATED, "python3")
    assert memory is not None
    assert memory.guest == 34_000 * KIB
    assert memory.whole == (1_500 + 900 + 34_000 + 50_000) * KIB


def test_what_the_emulator_maps_right_after_the_programs_4_gib_is_not() -> None:
    touching = EMULATED.replace(f"{BASE + 0x1_0100_0000:x}-", f"{BASE + 0x1_0000_0000:x}-")
    memory = memory_in(touching, "python3")
    assert memory is not None
    assert memory.guest == 34_000 * KIB


def test_without_an_emulator_everything_is_the_programs() -> None:
    plain = _area(0x4000_0000, 0x10_0000, "/usr/bin/python3.11", 700) + _area(0x6000_0000, 0x10_0000, "", 300)
    memory = memory_in(plain, "python3")
    assert memory is not None
    assert memory.guest == memory.whole == 1_000 * KIB


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert memory_in("", "python3") is None
    assert memory_of(1 << 30, "python3") is None


def test_this_process_is_about_as_large_as_the_kernel_says() -> None:
    memory = memory_of(os.getpid(), "python")
    assert memory is not None
    assert memory.guest == memory.whole
    assert memory.whole > 10_000_000
