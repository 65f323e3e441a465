"""Photos of any size through the model: frame, fill, paste back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import overload

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import Photo
from twoface_pl.serving.placing import LARGE_FACE, place
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import Target, find_target

log = logging.getLogger(__name__)

References = np.ndarray | Sequence[np.ndarray] | None


def place_references(
    session: RepairSession,
    references: Sequence[np.ndarray],
    box: HandBox | None = None,
    frames: Sequence[Frame] | None = None,
) -> list[Frame]:
    """The frames of all references' faces; with frames by hand nothing is looked for.

    Raises:
        TwoFaceError: as :func:`place`; more of them than the model takes, one box or too few frames for several.
    """
    session.check_references(len(references))
    if frames is not None:
        require(len(frames) == len(references), f"{len(frames)} frames by hand for {len(references)} references")
    if box is not None and len(references) > 1:
        raise TwoFaceError("`reference_box` is for one reference; several must show one clear face each")
    names = ["reference"] if len(references) == 1 else [f"reference {n}" for n in range(1, len(references) + 1)]
    given: Sequence[Frame | None] = frames if frames is not None else [None] * len(references)
    return [
        place(session, Sought(pixels, name, "reference_box", box, frame=frame))
        for name, pixels, frame in zip(names, references, given, strict=True)
    ]


def _hint_at_small_references(session: RepairSession, frame: Frame, references: Sequence[Frame]) -> None:
    """Say so where the photo shows more than any reference can."""
    needed = session.facts.fitting_size(frame.side)
    largest = max(reference.side for reference in references)
    if needed > session.image_size and needed > LARGE_FACE * largest:
        log.warning(
            "the face in the photo is %.1f times as large as in the reference: the fill will be softer than the photo; "
            "give a reference with a larger face if there is one",
            frame.side / largest,
        )


def listed(references: References) -> Sequence[np.ndarray] | None:
    """References as a sequence; None where there are none."""
    return [references] if isinstance(references, np.ndarray) else references


def fill(
    session: RepairSession, target: Target, references: Sequence[np.ndarray] = (), frames: Sequence[Frame] = ()
) -> Photo:
    """Fill a photo whose face was found, from references whose faces were.

    Args:
        session: the model.
        target: from :func:`find_target`.
        references: uint8 sRGB (H, W, 3) each; none: the rest of the photo itself, without what is in the hole.
        frames: of their faces.

    Raises:
        TwoFaceError: more references than the model takes, or it fails.
    """
    if len(references):
        _hint_at_small_references(session, target.frame, frames)
    else:
        references, frames = [target.without_hole()], [target.frame]
    content = session.repair(target.seen, target.hole, target.frame, references, frames)
    return target.photo.with_fill(content, target.mask)


@overload
def inpaint(
    session: RepairSession,
    photo: np.ndarray,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> np.ndarray: ...


@overload
def inpaint(
    session: RepairSession,
    photo: Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> Photo: ...


def inpaint(
    session: RepairSession,
    photo: np.ndarray | Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> np.ndarray | Photo:
    """Fill the hole of a photo of any size.

    A black-and-white or toned photo stays so, whatever the references are.

    Args:
        session: the model.
        photo: uint8 sRGB (H, W, 3), of any size; or a :class:`Photo`, which keeps its colour profile.
        references: one or several photos of the person, uint8 sRGB (H, W, 3) each; their order does not matter.
            None where there is no other photo: the rest of this one stands for it, without what is in the hole.
        mask: of the photo's size: bool, True = hole, or uint8, 255 = hole, where what lies between blends. If left
            out, what is transparent in the photo; else the model's default mask in the frame.
        box, reference_box: x, y, width, height of the face, from the brow to the chin, and perhaps the angle that it
            is turned by, in degrees clockwise; else it is looked for, and of several in the photo it is the one under
            the mask. A model whose frame is ``none`` takes the box itself as the frame, else the largest centred
            square.

    Returns:
        As ``photo``, of its shape; pixels outside the mask are the photo's own, bit for bit. Its transparency stays,
        unless it was the hole.

    Raises:
        TwoFaceError: no face, or several and none of them meant; a mask of another size, an empty one, one
            mostly outside the frame, or one this model cannot fill; more references than it takes.

    With the package's model, a drawn face and its mouth as the hole:

    >>> from twoface_pl.faces.sample import Tear, draw_sample
    >>> from twoface_pl.model_file import REPAIR, model_path
    >>> from twoface_pl.serving.versions import find_model
    >>> session = RepairSession(find_model(model_path("shipped"), REPAIR), "cpu")
    >>> drawn = draw_sample(person=11, photo=4, reference=1, tear=Tear(1, 0.4, 0.3), size=256)
    >>> filled = inpaint(session, drawn.photo, drawn.reference, drawn.hole)
    >>> bool((filled == drawn.photo)[~drawn.hole].all()), bool((filled != drawn.photo)[drawn.hole].any())
    (True, True)
    """
    if not isinstance(photo, Photo):
        return inpaint(session, Photo(photo), references, mask, box, reference_box).pixels
    others = listed(references)
    session.check_references(len(others) if others is not None else 1)
    target = find_target(session, photo, mask, box)
    frames = place_references(session, others, reference_box) if others is not None else []
    return fill(session, target, others or (), frames)
