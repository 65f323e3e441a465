"""What an ONNX file holds, read from its bytes before any runtime opens it (protobuf's wire format).

A file may ask a runtime to read other files, to run for ever or to call operators from elsewhere. Ours never do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.reading import check_file

MOST_BYTES = 2**31 - 1  # of a protobuf message
VARINT, BYTES, FIXED = 0, 2, {1: 8, 5: 4}  # wire types; those of fixed length with it
GRAPH, METADATA = 7, 14  # of a model's fields
NODE, INPUT = 1, 11  # of a graph's
NODE_INPUT, NAME = 1, 1  # of a node's, and of an input's
LONGEST_VARINT = 10  # bytes
MOST_FIELDS = 1_000_000  # that are looked at; ours have 10,000

# Of ONNX's messages, the fields that hold further messages with something to look at.
INSIDE = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
# Fields that a straight line of ONNX's own operators has not.
REFUSED = {
    ("model", 20): "it brings a training of its own",
    ("model", 25): "it brings functions of its own",
    ("attribute", 6): "it has loops or branches",
    ("attribute", 11): "it has loops or branches",
    ("tensor", 13): "its weights lie in another file",
}
NODE_DOMAIN = ("node", 7)
DOMAINS = (b"", b"ai.onnx")  # ONNX's own


Field = tuple[int, int | memoryview, int]  # number, an integer or the bytes of anything else, where the field begins


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = message[at]
    if value < 0x80:  # nearly always
        return value, at + 1
    value = 0
    for place in range(LONGEST_VARINT):
        byte = message[at + place]  # IndexError past the end
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number without an end")


def read_fields(message: memoryview, budget: Iterator[int] | None = None) -> Iterator[Field]:
    """The fields of a message, in the file's order.

    Args:
        message: its bytes.
        budget: as many items as fields may be read, shared by messages that hold one another.

    Raises:
        ValueError, IndexError: it is not protobuf, cut off, or of too many fields.
    """
    budget = budget or iter(range(MOST_FIELDS))
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        if tag < 8 or next(budget, None) is None:
            raise ValueError("a field without a number, or too many fields")
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value, start
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in FIXED:
            size = FIXED[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if size > len(message) - at:
            raise ValueError("cut off")
        at += size
        yield tag >> 3, message[at - size : at], start


def read_onnx(path: Path, what: str, advice: str) -> bytes:
    """A file's bytes; see :func:`check_file`.

    Raises:
        TwoFaceError: missing, no file, empty or too large.
    """
    size = check_file(path, what, advice)
    if not 0 < size <= MOST_BYTES:
        raise TwoFaceError(f"{path}: not an ONNX file ({size} bytes)")
    try:
        return path.read_bytes()
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None


def check_straight(content: bytes, name: str) -> None:
    """Refuse a file that is more than one straight line of ONNX's own operators with its weights.

    Args:
        content: the file's bytes.
        name: of the file, for errors.

    Raises:
        TwoFaceError: says what it has.
    """
    try:
        problem = _problem(memoryview(content), "model", iter(range(MOST_FIELDS)))
    except (ValueError, IndexError):
        problem = "its bytes make no graph"
    if problem:
        raise TwoFaceError(f"{name} is not an ONNX model that can be run: {problem}")


def _problem(message: memoryview, kind: str, budget: Iterator[int]) -> str | None:
    inside = INSIDE.get(kind, {})
    for number, value, _ in read_fields(message, budget):
        if (kind, number) in REFUSED:
            return REFUSED[kind, number]
        if (kind, number) == NODE_DOMAIN and (isinstance(value, int) or bytes(value) not in DOMAINS):
            return "it has operators that are not ONNX's own"
        if number in inside:
            if isinstance(value, int):
                raise ValueError("a number where a message belongs")
            problem = _problem(value, inside[number], budget)
            if problem:
                return problem
    return None


def read_metadata(content: bytes) -> dict[str, str]:
    """A model's metadata.

    Raises:
        ValueError, IndexError: it is not protobuf.
    """
    found = {}
    for number, value, _ in read_fields(memoryview(content)):
        if number == METADATA and isinstance(value, memoryview):
            entry = {key: part.tobytes() for key, part, _ in read_fields(value) if isinstance(part, memoryview)}
            found[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    return found


def graph_checksum(content: bytes) -> str:
    """sha256 over all of a model's file but its metadata: the graph with its weights, and the versions it is in.

    Raises:
        ValueError, IndexError: it is not protobuf.
    """
    digest = hashlib.sha256()
    for number, _, whole in _whole_fields(memoryview(content)):
        if number != METADATA:
            digest.update(whole)
    return digest.hexdigest()


def _whole_fields(message: memoryview) -> list[tuple[int, int | memoryview, memoryview]]:
    """The fields of a message: number, value, and all of the field's bytes."""
    fields = list(read_fields(message))
    ends = [start for _, _, start in fields[1:]] + [len(message)]
    return [(number, value, message[start:end]) for (number, value, start), end in zip(fields, ends, strict=True)]


def _sized(number: int, message: bytes) -> bytes:
    """A message as a field of another."""
    head, size = [number << 3 | BYTES], len(message)
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + message


def without_unused_inputs(content: bytes) -> bytes:
    """A model's bytes without inputs that no node reads: old files list there what their weights were called once.

    Raises:
        ValueError, IndexError: it is not protobuf.
    """
    parts: list[bytes] = []
    for number, value, whole in _whole_fields(memoryview(content)):
        if number == GRAPH and isinstance(value, memoryview):
            fields = _whole_fields(value)
            read = {name for kind, node, _ in fields if kind == NODE for name in _names(node, NODE_INPUT)}
            kept = [each for kind, info, each in fields if kind != INPUT or _names(info, NAME) <= read]
            parts.append(_sized(GRAPH, b"".join(kept)))
        else:
            parts.append(bytes(whole))
    return b"".join(parts)


def _names(message: int | memoryview, field: int) -> set[bytes]:
    """A message's texts in a field."""
    if isinstance(message, int):
        raise ValueError("a number where a message belongs")
    return {
        value.tobytes() for number, value, _ in read_fields(message) if number == field and not isinstance(value, int)
    }
