"""Steps that look at one photo at a time: find its face, bring it into the frame."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from twoface_pl.data_prep.sources import Photo
from twoface_pl.data_prep.work import AGAIN, Item, Work, stamp
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import Face, describe_boxes, share_in_box, subject
from twoface_pl.faces.files import write_bytes
from twoface_pl.faces.finder import FaceFinder, Sought
from twoface_pl.faces.frame import NOMINAL_SIZE, Frame, FrameKind
from twoface_pl.faces.image import decode_image, encode_jpeg, read_photo
from twoface_pl.model_file import SIZE_STEP

JPEG_QUALITY = 95
THUMBNAIL = 32  # pixels a side, of the grey pictures that near-duplicates are told by

Values = dict[str, Any]


def rejected(kind: str, reason: str) -> Values:
    """The result of a photo that is not used."""
    return {"reject": [kind, reason]}


def file_marks(path: Path) -> list[Any]:
    """What changes when a file does."""
    try:
        status = path.stat()
    except OSError:
        return [str(path), "gone"]
    return [str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]


@cache
def _finder() -> FaceFinder:
    return FaceFinder(threads=1)


def to_face(value: Values) -> Face:
    """The face of a detection's result."""
    return Face(tuple(value["box"]), np.array(value["landmarks"], np.float64), value["confidence"])


def _hidden_face(pixels: np.ndarray, clear: np.ndarray, faces: list[Face]) -> Face | None:
    """The face that the photo is about, also where a transparent part hides some of it."""
    found = subject(faces, *pixels.shape[:2])
    touched = share_in_box(clear, found.box) > 0 if found is not None and clear.any() else not faces
    if not clear.any() or not touched:
        return found
    try:
        return _finder().find(Sought(pixels, hole=clear))
    except TwoFaceError:
        return found


def _choose_face(pixels: np.ndarray, clear: np.ndarray) -> Values:
    faces = _finder().detector.detect(pixels)
    face = _hidden_face(pixels, clear, faces)
    if face is None and not faces:
        return rejected("no face", "no face found")
    if face is None:
        return rejected("several faces", f"{len(faces)} faces, none clearly the subject: {describe_boxes(faces)}")
    return {
        "box": [round(value, 2) for value in face.box],
        "landmarks": np.round(face.landmarks.astype(float), 2).tolist(),
        "confidence": round(face.confidence, 4),
        "faces": max(1, len(faces)),
        "turned": round(face.angle / 90) * 90 % 360,
    }


def detect_photos(arguments: list[tuple[str, bool]]) -> list[Values]:
    """Photos' sizes and faces; without ``find`` only whether they can be read."""
    values = []
    for path, find in arguments:
        try:
            content = Path(path).read_bytes()
            photo = read_photo(content, "it")
        except OSError as error:  # perhaps not for ever: the next run looks again
            values.append({**rejected("unreadable", f"cannot be read ({error.strerror})"), AGAIN: True})
            continue
        except TwoFaceError as error:
            values.append(rejected("unreadable", str(error).removeprefix("it: ")))
            continue
        pixels = photo.seen()
        clear = photo.alpha == 0 if photo.alpha is not None else np.zeros(pixels.shape[:2], bool)
        face = _choose_face(pixels, clear) if find else {}
        digest = hashlib.sha256(content).hexdigest()[:24]
        marks = {"size": [pixels.shape[1], pixels.shape[0]], "digest": digest, "transparent": photo.alpha is not None}
        values.append({**marks, **face})
    return values


def _large_enough(value: Values, min_face: float) -> Values:
    """A detection's result; a reject where its face is too small."""
    side = max(value["box"][2:]) if "box" in value else min_face
    if side >= min_face:
        return value
    reason = f"the face is {side:.0f} px high, less than min_face={min_face:g}"
    kept = {key: value[key] for key in ("size", "digest", "transparent")}
    return {**kept, **rejected("small face", reason)}


def detect(work: Work, photos: list[Photo], find: bool, min_face: float, compute: bool) -> dict[str, Values]:
    """Step: each photo's face."""
    items = []
    for photo in photos:
        marks = stamp("detect 4", file_marks(photo.path), find)
        items.append(Item(photo.key, marks, (str(photo.path), find)))
    found = work.run("detect", "detect" if find else "read", items, detect_photos, compute)
    return {key: _large_enough(value, min_face) for key, value in found.items()}  # another limit: nothing is read anew


def sharpness(pixels: np.ndarray) -> float:
    """Variance of the Laplacian of the grey picture: low where nothing is sharp."""
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def _thumbnail(frame: np.ndarray) -> str:
    grey = cv2.cvtColor(cv2.resize(frame, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return base64.b64encode(grey.tobytes()).decode()


def thumbnail(value: Values) -> np.ndarray:
    """The grey thumbnail of an alignment's result: uint8 (32, 32)."""
    return np.frombuffer(base64.b64decode(value["thumbnail"]), np.uint8).reshape(THUMBNAIL, THUMBNAIL)


def _own_size(frame: Frame, size: int, enlarge: bool) -> int:
    """Pixels a side that a frame is written at: ``size``, or the largest multiple of 8 that it has itself."""
    own = int(frame.side) // SIZE_STEP * SIZE_STEP
    return size if enlarge else min(size, max(own, NOMINAL_SIZE))


def align_photos(arguments: list[tuple[str, Values, dict[str, Any], int, bool, str]]) -> list[Values]:
    """Photos into the frame, each written to its file; what later steps want to know of them."""
    values = []
    for path, found, frame_options, size, enlarge, target in arguments:
        kind = FrameKind.build(frame_options)
        pixels = decode_image(Path(path))
        face = to_face(found) if kind.aligned else None
        frame = kind.place(face) if face else Frame.centred(*pixels.shape[:2])
        cropped = frame.crop(pixels, _own_size(frame, size, enlarge))
        encoded = encode_jpeg(cropped, JPEG_QUALITY)
        write_bytes(Path(target), encoded)
        values.append(
            {
                "landmarks": np.round(frame.to_unit(face.landmarks), 4).tolist() if face else None,
                "side": round(frame.side, 1),
                "sharpness": round(sharpness(cropped), 2),
                "digest": hashlib.sha256(encoded).hexdigest()[:24],
                "thumbnail": _thumbnail(cropped),
            }
        )
    return values


def align(
    work: Work,
    photos: list[Photo],
    found: dict[str, Values],
    kind: FrameKind,
    size: int,
    enlarge: bool,
    compute: bool,
) -> tuple[dict[str, Values], dict[str, Path]]:
    """Step: each photo's face in the frame; its facts and its file."""
    options = kind.options()
    written = f"{size}" if enlarge else f"up-to-{size}"
    folder = work.folder / "framed" / f"{kind.name}-{written}-{stamp(options)[:6]}"
    files = {photo.key: folder / photo.source / photo.identity / photo.name for photo in photos}
    items = []
    for photo in photos:
        value = found[photo.key]
        marks = stamp("align 1", value, options, size)
        items.append(Item(photo.key, marks, (str(photo.path), value, options, size, enlarge, str(files[photo.key]))))
    values = work.run(
        "align", f"align {folder.name}", items, align_photos, compute, lambda item: files[item.key].is_file()
    )
    return values, files
