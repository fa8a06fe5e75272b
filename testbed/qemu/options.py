"""Options of the commands that start cards in QEMU."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

MACHINES: Final = ("virt", "cubieboard", "raspi2b")
"""As in `testbed/qemu/machine.py`, which a command does not load for its help."""


def add_card_options(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add which machine, and which card."""
    parser.add_argument(
        "--machine", choices=MACHINES, default="virt", help="of QEMU, for whole computers; default: virt"
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="image that whole computers start from; default: the newest in --cards, built if there is none",
    )
    parser.add_argument(
        "--cards", type=Path, metavar="DIR", default=Path("out/image"), help="default: out/image"
    )
