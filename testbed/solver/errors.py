"""What can go wrong in the solver, typed by whose fault it is."""

from __future__ import annotations


class SolverError(Exception):
    """Root of every error that the solver raises on purpose."""


class UnsupportedObjectiveError(SolverError):
    """The problem asks for an objective that this solver cannot optimise in this kind of market."""


class TooLargeError(SolverError):
    """Numbers of the problem are beyond what the solver's 64-bit arithmetic holds exactly."""


class NotSolvedError(SolverError):
    """A numerical library gave up or answered nonsense: our bug or its; the problem itself has an optimum."""


class UnknownFeederError(SolverError):
    """An offer is on a feeder that the grid does not have; the ledger admits none."""
