"""The remote tier (DSO, solvers, miners) and everything emulated; never part of a device."""
