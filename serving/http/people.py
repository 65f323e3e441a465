"""Photos of any size, as people have them: a form in, the repaired photo out, as the command line writes it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np

from twoface_pl.errors import TwoFaceError, in_words_of, require
from twoface_pl.faces.face import Face
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.formats import TooLargeError, open_picture
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import Photo, decode_image, decode_mask, read_photo
from twoface_pl.faces.jpeg import NoRewriteError, can_rewrite
from twoface_pl.faces.writing import JPEG_SUFFIXES, KINDS, check_keeps_pixels, photo_content
from twoface_pl.serving.credentials import has_credentials
from twoface_pl.serving.http.forms import Form, read_form, sorted_form
from twoface_pl.serving.http.task import JSON, Refusal, Reply, Task
from twoface_pl.serving.inpaint import fill, place_references
from twoface_pl.serving.likeness import Likeness, Verdict, find_recogniser
from twoface_pl.serving.mask_input import MaskOptions, adjusted, is_mostly_grey
from twoface_pl.serving.output import check_keeps
from twoface_pl.serving.parsing import parse_box, parse_colour, parse_pixels, parse_truth
from twoface_pl.serving.placing import parse_frame
from twoface_pl.serving.references import is_copy, warn_of_made
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import find_target, opaque_in

log = logging.getLogger(__name__)

MOST_REFERENCES = 8
INPAINT_FILES = {"photo": 1, "reference": MOST_REFERENCES, "mask": 1}
FRAMES = frozenset({"frame", "reference_frames"})  # where faces are, as programs say it
INPAINT_TEXTS = FRAMES | {
    "box",
    "reference_box",
    "invert",
    "grow",
    "mask_colour",
    "format",
    "reencode",
    "check",
    "opaque",
}  # as the command line's options of these names
FACES_FILES, FACES_TEXTS = {"photo": 1, "mask": 1}, frozenset[str]()
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "TIFF": ".tiff", "WEBP": ".webp", "BMP": ".bmp"}
MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff", "WEBP": "image/webp", "BMP": "image/bmp"}
REMARKS = "x-remarks"  # header of what is said of a repair beside the picture


class _Heard(logging.Handler):
    """Keeps what is said of a photo, for who sent it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.remarks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.remarks.append(as_fields(record.getMessage()))


@contextmanager
def _heard() -> Iterator[list[str]]:
    handler, logger = _Heard(), logging.getLogger("twoface_pl")
    logger.addHandler(handler)
    try:
        yield handler.remarks
    finally:
        logger.removeHandler(handler)


def as_fields(text: str) -> str:
    """What is said of arguments, said of a form's fields of the same names."""
    return in_words_of(text.replace("`output` with .png", "format=png"), lambda name: name)


def _numbers(values: Any) -> list[Any]:
    return (np.round(np.asarray(values, np.float64), 2) + 0.0).tolist()  # no -0


def _described(face: Face, frame: Frame) -> dict[str, Any]:
    return {
        "box": _numbers(face.box),
        "angle": round(face.angle, 1) + 0.0,  # no -0
        "landmarks": _numbers(face.landmarks),
        "confidence": round(float(face.confidence), 4),
        "frame": _by_middle(frame),
    }


def _by_middle(frame: Frame) -> list[Any]:
    """As the form's field ``frame`` takes it."""
    return _numbers([*frame.middle, frame.side, np.degrees(frame.angle)])


def _corners(frame: Frame) -> list[Any]:
    """Of the square that the model sees, in the picture's pixels, from its upper left on."""
    return _numbers(frame.from_unit(np.array([(0, 0), (1, 0), (1, 1), (0, 1)])))


class People:
    """Repairs and searches what people send.

    Args:
        session: the model that repairs.
        most_pixels: of a picture; all of a form's together may have twice as many.
    """

    def __init__(self, session: RepairSession, most_pixels: int) -> None:
        self.session = session
        self.most_pixels = most_pixels

    @cached_property
    def _likeness(self) -> Likeness:
        if not self.session.frame.aligned:
            raise Refusal("this model does not say where faces are, and a fill cannot be compared with anybody", 501)
        try:
            return Likeness(find_recogniser(None), self.session)
        except TwoFaceError:
            raise Refusal("this server cannot check whom a fill looks like: it lacks twoface-pl[check]", 501) from None

    def _check_pixels(self, form: Form) -> None:
        """Refuse pictures by their headers, before any is decoded."""
        left = 2 * self.most_pixels
        for name, contents in form.files.items():
            for content in contents:
                try:
                    width, height = open_picture(content, name, self.most_pixels).size
                except TooLargeError as error:
                    raise Refusal(str(error), 413) from None
                left -= width * height if name != "mask" else 0  # of the photo's size
        if left < 0:
            raise Refusal(f"all pictures together are more than {2 * self.most_pixels / 10**6:g} megapixels", 413)

    def _form(self, task: Task, body: bytes | bytearray, files: dict[str, int], texts: frozenset[str]) -> Form:
        form = sorted_form(read_form(body, task.headers.get("content-type", "")), files, texts)
        if "photo" not in form.files:
            raise Refusal("photo is missing: curl -F photo=@photo.jpg ...")
        self._check_pixels(form)
        return form

    def faces(self, task: Task, body: bytes | bytearray) -> Reply:
        """The faces of a photo; with a mask, the one that the hole is meant for; and what there is to say.

        Raises:
            TwoFaceError: unreadable, or no face under the mask.
        """
        form = self._form(task, body, FACES_FILES, FACES_TEXTS)
        with _heard() as remarks:
            seen = decode_image(form.files["photo"][0], "photo")
            mask = self._mask(form, seen)
            if mask is None:
                found = self.session.finder.detector.detect(seen)
            else:
                found = [self.session.finder.find(Sought(seen, hole=mask > 0))]
        height, width = seen.shape[:2]
        kind = self.session.frame
        frames = [kind.place(face) if kind.aligned else Frame.around_box(face.box, height, width) for face in found]
        faces = [_described(*each) for each in zip(found, frames, strict=True)]
        return Reply.json({"width": width, "height": height, "faces": faces, "remarks": remarks})

    def inpaint(self, task: Task, body: bytes | bytearray) -> Reply:
        """The repaired photo, as its file or within JSON.

        Raises:
            TwoFaceError: as :func:`~twoface_pl.serving.inpaint.inpaint`, a form that is none.
        """
        form = self._form(task, body, INPAINT_FILES, INPAINT_TEXTS)
        if "reference" not in form.files:
            raise Refusal("reference is missing: another photo of the same person, one or several")
        with _heard() as remarks:
            return self._inpaint(form, JSON in task.headers.get("accept", ""), remarks)

    def _inpaint(self, form: Form, as_json: bool, remarks: list[str]) -> Reply:
        photo = read_photo(form.files["photo"][0], "photo", keep=True)
        if has_credentials(form.files["photo"][0]):
            log.warning(
                "the photo carries Content Credentials, which do not hold for a changed one: the answer has none"
            )
        seen = photo.seen()
        suffix = self._suffix(form, photo)
        mask = self._mask(form, seen)
        check_keeps(suffix, photo, mask, f"format {suffix.removeprefix('.')}")
        box, reference_box = (form.parsed(name, parse_box) for name in ("box", "reference_box"))
        likeness = self._likeness if form.parsed("check", parse_truth) else None
        frame = form.parsed("frame", parse_frame)
        if form.parsed("opaque", parse_truth):
            photo = opaque_in(photo, mask)
        target = find_target(self.session, photo, mask, box, frame)
        references, given = self._references(form, seen, target.mask)
        frames = place_references(self.session, references, reference_box, given) if references else []
        result = fill(self.session, target, references, frames)
        verdict = likeness.judge(target, references, frames, result.seen()) if likeness and references else None
        content = photo_content(suffix, result, self._reencode(form))
        media = MEDIA[KINDS[suffix]]
        if not as_json:
            return self._as_picture(content, media, verdict, remarks)
        answer = {
            "picture": base64.b64encode(content).decode(),
            "media": media,
            "frame": _corners(target.frame),
            "reference_frames": [_corners(frame) for frame in frames],
            "likeness": self._verdict(verdict),
            "remarks": remarks,
        }
        return Reply.json(answer, pictures=1)

    @staticmethod
    def _as_picture(content: bytes, media: str, verdict: Verdict | None, remarks: list[str]) -> Reply:
        said = [*remarks, f"likeness {verdict.likeness:.2f}: {verdict.words}", verdict.remark] if verdict else remarks
        line = " ".join("; ".join(filter(None, said)).split()).encode("ascii", "replace").decode()
        return Reply(content, media=media, headers={REMARKS: line} if line else {}, pictures=1)

    @staticmethod
    def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
        if verdict is None:
            return None
        return {"cosine": round(verdict.likeness, 3), "words": verdict.words, "remark": verdict.remark}

    @staticmethod
    def _reencode(form: Form) -> bool:
        return bool(form.parsed("reencode", parse_truth))

    def _suffix(self, form: Form, photo: Photo) -> str:
        """Of the answer's format: what is asked for, else the photo's own where that keeps what is beside the hole."""
        asked = form.texts.get("format")
        if asked is not None:
            suffix = f".{asked.lower()}"
            if suffix not in KINDS:
                raise Refusal(f"format: '{asked[:20]}' is not written; there are {', '.join(sorted(KINDS))}")
            if not self._reencode(form):
                check_keeps_pixels(suffix, photo)
            return suffix
        assert photo.origin is not None
        suffix = SUFFIXES.get(photo.origin.kind, ".png")
        if suffix not in JPEG_SUFFIXES or self._reencode(form):
            return suffix
        if not can_rewrite():
            log.warning("this server writes a JPEG photo as PNG; reencode=true allows a JPEG that loses a little")
            return ".png"
        try:
            check_keeps_pixels(suffix, photo)
        except NoRewriteError as error:
            log.warning("%s; the answer is a PNG", error.why)
            return ".png"
        return suffix

    @staticmethod
    def _mask(form: Form, seen: np.ndarray) -> np.ndarray | None:
        content = form.file("mask")
        if content is not None and "mask_colour" in form.texts:
            raise Refusal("give mask or mask_colour, not both")
        options = MaskOptions(
            bool(form.parsed("invert", parse_truth)),
            form.parsed("grow", parse_pixels) or 0,
            form.parsed("mask_colour", parse_colour),
        )
        mask = decode_mask(content, "mask") if content is not None else None
        if mask is not None and is_mostly_grey(mask):
            log.warning("the mask is mostly grey: there the fill is blended with the photo; is it a mask?")
        return adjusted(mask, seen, options, "mask")

    @staticmethod
    def _references(form: Form, seen: np.ndarray, hole: np.ndarray) -> tuple[list[np.ndarray], list[Frame] | None]:
        """Those that are not the photo itself, whose damage would come back from it; and their frames by hand."""
        pictures = [decode_image(content, "reference") for content in form.files["reference"]]
        for content in form.files["reference"]:
            warn_of_made(content, "a reference")
        others = [not is_copy(pixels, seen, hole) for pixels in pictures]
        if not all(others):
            log.warning("a reference is left out: it is the photo itself")
        if not any(others):
            log.warning(
                "no reference is left: the photo is filled from the rest of itself; give other photos of the person"
            )
        frames = None
        given = form.parsed("reference_frames", lambda text: [parse_frame(part) for part in text.split(";")])
        if given is not None:
            require(len(given) == len(pictures), f"reference_frames: {len(given)} for {len(pictures)} references")
            frames = list(compress(given, others))
        return list(compress(pictures, others)), frames
