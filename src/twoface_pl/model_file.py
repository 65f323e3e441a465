"""What an exported model file is: shared by those who write it and those who run it."""

from pathlib import Path

FORMAT = "twoface-generator/3"  # in the metadata, under "format"
INPUTS = ("masked_image", "mask", "reference_images")
OUTPUT = "filled_image"
WEIGHTS_PREFIX = "generator."  # of the initialisers that are the generator's weights

SHIPPED = Path(__file__).parent / "shipped" / "two_face_model.onnx"  # the model that comes with the package
SHIPPED_NAME = "shipped"  # what users call it


def model_path(text: str) -> Path:
    """A model's path as users give it; ``shipped`` is the one that comes with the package."""
    return SHIPPED if text == SHIPPED_NAME else Path(text)
