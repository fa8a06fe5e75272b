"""Stable names of serial ports. `ttyUSB0` is whichever adapter was found first; `/dev/serial/by-id/...` stays.

A port is opened by the name it was given, resolved anew each time. What was once opened under a bare name such as
`/dev/ttyUSB0` is remembered by its stable name: after a renumbering the same adapter is opened again under its new
number, and never another one that took its place.
"""

from pathlib import Path
from typing import Final

from meter_io.errors import PortError

DEV: Final = Path("/dev")
_LINKS: Final = ("serial/by-id", "serial/by-path")
"""In order of preference: an adapter with a serial number, else the socket it is plugged into."""
_PATTERNS: Final = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyO*", "ttyS*", "serial[0-9]*")


def stable_name(device: Path, dev: Path = DEV) -> Path | None:
    """Return the link that leads to this device and stays after renumbering, or None."""
    real = device.resolve()
    for folder in _LINKS:
        links = dev / folder
        if links.is_dir():
            for link in sorted(links.iterdir()):
                if link.resolve() == real:
                    return link
    return None


def serial_ports(dev: Path = DEV) -> list[Path]:
    """Every serial port that could carry a meter, each once, under its stable name where it has one."""
    found: dict[Path, Path] = {}
    for folder in _LINKS:
        links = dev / folder
        if links.is_dir():
            for link in sorted(links.iterdir()):
                found.setdefault(link.resolve(), link)
    for pattern in _PATTERNS:
        for device in sorted(dev.glob(pattern)):
            if _is_there(device):
                found.setdefault(device.resolve(), device)
    return list(found.values())


def _is_there(device: Path) -> bool:
    """Whether hardware stands behind a device node: ttyS0 to ttyS31 exist on any PC."""
    if not device.name.startswith("ttyS"):
        return True
    kind = Path("/sys/class/tty") / device.name / "type"
    try:
        return kind.read_text(encoding="ascii").strip() != "0"
    except OSError:
        return False


class DeviceName:
    """The one device that a name means, from its first opening on."""

    def __init__(self, text: str, dev: Path = DEV) -> None:
        self._given = Path(text)
        self._dev = dev
        self._stable: Path | None = None

    def resolve(self) -> Path:
        """Return the device to open now.

        Raises:
            PortError: it is not there, or a different adapter has taken its place.
        """
        if self._stable is not None:
            return self._there(self._stable)
        device = self._there(self._given)
        if not self._given.is_symlink():
            self._stable = stable_name(device, self._dev)
        return device

    def _there(self, name: Path) -> Path:
        if name.exists():
            return name.resolve()
        if name != self._given and self._given.exists():
            raise PortError(
                f"{self._given} is now a different adapter: {name.name} is unplugged",
                hint=f"plug it in again, or use --port {name}",
            )
        raise PortError(
            f"there is no port {name}", hint="plug the adapter in; gridlight scan lists the ports here"
        )
