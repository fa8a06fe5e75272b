"""Text made safe to stand in HTML. As `html.escape`, whose module knows two thousand names of characters: 0.4 MB."""

from __future__ import annotations

from typing import Final

_SAFE: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def escape(text: str) -> str:
    """The same text between tags, and in quotes inside of them."""
    return text.translate(_SAFE)
