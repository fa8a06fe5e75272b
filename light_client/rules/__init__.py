"""The rules of the market and the ledger: pure functions over frozen values, shared by meters, miners, solvers, DSO."""
