"""CSV files as spreadsheets write them: their text, and what separates their columns."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE

SEPARATORS = (",", ";", "\t")  # of one country or another
TOLD = "sep="  # begins a line of its own, which says it


def decoded(content: bytes) -> str | None:
    """The text of UTF-8, or of UTF-16 with its mark; None of anything else."""
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def separator(text: str) -> tuple[str, bool]:
    """What separates the columns by the first line, and whether that line says only this.

    >>> separator("image;references"), separator("sep=;"), separator("image")
    ((';', False), (';', True), (',', False))
    """
    first = (text.splitlines() or [""])[0]
    if first.startswith(TOLD):
        return first.removeprefix(TOLD), True
    return next((sign for sign in SEPARATORS if sign in first), SEPARATORS[0]), False
