"""The ways to clear a market, behind one interface; the genesis chooses one."""
