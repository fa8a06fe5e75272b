"""The commands that need a desk: `init`, `enroll`, `revoke`, `keys`, `serve`, `collect`, `audit`."""

from __future__ import annotations

import argparse

from firmware_app import command_line
from firmware_app.command_line import CommandParser, Commands

DESK = "fleet"


def add_parsers(commands: Commands) -> None:
    """Add them."""
    _add_init(commands)
    _add_enroll(commands)
    _add_revoke(commands)
    _add_keys(commands)
    _add_serve(commands)
    _add_collect(commands)
    _add_audit(commands)


def add_desk(parser: CommandParser) -> None:
    """Where the desk is."""
    parser.add_argument("--desk", metavar="FOLDER", default=DESK, help=f"the desk's folder; default: {DESK}")


def _add_init(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "init",
        "Make a desk for a fleet: its state, its certificate authority, what its broker runs from.",
        _init,
        examples=(
            "gridlight-fleet init --local",
            "gridlight-fleet init --key-set keys-1 --host broker.example.net --devices 5000",
        ),
    )
    add_desk(parser)
    parser.add_argument(
        "--key-set", metavar="FILE", help="the first key set; default: one new key for everything"
    )
    parser.add_argument(
        "--host", metavar="HOST", default="localhost", help="of the broker; default: localhost"
    )
    parser.add_argument("--port", metavar="N", type=int, default=8883, help="default: 8883")
    parser.add_argument("--enrol-port", metavar="N", type=int, default=8884, help="default: 8884")
    parser.add_argument("--devices", metavar="N", type=int, default=10_000, help="at most; default: 10000")
    parser.add_argument(
        "--local",
        action="store_true",
        help="the broker is for this machine alone, and keeps its data in the folder",
    )


def _add_enroll(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "enroll",
        "Let a device join, or a list of them: each gets a ticket with a one-time token, or its certificate.",
        _enroll,
        examples=(
            "gridlight-fleet enroll meter-0101 --feeder 7 --label site=north --document meter-0101.toml",
            "gridlight-fleet enroll meter-0001 meter-0002 meter-0003 --feeder 7",
            "gridlight-fleet enroll meter-0101 --request device.csr   # its key was made before",
            "gridlight-fleet enroll --csv meters.csv --out tickets",
        ),
    )
    add_desk(parser)
    parser.add_argument("name", metavar="NAME", nargs="*", help="of a device, as in its [device] name")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="columns name, feeder, board, firmware, labels (K=V;K=V), document, request",
    )
    parser.add_argument("--feeder", metavar="N", type=int, default=0)
    parser.add_argument("--board", metavar="NAME", default="")
    parser.add_argument("--firmware", metavar="RELEASE", default="0")
    parser.add_argument(
        "--label", metavar="KEY=VALUE", action="append", default=[], help="may be given again"
    )
    parser.add_argument("--document", metavar="FILE", help="its configuration: what a push is tried on")
    parser.add_argument("--request", metavar="FILE", help="its certificate request: no token is needed")
    parser.add_argument(
        "--token-for", metavar="SPAN", default="7d", help="how long a token waits; default: 7d"
    )
    parser.add_argument(
        "--again", action="store_true", help="known devices get new tickets: after a repair, a lost token"
    )
    parser.add_argument("--out", metavar="FOLDER", help="for tickets; default: here, or tickets for a list")


def _add_revoke(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "revoke",
        "Shut devices out for good: their certificates do not open the broker any more.",
        _revoke,
        examples=("gridlight-fleet revoke meter-0101 --reason stolen",),
    )
    add_desk(parser)
    parser.add_argument("name", metavar="NAME", nargs="+")
    parser.add_argument("--reason", metavar="TEXT", default="", help="for the audit")


def _add_keys(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "keys",
        "Show the key set in force, put the next one in force, or take a stolen key out.",
        _keys,
        examples=(
            "gridlight-fleet keys show",
            "gridlight-fleet keys install keys-2",
            "gridlight-fleet keys revoke anna.pub --key bert.key --key cleo.key",
        ),
    )
    add_desk(parser)
    parser.add_argument("action", choices=("show", "install", "revoke"))
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a signed key set, or the public key to take out"
    )
    parser.add_argument(
        "--key", metavar="FILE", action="append", default=[], help="for revoke; may be given again"
    )


def _add_serve(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "serve",
        "Hear the fleet, drive its rollouts, answer its letters, show a dashboard; until Ctrl-C.",
        _serve,
        examples=("gridlight-fleet serve", "gridlight-fleet serve --broker   # with a mosquitto of its own"),
    )
    add_desk(parser)
    parser.add_argument("--broker", action="store_true", help="run mosquitto from the desk's folder too")
    parser.add_argument(
        "--page-port", metavar="N", type=int, help="of the dashboard; default: that of desk.toml"
    )
    parser.add_argument("--no-page", action="store_true", help="no dashboard and no figures")


def _add_collect(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "collect",
        "Write the letters that the service took in, such as delivery reports, as files; each once.",
        _collect,
        examples=("gridlight-fleet collect --kind delivery-report --out reports",),
    )
    add_desk(parser)
    parser.add_argument("name", metavar="NAME", nargs="*", help="of these devices; default: all")
    parser.add_argument("--kind", metavar="KIND", default="delivery-report", help="default: delivery-report")
    parser.add_argument("--out", metavar="FOLDER", default="letters", help="default: letters")


def _add_audit(commands: Commands) -> None:
    parser = command_line.add_command(
        commands,
        "audit",
        "Show who did what, verify that nothing was changed, or export it.",
        _audit,
        examples=(
            "gridlight-fleet audit show --last 50",
            "gridlight-fleet audit export --out audit-2026-11.jsonl",
            "gridlight-fleet audit verify --noted audit-2026-11.jsonl",
        ),
    )
    add_desk(parser)
    parser.add_argument("action", choices=("show", "verify", "export"))
    parser.add_argument("--last", metavar="N", type=int, default=30, help="entries to show; default: 30")
    parser.add_argument(
        "--out", metavar="FILE", default="audit.jsonl", help="of the export; default: audit.jsonl"
    )
    parser.add_argument("--file", metavar="FILE", help="verify this export instead of the desk")
    parser.add_argument(
        "--noted", metavar="FILE", help="an earlier export: what it holds must still be there"
    )


def _init(args: argparse.Namespace) -> int:
    from deploy.operator.founding import init

    return init(args)


def _enroll(args: argparse.Namespace) -> int:
    from deploy.operator.enrolling import enroll

    return enroll(args)


def _revoke(args: argparse.Namespace) -> int:
    from deploy.operator.enrolling import revoke

    return revoke(args)


def _keys(args: argparse.Namespace) -> int:
    from deploy.operator.key_rotation import manage_keys

    return manage_keys(args)


def _serve(args: argparse.Namespace) -> int:
    from deploy.operator.serving.command import serve

    return serve(args)


def _collect(args: argparse.Namespace) -> int:
    from deploy.operator.collecting import collect

    return collect(args)


def _audit(args: argparse.Namespace) -> int:
    from deploy.operator.auditing import audit

    return audit(args)
