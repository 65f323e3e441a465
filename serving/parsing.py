"""Options as people write them, on the command line and in forms."""

from __future__ import annotations

from twoface_pl.errors import TwoFaceError, require

LARGEST = 10**7  # of a box's numbers
MOST_GROWN = 1000
COLOURS = {"white": "ffffff", "black": "000000"}


def parse_box(text: str) -> tuple[int, ...]:
    """``x,y,width,height`` in pixels, or with an angle in degrees as a fifth number.

    Raises:
        TwoFaceError: something else.

    >>> parse_box("210,140,320,400")
    (210, 140, 320, 400)
    """
    parts = text.split(",")
    try:
        numbers = tuple(int(part) for part in parts)
        if len(numbers) not in (4, 5) or max(map(abs, numbers)) > LARGEST:
            raise ValueError
    except ValueError:
        raise TwoFaceError(
            f"'{text[:80]}' is not x,y,width,height in whole pixels, nor these with an angle in whole degrees"
        ) from None
    return numbers


def parse_pixels(text: str) -> int:
    """A whole number of pixels, 0 to 1000.

    Raises:
        TwoFaceError: something else.

    >>> parse_pixels("12")
    12
    """
    few = text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MOST_GROWN
    require(few, f"'{text[:80]}' is not a number of pixels from 0 to {MOST_GROWN}")
    return int(text)


def parse_colour(text: str) -> tuple[int, int, int]:
    """``ff00ff`` or ``#ff00ff``, or ``white`` or ``black``: red, green and blue.

    Raises:
        TwoFaceError: something else.

    >>> parse_colour("#ff00ff")
    (255, 0, 255)
    """
    digits = COLOURS.get(text, text.removeprefix("#"))
    known = len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
    require(known, f"'{text[:80]}' is no colour; give six digits, as ff00ff, or white or black")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def parse_truth(text: str) -> bool:
    """``true`` or ``false``.

    Raises:
        TwoFaceError: something else.
    """
    require(text in ("true", "false"), f"'{text[:80]}' is neither true nor false")
    return text == "true"
