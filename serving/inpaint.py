"""Photos of any size through the model: frame, fill, paste back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import Box, Face, check_box, describe_boxes, face_in_box, face_under_mask, largest
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import (
    LOSSLESS_SUFFIXES,
    decode_image,
    decode_mask,
    is_grey,
    list_photos,
    to_grey,
    write_image,
)
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

MOSTLY_HOLE = 0.9
LARGE_FACE = 1.5  # times the model's size: from there on the fill is visibly softer than the photo


@dataclass(frozen=True)
class _Picture:
    """One of the two pictures, and how the user calls it and its box."""

    pixels: np.ndarray
    name: str
    option: str
    box: Box | None
    mask: np.ndarray | None = None

    def place(self, session: FillSession) -> Frame:
        """The model's frame of this picture's face."""
        height, width = self.pixels.shape[:2]
        if session.frame.aligned:
            return session.frame.place(self._find_face(session))
        return Frame.centred(height, width) if self.box is None else Frame.around_box(self.box, height, width)

    def _find_face(self, session: FillSession) -> Face:
        height, width = self.pixels.shape[:2]
        if self.box is not None:
            check_box(self.box, height, width)
        faces = session.detector.detect(self.pixels)
        if self.box is not None:
            return face_in_box(faces, self.box)
        if not faces:
            hidden = " (is it hidden by the hole?)" if self.mask is not None else ""
            raise TwoFaceError(
                f"no face found in the {self.name}{hidden}; say where it is: {self.option} x,y,width,height, "
                "from the brow to the chin"
            )
        if self.mask is not None and self.mask.any():
            return self._under_mask(faces, self.mask, session)
        face = largest(faces)
        if face is None:
            raise TwoFaceError(
                f"{len(faces)} faces in the {self.name}, and none is clearly meant: {describe_boxes(faces)}; "
                f"give one of these as {self.option}" + (", or a mask over it" if self.option == "--box" else "")
            )
        return face

    def _under_mask(self, faces: list[Face], mask: np.ndarray, session: FillSession) -> Face:
        face = face_under_mask(faces, mask)
        if face is not None:
            return face
        rows, columns = np.nonzero(mask)  # beside every face; in a frame it may be, as hair is
        points = np.column_stack([columns, rows]) + 0.5
        for face in faces:
            shares = session.frame.place(face).to_unit(points)
            if shares.min() >= 0 and shares.max() <= 1:
                return face
        raise TwoFaceError(
            f"the mask lies on none of the faces found: {describe_boxes(faces)}; "
            f"move it, or say where its face is: {self.option} x,y,width,height"
        )


def _place(session: FillSession, photo: _Picture) -> Frame:
    """The photo's frame, with a hint where the model is too small for the face."""
    frame = photo.place(session)
    if frame.side > LARGE_FACE * session.image_size:
        log.warning(
            "the face is %.1f times larger than the model's frame of %d px: the fill will be softer than the photo",
            frame.side / session.image_size, session.image_size,
        )  # fmt: skip
    return frame


def _crop_references(session: FillSession, references: Sequence[np.ndarray], box: Box | None) -> np.ndarray:
    """The faces of all references, uint8 (1, R, size, size, 3)."""
    if box is not None and len(references) > 1:
        raise TwoFaceError("--reference-box is for one reference; several must show one clear face each")
    crops = []
    for number, pixels in enumerate(references, start=1):
        name = "reference" if len(references) == 1 else f"reference {number}"
        frame = _Picture(pixels, name, "--reference-box", box).place(session)
        crops.append(frame.crop(pixels, session.image_size))
    return np.stack(crops)[None]


def inpaint(
    session: FillSession,
    photo: np.ndarray,
    references: np.ndarray | Sequence[np.ndarray],
    mask: np.ndarray | None = None,
    box: Box | None = None,
    reference_box: Box | None = None,
) -> np.ndarray:
    """Fill the hole of a photo of any size.

    A black-and-white photo stays so, whatever the references are.

    Args:
        session: the model.
        photo: uint8 RGB (H, W, 3), of any size.
        references: one or several photos of the person, alike; their order does not matter.
        mask: bool, of the photo's size, True = hole; the model's default mask in the frame if left out.
        box, reference_box: x, y, width, height of the face, from the brow to the chin; else it is looked for,
            and of several in the photo it is the one under the mask. A model whose frame is ``none`` takes
            the box itself as the frame, else the largest centred square.

    Returns:
        uint8 RGB of the photo's shape; pixels outside the mask are the photo's own, bit for bit.

    Raises:
        TwoFaceError: no face, or several and none of them meant; a mask of another size, an empty one, one
            outside the frame, or one this model cannot fill; more references than it takes.
    """
    height, width = photo.shape[:2]
    size = session.image_size
    if mask is not None and mask.shape != (height, width):
        raise TwoFaceError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}; they must be of one size"
        )
    others = [references] if isinstance(references, np.ndarray) else references
    session.check_references(len(others))
    frame = _place(session, _Picture(photo, "photo", "--box", box, mask))
    faces = _crop_references(session, others, reference_box)
    if mask is None:
        hole = session.default_mask
        mask = frame.mask_in_photo(hole, height, width)
    else:
        if mask.mean() > MOSTLY_HOLE:
            log.warning("the mask is %.0f %% hole; white (1) is the hole: is it inverted?", 100 * mask.mean())
        hole = frame.crop_mask(mask, size)
    session.check_mask(hole)
    framed = frame.crop(photo, size)
    grey = is_grey(framed[~hole])
    if grey:  # the references' colours have no place in the fill
        faces = np.stack([to_grey(face) for face in faces[0]])[None]
    (filled,) = session.fill_uint8(framed[None], hole[None], faces)
    return frame.paste_back(photo, to_grey(filled) if grey else filled, mask)


@dataclass(frozen=True)
class Job:
    """One photo to fill, by files."""

    photo: Path
    references: tuple[Path, ...]
    output: Path
    mask: Path | None = None


def _check_output(output: Path, force: bool) -> None:
    if output.suffix.lower() not in LOSSLESS_SUFFIXES:
        raise TwoFaceError(
            f"output {output}: '{output.suffix}' would change pixels outside the hole; use "
            f"{', '.join(sorted(LOSSLESS_SUFFIXES))}"
        )
    if output.exists() and not force:
        raise TwoFaceError(f"{output} exists and is kept; add --force to replace it")


def run_job(session: FillSession, job: Job, box: Box | None, reference_box: Box | None, force: bool) -> None:
    """Fill one photo, from files to a file.

    Raises:
        TwoFaceError: as :func:`inpaint`, unreadable files, or an output that exists or loses pixels.
    """
    _check_output(job.output, force)
    mask = decode_mask(job.mask) if job.mask is not None else None
    references = [decode_image(path) for path in job.references]
    result = inpaint(session, decode_image(job.photo), references, mask, box, reference_box)
    write_image(job.output, result)


def _partner(photo: Path, given: Path, what: str) -> Path:
    """The file for a photo: the given one, or in a folder the one of the same name, else of the same stem."""
    if not given.is_dir():
        return given
    same = sorted(
        (path for path in list_photos(given) if path.stem == photo.stem), key=lambda path: path.name != photo.name
    )
    if not same:
        raise TwoFaceError(f"{given}: no {what} named like {photo.name}")
    return same[0]


def _partners(photo: Path, given: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(_partner(photo, path, "reference") for path in given)


def plan_jobs(image: Path, references: Sequence[Path], output: Path, mask: Path | None = None) -> Iterator[Job]:
    """One job for a photo, one for each photo of a folder.

    For a folder of photos, each of ``references`` and ``mask`` is one file for all of them or a folder with
    files of the same names; ``output`` is a folder.

    Raises:
        TwoFaceError: a photo or folder that is missing or empty, a partner that is missing.
    """
    if not image.is_dir():
        if output.is_dir():
            output = output / f"{image.stem}.png"
        yield Job(image, _partners(image, references), output, mask and _partner(image, mask, "mask"))
        return
    photos = list_photos(image)
    if not photos:
        raise TwoFaceError(f"{image}: no photos in this folder")
    if output.exists() and not output.is_dir():
        raise TwoFaceError(f"output {output} is a file; for a folder of photos give a folder")
    stems = [photo.stem for photo in photos]
    for photo in photos:
        name = photo.stem if stems.count(photo.stem) == 1 else photo.name.replace(".", "-")
        yield Job(
            photo,
            _partners(photo, references),
            output / f"{name}.png",
            mask and _partner(photo, mask, "mask"),
        )
