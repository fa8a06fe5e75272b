"""Finds the best plan of a clearing problem and proves it: fast, in any way it likes, since nobody has to trust it."""
