"""What was metered against what was traded: deviations, what is owed, delivery reports. No I/O."""
