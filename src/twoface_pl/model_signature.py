"""What each of a model's files takes and gives: for those who write them, run them and read about them."""

from __future__ import annotations

from typing import NamedTuple

from twoface_pl.model_file import DETECTOR, GENERATOR, ModelFacts

LANDMARKS = "x and y of the eyes, the nose and the corners of the mouth, the picture's left side first"


class Value(NamedTuple):
    """An input or output of a graph."""

    type: str  # as numpy names it
    shape: tuple[str | int, ...]  # a name stands for any number
    means: str


Values = dict[str, Value]

_PHOTO = ("height", "width", 3)
DETECTOR_INPUTS: Values = {
    "photo": Value("uint8", _PHOTO, "RGB, of any size"),
    "quarter_turns": Value(
        "int64", (), "0 to 3: faces that are turned clockwise by so many right angles are looked for; begin with 0, "
        "and where no confidence is above 0.998, take of all four the one with the highest"
    ),
}  # fmt: skip
DETECTOR_OUTPUTS: Values = {
    "boxes": Value("float32", ("faces", 4), "x, y, width and height, from the brow to the chin, in the photo's pixels"),
    "landmarks": Value("float32", ("faces", 5, 2), f"{LANDMARKS}, in the photo's pixels"),
    "confidences": Value("float32", ("faces",), "0 to 1, the surest face first"),
}
REPAIR_INPUTS: Values = {
    "photo": Value("uint8", _PHOTO, "sRGB, upright, of any size; it may be cut to what lies about face and hole"),
    "mask": Value("uint8", ("height", "width"), "255 = hole, 0 = keep; what lies between blends"),
    "landmarks": Value("float32", (5, 2), f"{LANDMARKS}, in the photo's pixels"),
    "references": Value(
        "uint8", ("references", "reference_height", "reference_width", 3),
        "sRGB photos of the same person, upright; of different sizes, each in the first rows and columns of its own",
    ),
    "reference_sizes": Value("int64", ("references", 2), "height and width of each reference"),
    "reference_landmarks": Value("float32", ("references", 5, 2), "of each reference's face, in its pixels"),
}  # fmt: skip
REPAIR_OUTPUTS: Values = {"filled_photo": Value("uint8", _PHOTO, "outside of the mask the photo itself, bit for bit")}
MASKED_IMAGE, MASK, REFERENCE_IMAGES = GENERATOR_INPUTS = ("masked_image", "mask", "reference_images")
OUTPUT = "filled_image"
OWN_SIZE_OUTPUT = "filled_at_image_size"  # of a model of any size: what its generator made, before the detail step


class Signature(NamedTuple):
    """A graph's inputs and outputs."""

    inputs: Values
    outputs: Values


def _generator(facts: ModelFacts) -> Signature:
    side: str | int = "side" if facts.any_size else facts.image_size
    references = facts.references or "references"
    framed = "framed faces, sRGB in [0, 1]"
    inputs = {
        MASKED_IMAGE: Value("float32", ("batch", side, side, 3), f"{framed}; what the hole holds does not count"),
        MASK: Value("float32", ("batch", side, side, 1), "1 = hole, 0 = keep"),
        REFERENCE_IMAGES: Value("float32", ("batch", references, side, side, 3), f"{framed}, of the same person"),
    }
    outputs = {OUTPUT: Value("float32", ("batch", side, side, 3), "sRGB in [0, 1], outside of the hole masked_image")}
    if facts.any_size:
        own = ("batch", facts.image_size, facts.image_size, 3)
        outputs[OWN_SIZE_OUTPUT] = Value("float32", own, "what the generator itself filled, at its own size")
    return Signature(inputs, outputs)


def signature(kind: str, facts: ModelFacts | None = None) -> Signature:
    """Of a file's kind; a generator's follows from its facts."""
    if kind == DETECTOR:
        return Signature(DETECTOR_INPUTS, DETECTOR_OUTPUTS)
    if kind == GENERATOR:
        assert facts is not None
        return _generator(facts)
    return Signature(REPAIR_INPUTS, REPAIR_OUTPUTS)
