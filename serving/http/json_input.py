"""JSON of many numbers, read without an object for each of them (simdjson), and never more of it than a request has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from reprlib import Repr
from typing import Any

import numpy as np
import simdjson

from twoface_pl.serving.http.task import Refusal

MAX_BATCH = 32  # pictures a request
MOST_REFERENCES = 8  # of one of them, in tensors
MOST_ITEMS = 2000  # lists, objects and words beside the pictures' own
_NUMBERS = b"0123456789.eE+- \t\r\n"

_short = Repr()  # of what the client wrote, for errors
_short.maxlist, _short.maxstring = 4, 40
shortened = _short.repr


@cache
def _nested(*shape: int) -> bytes:
    """The text of nested lists of a shape, without their numbers."""
    inner = _nested(*shape[1:]) if len(shape) > 1 else b""
    return b"[" + b",".join([inner] * shape[0]) + b"]"


class Skeleton:
    """A body's text without its numbers, a fifth of it: there things are counted more cheaply than in what is parsed.

    Args:
        body: JSON.
    """

    def __init__(self, body: bytes | bytearray) -> None:
        self._text = body.translate(None, _NUMBERS)

    def check_extent(self, size: int) -> None:
        """Refuse JSON of more lists, values or words than the largest request has: each takes memory.

        Raises:
            Refusal: status 413.
        """
        pictures = MAX_BATCH * (2 + MOST_REFERENCES)
        lists = pictures * (1 + size * (1 + size)) + MOST_ITEMS
        text = np.frombuffer(self._text, np.uint8)
        found = {sign: np.count_nonzero(text == ord(sign)) for sign in '[,{"'}
        if found["["] > lists or found[","] > pictures * size**2 * 3 + MOST_ITEMS:
            raise Refusal(f"the body holds more lists or values than {MAX_BATCH} pictures; send fewer a request", 413)
        if found["{"] > MOST_ITEMS or found['"'] > 4 * MOST_ITEMS:
            raise Refusal("the body holds more objects or words than any request has", 413)

    def count(self, *shape: int) -> int:
        """How many lists of a shape there are."""
        return self._text.count(_nested(*shape))


def read_json(body: bytes | bytearray, size: int) -> tuple[Any, Skeleton]:
    """A JSON document: plain values, and lists and objects that are read when they are asked; and its skeleton.

    Args:
        body: its text.
        size: the side of a picture in pixels.

    Raises:
        Refusal: no JSON, or more of it than a request has.
    """
    skeleton = Skeleton(body)
    skeleton.check_extent(size)
    try:
        return simdjson.Parser().parse(bytes(body)), skeleton
    except (ValueError, RuntimeError) as error:  # all that it raises
        raise Refusal(f"the body is not JSON: {str(error)[:120]}") from None


def is_list(value: Any) -> bool:
    return isinstance(value, simdjson.Array)


def is_object(value: Any) -> bool:
    return isinstance(value, simdjson.Object)


def members(value: Any, what: str, known: Mapping[str, bool]) -> dict[str, Any]:
    """An object's members by name.

    Args:
        value: the object.
        what: it is called in errors.
        known: names that it may have, and whether it must.

    Raises:
        Refusal: no object, an unknown name or a missing one, or one twice.
    """
    if not is_object(value):
        raise Refusal(f"{what} must be an object, {{...}}")
    found = list(value.keys())
    missing = [name for name, needed in known.items() if needed and name not in found]
    if missing or set(found) - set(known) or len(found) != len(set(found)):
        has = f"found {shortened(sorted(found))}"
        raise Refusal(f"{what} has {', '.join(known)}; {has}" + (f", {missing[0]} is missing" if missing else ""))
    return {name: value[name] for name in found}


def numbers(value: Any) -> np.ndarray | None:
    """All numbers in a list and the lists in it, float32, flat; None where something else is in them."""
    try:
        flat = np.frombuffer(value.as_buffer(of_type="d"), np.float64)
    except (TypeError, AttributeError, ValueError):
        return None
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return flat.astype(np.float32)


def shape_of(value: Any, most: int = 6) -> list[int]:
    """Lengths of a list, of the first list in it, and so on."""
    shape: list[int] = []
    while is_list(value) and len(shape) < most:
        shape.append(len(value))
        value = value[0] if len(value) else None
    return shape
