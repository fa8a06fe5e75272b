"""The commands that deal with meters: `read`, `scan`, `doctor`, `profiles`."""
