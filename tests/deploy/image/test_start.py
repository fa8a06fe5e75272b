"""What a card's start waits for, and what not."""

from pathlib import Path

import pytest

import deploy.image
from deploy.image.root import _UNWANTED, _names_may_come_later
from deploy.image.tools import ImageError

_OVERLAY = Path(deploy.image.__file__).parent / "overlay"
_UNITS = _OVERLAY / "etc/systemd/system"
_SERVICE = Path(deploy.image.__file__).parents[1] / "systemd/gridlight.service"
_RESOLVER = "systemd-resolved.service"


def _root(folder: Path, text: str) -> Path:
    for name in ("usr/lib/systemd/system", "etc/systemd/system/sysinit.target.wants"):
        (folder / name).mkdir(parents=True)
    (folder / "usr/lib/systemd/system" / _RESOLVER).write_text(text, encoding="utf-8")
    (folder / "etc/systemd/system/sysinit.target.wants" / _RESOLVER).symlink_to("/nowhere")
    return folder


def test_nothing_waits_for_names(tmp_path: Path) -> None:
    text = "[Unit]\nBefore=sysinit.target network.target\n[Install]\nWantedBy=sysinit.target\n"
    root = _root(tmp_path, text)
    _names_may_come_later(root)
    own = (root / "etc/systemd/system" / _RESOLVER).read_text(encoding="utf-8")
    assert own == "[Unit]\nBefore=network.target\n[Install]\nWantedBy=multi-user.target\n"
    assert not (root / "etc/systemd/system/sysinit.target.wants" / _RESOLVER).is_symlink()


def test_a_unit_of_another_form_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="another way"):
        _names_may_come_later(_root(tmp_path, "[Unit]\nBefore=network.target sysinit.target\n"))


def test_the_meter_waits_neither_for_network_nor_for_time() -> None:
    (line,) = (
        line for line in _SERVICE.read_text(encoding="utf-8").splitlines() if line.startswith("After=")
    )
    assert line == "After=local-fs.target"


def test_the_meter_goes_first_and_has_no_quota_on_a_card() -> None:
    weights = {}
    for path in sorted(_UNITS.glob("*.service.d/*.conf")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("StartupCPUWeight="):
                weights[path.parent.name.removesuffix(".service.d")] = int(line.partition("=")[2])
    assert weights.pop("gridlight") > 10 * max(weights.values())
    assert {"chrony", "systemd-logind", "systemd-networkd", "systemd-resolved"} <= set(weights)
    text = (_UNITS / "gridlight.service.d/image.conf").read_text(encoding="utf-8")
    assert "\nCPUQuota=\n" in text


def test_somebody_hears_the_power_button() -> None:
    assert "systemd-logind.service" not in _UNWANTED


def test_partitions_are_told_first_and_every_bus_of_a_board_is_told() -> None:
    text = (_UNITS / "systemd-udev-trigger.service.d/gridlight.conf").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("ExecStart=-"))
    words = set(line.split())
    assert "--prioritized-subsystem=block" in words
    needed = {"block", "net", "usb", "usb-serial", "mmc", "platform", "virtio", "pci", "gpio"}
    assert {f"--subsystem-match={name}" for name in needed} <= words
