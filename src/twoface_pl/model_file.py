"""What an exported model file is: shared by those who write it and those who run it.

Its metadata is text by name, and may come from anybody: :func:`read_facts` is the one place that reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.onnx_file import check_straight, graph_checksum, read_metadata, read_onnx

if TYPE_CHECKING:
    import numpy as np

    from twoface_pl.faces.frame import FrameKind

# Files of a model by what they do, in a folder of its version; and what stands in their metadata, under "format".
GENERATOR, REPAIR, DETECTOR = "generator", "repair", "detector"
FILES = {GENERATOR: "model.onnx", REPAIR: "repair.onnx", DETECTOR: "detector.onnx"}
FORMATS = {GENERATOR: "twoface-generator/6", REPAIR: "twoface-repair/1", DETECTOR: "twoface-detector/1"}
CHECKSUM = "graph_sha256"  # in the metadata: of all of the file but its metadata
INT8 = "int8"  # in the metadata, under "stored": its convolutions are quantised, and compute so
SIZE_STEP = 8  # of the sizes of a model of any size
WEIGHTS_PREFIX = "generator."  # of the initialisers that are the generator's weights

SHIPPED = Path(__file__).parent / "shipped" / FILES[GENERATOR]  # the model that comes with the package
SHIPPED_NAME = "shipped"  # what users call it
ADVICE = "make one with `twoface export`"

LARGEST_SIZE = 2048  # pixels a side of a picture
LARGEST_FILLED = 1536  # pixels a side with one reference: half a gigabyte; larger frames are enlarged from there
MOST_REFERENCES = 64
MOST_COUNTED = 10**15  # batches and seconds
DEEPEST, MOST_VALUES = 16, 10_000  # of options that hold options; ours have a dozen, three deep


def packaged() -> dict[str, Path]:
    """The package's models by what users call them: ``shipped``, and those in folders beside it."""
    beside = sorted(SHIPPED.parent.glob(f"*/{SHIPPED.name}"))
    return {SHIPPED_NAME: SHIPPED, **{path.parent.name: path for path in beside}}


def model_path(text: object) -> Path:
    """A model's path as users give it, be it a number, or a name of one that comes with the package."""
    return packaged().get(str(text), Path(str(text)))


def is_version(name: str) -> bool:
    """Whether a folder's name is a version's number."""
    return name.isascii() and name.isdigit()


def is_plain(value: object) -> bool:
    """Whether options are what files can hold: text, numbers, lists and dictionaries by name, few and not deep."""
    level, left = [value], MOST_VALUES
    for _ in range(DEEPEST):
        inner: list[object] = []
        for entry in level:
            if isinstance(entry, dict) and all(isinstance(key, str) for key in entry):
                inner += entry.values()
            elif isinstance(entry, list | tuple):
                inner += entry
            elif isinstance(entry, int):
                if abs(entry) > MOST_COUNTED:
                    return False
            elif entry is not None and not isinstance(entry, str | float):
                return False
            if len(inner) > left:
                return False
        if not inner:
            return True
        level, left = inner, left - len(inner)
    return False


def _is_options(value: object) -> bool:
    return isinstance(value, dict) and is_plain(value)


def is_whole(value: object, smallest: int, largest: int) -> bool:
    """Whether a value is a whole number within bounds; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_COUNTED


def _is_architecture(value: object) -> bool:
    kinds = str | int | float | None
    return _is_options(value) and isinstance(value, dict) and all(isinstance(entry, kinds) for entry in value.values())


def _is_centre(value: object) -> bool:
    named = isinstance(value, dict) and set(value) == {"name", "size"} and value["name"] == "center"
    return named and isinstance(value, dict) and is_whole(value["size"], 1, LARGEST_SIZE)


# What each field must be: the test, and the words for it.
FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "image_size": (lambda value: is_whole(value, 1, LARGEST_SIZE), f"whole pixels, 1 to {LARGEST_SIZE}"),
    "largest_size": (lambda value: is_whole(value, 1, LARGEST_SIZE), f"whole pixels, 1 to {LARGEST_SIZE}"),
    "architecture": (_is_architecture, "a generator's name and options"),
    "frame": (_is_options, "a frame's name and options"),
    "mask": (_is_options, "a mask policy's name and options"),
    "run": (lambda value: isinstance(value, str), "a name"),
    "batches": (lambda value: is_whole(value, 0, MOST_COUNTED), "a whole number from 0 on"),
    "seconds": (_is_time, "a number from 0 on"),
    "default_mask": (_is_centre, "a square in the middle, by its name and size"),
    "only_default_mask": (lambda value: isinstance(value, bool), "true or false"),
    "references": (
        lambda value: value is None or is_whole(value, 1, MOST_REFERENCES),
        f"any, or a number from 1 to {MOST_REFERENCES}",
    ),
    "figures": (
        lambda value: isinstance(value, list) and is_plain(value) and all(isinstance(part, dict) for part in value),
        "a list of what was measured",
    ),
}


def check_field(name: str, field: str, value: object) -> None:
    """Refuse a field of a model's or a checkpoint's facts that is not what it must be.

    Raises:
        TwoFaceError: names the file, the field, what it is and what it should be.
    """
    good, wanted = FIELDS[field]
    if not good(value):
        raise TwoFaceError(
            f"{name}: its {field} is {_describe(value)}, not {wanted}; get the file anew, or make another"
        )


def build_frame(name: str, options: dict[str, Any]) -> FrameKind:
    """Where the face lies, of a file's options.

    Raises:
        TwoFaceError: options that no frame has; names the file.
    """
    from twoface_pl.faces.frame import FrameKind  # OpenCV takes a moment, and many who come here want a path

    try:
        return FrameKind.build(options)
    except TwoFaceError as error:
        raise TwoFaceError(f"{name}: {str(error)[:200]}") from None


def _describe(value: object) -> str:
    """A value in a few words, whatever it is."""
    short = isinstance(value, str | float | bool) or value is None or is_whole(value, -MOST_COUNTED, MOST_COUNTED)
    return repr(value)[:60] if short else f"{type(value).__name__} of other content"


@dataclass(frozen=True)
class ModelFacts:
    """What a model's metadata says, each field checked."""

    image_size: int  # pixels a side that the generator works at
    largest_size: int  # pixels a side that the file takes; above image_size: every multiple of SIZE_STEP up to it
    frame: FrameKind
    default_mask: dict[str, Any]  # options of the hole where none is given
    only_default_mask: bool  # whether that is the one hole it can fill
    references: int | None  # the one number that it takes; None: any from 1 on
    architecture: dict[str, Any]  # options of the generator
    mask: dict[str, Any]  # options of the mask policy that it was trained with
    run: str
    batches: int
    seconds: float  # of training
    figures: list[dict[str, Any]]  # the judge's

    @property
    def any_size(self) -> bool:
        """Whether it fills photos at their own size."""
        return self.largest_size > self.image_size

    @property
    def canonical(self) -> np.ndarray:
        """(5, 2): landmarks of the frame's face, as shares of it; of a frame of no face, some that say where it is."""
        from twoface_pl.faces.window import LANDMARKS

        return self.frame.landmarks() if self.frame.aligned else LANDMARKS

    def fitting_size(self, side: float, references: int = 1) -> int:
        """Pixels a side at which a frame of ``side`` pixels of a photo is filled: its own size or a little more, where
        the model takes it and memory allows."""
        if not self.any_size:
            return self.image_size
        most = min(LARGEST_FILLED / math.sqrt((1 + references) / 2), self.largest_size)
        return max(self.image_size, min(math.ceil(side / SIZE_STEP), int(most / SIZE_STEP)) * SIZE_STEP)


def _parse(name: str, field: str, text: str) -> object:
    if field == "run":
        return text
    if field == "references" and text == "any":
        return None
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or nested without an end
        parsed = text
    return text if parsed is None else parsed  # null is no field's value


def _check_format(metadata: Mapping[str, str], name: str, kind: str) -> None:
    found = metadata.get("format", "")
    if found == FORMATS[kind]:
        return
    other = next((other for other, known in FORMATS.items() if found == known), None)
    if other is not None:
        raise TwoFaceError(f"{name}: a {other}, not a {kind}; give the folder that {FILES[kind]} lies in")
    earlier = any(found.startswith(known.rpartition("/")[0]) for known in FORMATS.values())
    raise TwoFaceError(
        f"{name}: not a Two-Face {kind} of this version (its metadata has format "
        f"{_describe(metadata.get('format'))}, not {FORMATS[kind]!r}); "
        + ("export its checkpoint again with `twoface export`" if earlier else ADVICE)
    )


def read_facts(metadata: Mapping[str, str], name: str, kind: str = GENERATOR) -> ModelFacts:
    """Read and check every field.

    Args:
        metadata: as the file holds it.
        name: of the file, for errors.
        kind: of the file, one of ``FILES``.

    Raises:
        TwoFaceError: of another format, or a field that is missing or not what it must be; names it.
    """
    _check_format(metadata, name, kind)
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field not in metadata:
            raise TwoFaceError(f"{name}: its metadata has no {field}; get the file anew, or export again")
        values[field] = _parse(name, field, metadata[field])
        check_field(name, field, values[field])
    facts = ModelFacts(**{**values, "frame": build_frame(name, values["frame"])})
    if facts.largest_size < facts.image_size:
        raise TwoFaceError(f"{name}: its largest_size is {facts.largest_size}, less than its image_size")
    if facts.default_mask["size"] >= facts.image_size:
        raise TwoFaceError(f"{name}: its default_mask of {facts.default_mask['size']} px fits no {facts.image_size} px")
    return facts


@dataclass(frozen=True)
class ModelFile:
    """An exported file that is whole: its bytes, its metadata as it is, and what that says."""

    content: bytes
    metadata: dict[str, str]
    facts: ModelFacts


def read_whole(path: Path) -> tuple[bytes, dict[str, str], bool]:
    """An ONNX file's bytes and metadata, and whether its checksum is right.

    Raises:
        TwoFaceError: missing or not an ONNX file.
    """
    content = read_onnx(path, "model", ADVICE)
    try:
        metadata = read_metadata(content)
        return content, metadata, metadata.get(CHECKSUM) == graph_checksum(content)
    except (ValueError, IndexError):
        raise TwoFaceError(f"{path}: not an ONNX file; {ADVICE}") from None


def read_model(path: Path, kind: str = GENERATOR) -> ModelFile:
    """Read an exported file of a kind, one of ``FILES``, and check all that needs no runtime.

    Raises:
        TwoFaceError: missing, not an ONNX file, not of that kind, metadata that is not what it must be, a
            graph that is not the one that was exported, or one that reads other files, branches or loops.
    """
    name = str(path)
    content, metadata, whole = read_whole(path)
    facts = read_facts(metadata, name, kind)
    if not whole:
        raise TwoFaceError(f"{name}: its graph or weights are not those that were exported; get the file anew")
    check_straight(content, name)
    return ModelFile(content, metadata, facts)
