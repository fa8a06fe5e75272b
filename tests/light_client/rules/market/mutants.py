"""Broken verifiers: the market's rules with one piece of one module replaced, loaded beside the real ones.

The replaced text is looked for in the module's syntax tree written out again, so that neither comments nor
line breaks matter; text that is not found is an error, so a table of mutants cannot go stale unnoticed.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "light_client.rules.market"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """The modules of the market's rules that tests speak to, real or broken."""

    auctions: Any
    certificate: Any
    clearing: Any
    kinds: Any
    levelling: Any
    plan: Any
    problem: Any
    settlement: Any
    shares: Any

    def accepts(self, problem: Any, wire: Any) -> Any:
        """The proven plan of a solution on the wire; raises whatever the verifier raises."""
        return self.clearing.check_solution(problem, self.clearing.solution_from_wire(wire))


def _verifier() -> Verifier:
    paths = {"auctions": "mechanisms.table", "kinds": "mechanisms.kinds"}
    return Verifier(
        **{name: importlib.import_module(f"{PACKAGE}.{paths.get(name, name)}") for name in Verifier.__slots__}
    )


REAL = _verifier()


def broken(module: str, *changes: tuple[str, str]) -> Verifier:
    """The verifier with each ``(old, new)`` replaced wherever it occurs in ``module``.

    Raises:
        ValueError: when some old text does not occur.
    """
    name = f"{PACKAGE}.{module}"
    origin = importlib.import_module(name).__file__
    if origin is None:
        raise ValueError(f"{name} has no source")
    text = ast.unparse(ast.parse(Path(origin).read_text(encoding="utf-8")))
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{module}: the mutated text is gone: {old!r}")
        text = text.replace(old, new)
    with _own_modules():
        mutant = ModuleType(name)
        mutant.__file__ = origin
        sys.modules[name] = mutant
        code = compile(text, f"<mutant of {module}>", "exec")
        exec(code, mutant.__dict__)  # noqa: S102 (our own source, changed in one place)
        return _verifier()


@contextmanager
def _own_modules() -> Iterator[None]:
    """Import the package's modules anew inside, and put the real ones back afterwards."""
    package = sys.modules[PACKAGE]
    real = {name: module for name, module in sys.modules.items() if name.startswith(f"{PACKAGE}.")}
    try:
        for name in real:
            del sys.modules[name]
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        sys.modules.update(real)
        for name, module in real.items():
            setattr(package, name.rpartition(".")[2], module)
