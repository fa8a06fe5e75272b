"""A serial line. pyserial sets the line; bytes go through the file descriptor."""

import errno
import os
import select
import termios
from pathlib import Path
from typing import Final

import serial

from meter_io.errors import LineRefused, PortError
from meter_io.ports.address import Line
from meter_io.ports.busy import holders
from meter_io.ports.names import DEV, DeviceName

_CHUNK: Final = 512
_WRITE_TIMEOUT_S: Final = 2.0
_DISCARD_READS: Final = 64
"""A line that never stops talking must not keep us from asking."""


class SerialPort:
    """One serial device, locked against others while it is open.

    Attributes:
        line: how it is set when opened.
    """

    def __init__(self, device: str, line: Line, *, dev: Path = DEV) -> None:
        self._name = DeviceName(device, dev)
        self.line = line
        self._serial: serial.Serial | None = None
        self._fd = -1

    def open(self) -> None:
        """Open it, by its stable name."""
        self.close()
        device = self._name.resolve()
        try:
            opened = serial.Serial(
                str(device),
                baudrate=self.line.baud,
                bytesize=self.line.data_bits,
                parity=self.line.parity,
                stopbits=self.line.stop_bits,
                timeout=0,
                exclusive=True,
            )
        except termios.error as error:
            raise LineRefused(f"{device} cannot be set to {self.line}") from error
        except (OSError, ValueError) as error:
            raise _refused(device, error) from error
        self._serial = opened
        self._fd = opened.fileno()

    def close(self) -> None:
        """Close it."""
        opened, self._serial, self._fd = self._serial, None, -1
        if opened is not None:
            try:
                opened.close()
            except OSError:  # unplugged: there is nothing left to close
                return

    def send(self, data: bytes) -> None:
        """Throw away what waits to be read, then send everything."""
        for _ in range(_DISCARD_READS):
            if not self.receive(0):
                break
        waiting = memoryview(data)
        try:
            while waiting:
                _, writable, _ = select.select([], [self._fd], [], _WRITE_TIMEOUT_S)
                if not writable:
                    raise PortError("the port takes no bytes", hint="unplug the adapter and plug it in again")
                waiting = waiting[os.write(self._fd, waiting) :]
        except (OSError, ValueError) as error:
            raise _gone(error) from error

    def set_speed(self, baud: int | None) -> None:
        """Go on at another speed, or with None at the line's own, once everything sent has left."""
        speed = baud or self.line.baud
        if self._serial is None:
            raise PortError("the port is not open")
        try:
            self._serial.flush()
            self._serial.baudrate = speed
        except termios.error as error:
            if error.args[:1] == (errno.EINVAL,):
                raise LineRefused(f"{self._serial.port} cannot be set to {speed} baud") from error
            raise _gone(error) from error
        except (OSError, ValueError) as error:
            raise _gone(error) from error

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come."""
        try:
            readable, _, _ = select.select([self._fd], [], [], timeout_s)
            if not readable:
                return b""
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise _gone(error) from error
        if not data:
            raise PortError("the port is gone", hint="plug the adapter in again")
        return data


def _gone(error: Exception) -> PortError:
    return PortError(f"the port is gone ({_short(error)})", hint="plug the adapter in again")


def _short(error: Exception) -> str:
    number = error.args[0] if isinstance(error, termios.error) else getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else str(error)


def _refused(device: Path, error: Exception) -> PortError:
    """Say what stands between us and a device that exists."""
    number = getattr(error, "errno", None)
    if number in {errno.EACCES, errno.EPERM}:
        return PortError(
            f"no permission to open {device}",
            hint="sudo usermod -aG dialout $USER, then log in again",
        )
    if number in {errno.EAGAIN, errno.EBUSY} or "exclusively lock" in str(error):
        by = ", ".join(holders(device)) or "another program"
        return PortError(f"{device} is in use by {by}", hint="stop it: a bus has one owner")
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return PortError(f"there is no port {device}", hint="plug the adapter in")
    if number in {errno.ENOTTY, errno.EINVAL, errno.EIO, errno.EISDIR} or "configure" in str(error):
        return PortError(f"{device} is no serial port", hint="gridlight scan lists the ports here")
    return PortError(f"cannot open {device}: {_short(error)}", hint="gridlight doctor --port PORT")
