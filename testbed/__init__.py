"""The remote tier and everything emulated: never part of what runs on a board."""
