"""Running actors live: the driver, its clock and its timers."""
