"""The command `gridlight-fleet`: what the field operator types.

Here are the commands that work on files alone; those of a desk are in `desk/cli.py`, of rollouts in `rollout/cli.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from deploy.operator.desk import cli as desk
from deploy.operator.rollout import cli as rollouts
from firmware_app import command_line
from firmware_app.command_line import CommandParser, Commands, Parser


def build_parser() -> tuple[Parser, Commands]:
    """Return the parser with every command."""
    parser, commands = command_line.program(
        "gridlight-fleet",
        "Configuration for a fleet of meters: signed, pushed in waves, watched, taken back.",
        examples=(
            "gridlight-fleet init",
            "gridlight-fleet enroll meter-0101 --feeder 7",
            "gridlight-fleet serve",
            "gridlight-fleet push change.toml --target feeder=7 --waves 1,10%,100% --key fleet/operator.key",
            "gridlight-fleet status --watch",
        ),
    )
    _add_keygen(commands)
    _add_keyset(commands)
    _add_sign(commands)
    _add_verify(commands)
    _add_diff(commands)
    _add_broker(commands)
    desk.add_parsers(commands)
    rollouts.add_parsers(commands, desk.add_desk, add_bundle_arguments)
    return parser, commands


def _add_keygen(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "keygen",
        "Make an operator's key: NAME.key stays here, NAME.pub goes into the key set.",
        _keygen,
        examples=("gridlight-fleet keygen anna", "gridlight-fleet keygen bert --folder ~/keys --json"),
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--folder", metavar="FOLDER", default=".", help="default: here")


def _add_keyset(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "keyset",
        "Write who may sign what: a fleet's first key set, or the one after it.",
        _keyset,
        examples=(
            "gridlight-fleet keyset --out keys-1 --keys 2:a.pub,b.pub,c.pub --config 1:a.pub --grid 2:b.pub,c.pub",
            "gridlight-fleet keyset --out keys-2 --after keys-1 --keys 2:a.pub,b.pub --config 1:b.pub --grid 1:b.pub",
        ),
    )
    for flag, what in (
        ("--keys", "who may sign the next key set"),
        ("--config", "who may sign bundles"),
        ("--grid", "who must sign besides where chain, servers or clock are concerned"),
    ):
        parser.add_argument(flag, metavar="K:PUB,PUB", required=True, help=f"{what}: so many of these")
    parser.add_argument(
        "--firmware",
        metavar="K:PUB,PUB",
        help="who must sign besides what brings a firmware; default: nobody can",
    )
    parser.add_argument("--after", metavar="FILE", help="the key set in force")
    parser.add_argument("--out", metavar="FILE", required=True)


def _add_sign(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "sign",
        "Make a signed bundle of the keys in a TOML file, or add signatures to a bundle or key set.",
        _sign,
        examples=(
            "gridlight-fleet sign change.toml --version 18 --target feeder=7 --key-set keys-1 --key anna.key",
            "gridlight-fleet sign change.bundle --key-set keys-1 --key bert.key   # one more signature",
            "gridlight-fleet sign - --unset bidding.excluded --version 19 --key-set keys-1 --key anna.key --out v19",
        ),
    )
    parser.add_argument("file", metavar="FILE", help="a .toml file with the keys to set, or a signed file")
    parser.add_argument("--key-set", metavar="FILE", required=True, help="the key set in force")
    parser.add_argument("--key", metavar="FILE", action="append", required=True, help="may be given again")
    parser.add_argument("--out", metavar="FILE", help="default: beside FILE, ending in .bundle")
    add_bundle_arguments(parser)


def add_bundle_arguments(parser: CommandParser) -> None:
    """What a new bundle is made of, for `sign` and `push` alike."""
    fresh = parser.add_argument_group("for a new bundle")
    fresh.add_argument("--version", metavar="N", type=int, help="higher than any before")
    fresh.add_argument(
        "--target",
        metavar="TEXT",
        default="all",
        help="id=, board=, feeder=, label.KEY=, firmware>=, firmware<, joined by and, or, not; default: all",
    )
    fresh.add_argument("--unset", metavar="KEY", action="append", default=[], help="take a key away")
    fresh.add_argument("--whole", action="store_true", help="FILE is the whole configuration, not a change")
    fresh.add_argument("--base", metavar="N", type=int, default=0, help="version it changes; default: any")
    fresh.add_argument("--expires", metavar="SPAN", default="7d", help="default: 7d")
    fresh.add_argument("--waves", metavar="LIST", default="1,5%,25%,100%", help="default: 1,5%%,25%%,100%%")
    fresh.add_argument("--abort-permille", metavar="N", type=int, default=50, help="default: 50")
    fresh.add_argument("--window", metavar="SPAN", help="to become well in; default: 10m, with a firmware 1h")
    fresh.add_argument("--hold", metavar="SPAN", default="2m", help="to stay well for; default: 2m")
    fresh.add_argument("--firmware", metavar="FILE", help="a .raucb to be installed, and kept if all is well")
    fresh.add_argument("--genesis", metavar="FILE", help="a chain's genesis: the devices follow that chain")
    fresh.add_argument(
        "--without-clock", action="store_true", help="for devices that do not know the time, too"
    )


def _add_verify(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "verify",
        "Ask of a bundle or key set what a device will ask; 1 if it would be refused.",
        _verify,
        examples=(
            "gridlight-fleet verify change.bundle --key-set keys-1",
            "gridlight-fleet verify change.bundle --key-set keys-1 --device meter-0101.toml --json",
        ),
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--key-set", metavar="FILE", required=True, help="the key set in force")
    parser.add_argument("--device", metavar="FILE", help="a device's configuration, to try the bundle on")


def _add_diff(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "diff",
        "Show what a bundle or another document would change in a device's configuration, key by key.",
        _diff,
        examples=(
            "gridlight-fleet diff meter-0101.toml change.bundle",
            "gridlight-fleet diff old.toml new.toml --json",
        ),
    )
    parser.add_argument("before", metavar="DEVICE", help="a .toml file")
    parser.add_argument("after", metavar="FILE", help="a bundle or a .toml file")


def _add_broker(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "broker",
        "Write the folder that a mosquitto broker runs from: configuration, rights, certificates.",
        _broker,
        examples=(
            "gridlight-fleet broker --key-set keys-1 --host broker.example.net",
            "gridlight-fleet broker --key-set keys-1 --host 192.0.2.7 --devices 200 --watcher grafana --json",
        ),
    )
    parser.add_argument("--key-set", metavar="FILE", required=True, help="any key set of the fleet")
    parser.add_argument(
        "--host", metavar="HOST", action="append", required=True, help="name or address of it"
    )
    parser.add_argument("--out", metavar="FOLDER", default="broker", help="what to write; default: broker")
    parser.add_argument(
        "--installed", metavar="FOLDER", help="where it will lie; default: where it is written"
    )
    parser.add_argument("--authority", metavar="FOLDER", default="authority", help="default: authority")
    parser.add_argument("--data-folder", metavar="FOLDER", default="/var/lib/mosquitto", help="of the broker")
    parser.add_argument("--bind", metavar="ADDRESS", default="0.0.0.0", help="default: all addresses")  # noqa: S104
    parser.add_argument("--port", metavar="N", type=int, default=8883, help="default: 8883")
    parser.add_argument("--enrol-port", metavar="N", type=int, default=8884, help="0 for none; default: 8884")
    parser.add_argument("--devices", metavar="N", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--user", metavar="NAME", default="mosquitto", help="runs it; default: mosquitto")
    parser.add_argument("--operator", metavar="NAME", action="append", help="may write; default: desk")
    parser.add_argument("--watcher", metavar="NAME", action="append", default=[], help="may only listen")


def _keygen(args: argparse.Namespace) -> int:
    from deploy.operator.authoring import keygen

    return keygen(args)


def _keyset(args: argparse.Namespace) -> int:
    from deploy.operator.authoring import keyset

    return keyset(args)


def _sign(args: argparse.Namespace) -> int:
    from deploy.operator.authoring import sign

    return sign(args)


def _verify(args: argparse.Namespace) -> int:
    from deploy.operator.reviewing import verify

    return verify(args)


def _diff(args: argparse.Namespace) -> int:
    from deploy.operator.reviewing import diff

    return diff(args)


def _broker(args: argparse.Namespace) -> int:
    from deploy.operator.brokering import broker

    return broker(args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `gridlight-fleet`."""
    parser, commands = build_parser()
    return command_line.main(parser, commands, argv)
