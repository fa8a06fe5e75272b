"""What a meter says ends on a terminal, and a terminal obeys some of it instead of showing it."""


def printable(text: str) -> str:
    """Return a text with a question mark for each character that cannot be printed."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
