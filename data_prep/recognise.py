"""Step: each face's identity embedding, by a recogniser that the user gives."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twoface_pl.data_prep.photos import Values, to_face
from twoface_pl.data_prep.sources import Photo
from twoface_pl.data_prep.work import Item, Work, stamp
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import sha256_of
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.recogniser import SFace

FACENET_FRAME = FrameKind("facenet", eye_distance=39, eye_line=53)  # about the crops it was trained on
FACENET_SIZE = 160

Embed = Callable[[np.ndarray, Values], np.ndarray]  # a photo and its face to an embedding
RECOGNISERS = ("facenet", "sface")


def check_recogniser(options: dict[str, Any]) -> str:
    """The checksum of a recogniser's weights; empty for none.

    Raises:
        TwoFaceError: no such recogniser, or no weights.
    """
    name, weights = options["name"], options.get("weights")
    if name == "none":
        return ""
    if name not in RECOGNISERS:
        raise TwoFaceError(f"recogniser '{name}' is not known; there are: none, {', '.join(RECOGNISERS)}")
    if not weights or not Path(weights).is_file():
        raise TwoFaceError(
            f"recogniser {name}: {'no file ' + str(weights) if weights else 'no weights'}; "
            "give recogniser.weights=<file>, or recogniser=none to keep every photo under the name it has"
        )
    for key in ("same_person", "join"):
        value = options.get(key)
        if not isinstance(value, int | float) or not -1 <= value <= 1:
            raise TwoFaceError(f"recogniser.{key}={value} is not a cosine, -1 to 1")
    return sha256_of(Path(weights))


def _facenet(weights: str) -> Embed:
    import torch

    from twoface_pl.networks.identity import load_identity

    torch.set_num_threads(1)
    network = load_identity({"name": "facenet", "weights": weights})
    assert network is not None

    def embed(pixels: np.ndarray, value: Values) -> np.ndarray:
        face = FACENET_FRAME.place(to_face(value)).crop(pixels, FACENET_SIZE)
        with torch.inference_mode():
            return network(torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255)[0].numpy()

    return embed


def _sface(weights: str) -> Embed:
    network = SFace(Path(weights))
    return lambda pixels, value: network.embed(pixels, to_face(value).landmarks)


@cache
def _embedder(name: str, weights: str) -> Embed:
    return {"facenet": _facenet, "sface": _sface}[name](weights)


def embed_photos(arguments: list[tuple[str, Values, str, str]]) -> list[str]:
    """Unit identity embeddings, one photo at a time: a batch's company would change their last digits."""
    values = []
    for path, found, name, weights in arguments:
        embedding = _embedder(name, weights)(decode_image(Path(path)), found)
        values.append(base64.b64encode(embedding.astype(np.float16).tobytes()).decode())
    return values


def recognise(
    work: Work, photos: list[Photo], found: dict[str, Values], options: dict[str, Any], digest: str, compute: bool
) -> dict[str, np.ndarray]:
    """Step: unit embeddings (D,) by photo."""
    items = []
    for photo in photos:
        marks = stamp("recognise 1", found[photo.key], digest)
        items.append(
            Item(photo.key, marks, (str(photo.path), found[photo.key], options["name"], str(options["weights"])))
        )
    values = work.run("clean", f"recognise {options['name']}", items, embed_photos, compute)
    embeddings = {}
    for key, value in values.items():
        embedding = np.frombuffer(base64.b64decode(value), np.float16).astype(np.float32)
        embeddings[key] = embedding / np.linalg.norm(embedding)
    return embeddings
