"""Emulated boards: the very card that is flashed, started by QEMU, read from, cut off and measured."""
