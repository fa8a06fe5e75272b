"""What goes wrong with emulated boards."""


class BoardError(Exception):
    """A board cannot be emulated, or does not do what it must; one sentence."""
