"""The command `gridlight-image`: cards and updates for boards, built on a desk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from deploy.image.boards import BOARDS
from firmware_app import command_line
from firmware_app.command_line import Commands, Parser
from firmware_app.console import CommandError, Console, Exit
from firmware_app.version import VERSION


def build_parser() -> tuple[Parser, Commands]:
    """Return the parser with every command."""
    parser, commands = command_line.program(
        "gridlight-image",
        "Cards for boards, and signed updates for cards.",
        examples=(
            "gridlight-image keys ~/update-keys",
            "gridlight-image build --board beaglebone --keys ~/update-keys --out out/image",
        ),
    )
    _add_keys(commands)
    _add_build(commands)
    _add_compare(commands)
    return parser, commands


def _add_keys(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "keys",
        "Make the keys that sign updates, once: boards believe the keyring that lies on their card.",
        _keys,
        examples=("gridlight-image keys ~/update-keys",),
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)


def _add_build(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "build",
        "Build card, update, block map and bill of materials of one board or of all; wants root.",
        _build,
        examples=(
            "gridlight-image build --board virt --keys ~/update-keys",
            "gridlight-image build --board raspberrypi --keys ~/update-keys --release 1.4.0 --wheel dist/gridlight.whl",
        ),
    )
    parser.add_argument("--board", choices=(*BOARDS, "all"), required=True)
    parser.add_argument("--keys", metavar="FOLDER", type=Path, required=True, help="as `keys` made it")
    parser.add_argument("--release", metavar="NAME", default=VERSION, help=f"default: {VERSION}")
    parser.add_argument("--wheel", metavar="FILE", type=Path, help="default: built from this checkout")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, default=Path("out/image"), help="default: out/image"
    )
    parser.add_argument("--cache", metavar="FOLDER", type=Path, help="of steps; default: OUT/cache")


def _add_compare(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "compare",
        "Say whether two builds are the same, byte for byte, and what differs where they are not.",
        _compare,
        examples=(
            "gridlight-image build --board all --keys ~/update-keys --out one",
            "gridlight-image build --board all --keys ~/update-keys --out two   # another folder, another day",
            "gridlight-image compare one two",
        ),
    )
    parser.add_argument("one", metavar="FOLDER", type=Path, help="of the first build")
    parser.add_argument("two", metavar="FOLDER", type=Path, help="of the second")


def _keys(args: argparse.Namespace) -> int:
    from deploy.image.bundle import make_keys
    from deploy.image.tools import ImageError

    console: Console = args.console
    try:
        made = make_keys(args.folder)
    except ImageError as error:
        raise CommandError(str(error)) from None
    names = [path.name for path in made]
    console.result(
        "gridlight.update-keys/1",
        {"folder": str(args.folder), "files": names},
        [f"made  {args.folder / name}" for name in names],
    )
    console.note("next: authority.key belongs into a safe; lost, boards take no new signer")
    return Exit.OK


def _build(args: argparse.Namespace) -> int:
    from deploy.image.build import Release, build, make_wheel, source_epoch, why_not
    from deploy.image.tools import ImageError

    console: Console = args.console
    if reason := why_not():
        raise CommandError(reason)
    cache = args.cache or args.out / "cache"
    boards = list(BOARDS.values()) if args.board == "all" else [BOARDS[args.board]]
    try:
        epoch = source_epoch()
        wheel = args.wheel or make_wheel(cache / "wheel", epoch)
        release = Release(name=args.release, epoch=epoch, wheel=wheel, keys=args.keys)
        built = [build(board, release, args.out, cache, console.note) for board in boards]
    except (ImageError, OSError) as error:
        raise CommandError(str(error)) from None
    document = {
        "release": args.release,
        "cards": [
            {
                "board": one.board.name,
                "card": str(one.card),
                "bytes": one.card.stat().st_blocks * 512,
                "bundle": str(one.bundle),
                "bundle_bytes": one.bundle.stat().st_size,
                "sha256": one.digests,
            }
            for one in built
        ],
    }
    lines = [
        line
        for one in built
        for line in (
            f"card    {one.card}   {one.card.stat().st_blocks * 512 / 1e6:,.0f} MB written",
            f"update  {one.bundle}   {one.bundle.stat().st_size / 1e6:,.0f} MB",
        )
    ]
    console.result("gridlight.image/1", document, lines)
    return Exit.OK


def _compare(args: argparse.Namespace) -> int:
    from deploy.image.compare import Sameness, compare
    from deploy.image.tools import ImageError

    console: Console = args.console
    try:
        found = compare(args.one, args.two)
    except (ImageError, OSError) as error:
        raise CommandError(str(error)) from None
    lines = [
        line
        for one in found
        for line in (
            f"{one.sameness:<12} {one.name}  {one.sha256[:16]}",
            *(f"{'':<13}{why}" for why in one.why),
        )
    ]
    bad = sum(one.sameness is Sameness.DIFFERENT for one in found)
    lines.append(f"{len(found)} files: {bad} differ" if bad else f"{len(found)} files: the same build")
    console.result("gridlight.image-compare/1", {"files": [asdict(one) for one in found]}, lines)
    return Exit.FAILED if bad else Exit.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `gridlight-image`."""
    parser, commands = build_parser()
    return command_line.main(parser, commands, argv)
