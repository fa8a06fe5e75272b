"""`gridlight-testbed` finds its commands by their files and gives each the shared conventions."""

import json
import pkgutil
from importlib import import_module

import pytest

from firmware_app.command_line import CommandParser
from firmware_app.console import Exit
from testbed import cli


def test_every_module_of_the_folder_is_one_command_of_its_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(cli.__path__)}
    _, commands = cli.build_parser()
    assert set(commands.choices) == {name.replace("_", "-") for name in modules}
    assert "version" in modules


def test_every_command_runs_its_module_and_shows_an_example() -> None:
    _, commands = cli.build_parser()
    for module in pkgutil.iter_modules(cli.__path__):
        parser: CommandParser = commands.choices[module.name.replace("_", "-")]
        assert parser.get_default("run") is import_module(f"testbed.cli.{module.name}").run
        assert parser.examples, f"{module.name} has no example"
        assert all(example.startswith("gridlight-testbed ") for example in parser.examples)
        assert {"--json", "--color", "--quiet", "--no-progress", "--debug"} <= set(
            parser._option_string_actions
        )


def test_version_names_the_libraries_that_results_depend_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    assert document["libraries"]["ecdsa"]
    assert cli.main(["version"]) == Exit.OK
    assert "ecdsa" in capsys.readouterr().out
