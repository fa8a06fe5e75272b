"""The command `gridlight-testbed`: one module of this folder for each sub-command.

A command module is named after its command and holds two functions:

    add_parser(commands)   add one parser to the `Commands` given, by `firmware_app.command_line.add_command`
    run(args)              do the work, print through `args.console`, return an exit code

It is found by lying in this folder. Modules that load numpy, a solver or a plotting library do so inside `run`, so
that `--help` stays quick.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from firmware_app import command_line
from firmware_app.command_line import Commands, Parser


def build_parser() -> tuple[Parser, Commands]:
    """Return the parser with every command of this folder, in alphabetical order."""
    parser, commands = command_line.program(
        "gridlight-testbed",
        "A whole energy market on your machine: homes, meters, solvers, miners, adversaries.",
        examples=(
            "gridlight-testbed run homes102 --out out/demo",
            "gridlight-testbed run --help",
        ),
    )
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}").add_parser(commands)
    return parser, commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `gridlight-testbed`."""
    parser, commands = build_parser()
    return command_line.main(parser, commands, argv)
