"""What a misspelt word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], most: int = 3) -> str:
    """The known words that are nearest, best first and joined by "or"; "" where none is near.

    >>> nearest("inpait", ["inpaint", "serve"])
    'inpaint'
    """
    return " or ".join(difflib.get_close_matches(word, known, n=most))
