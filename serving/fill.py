"""An exported generator under onnxruntime: pictures that are framed already."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces import runtime
from twoface_pl.faces.reading import first_line
from twoface_pl.model_file import GENERATOR
from twoface_pl.model_signature import GENERATOR_INPUTS, OUTPUT, OWN_SIZE_OUTPUT
from twoface_pl.serving.model import ModelSession

TOLERANCE = 1e-3  # of what a fill may be beside [0, 1] and beside the picture: a quarter of a step of 8 bits


class FillError(TwoFaceError):
    """The model failed, not what it was given to fill."""


class FillSession(ModelSession):
    """Fills batches of pictures with an exported generator."""

    kind = GENERATOR

    def _try(self) -> None:
        for size in sorted({self.image_size, self.facts.fitting_size(2 * self.image_size)}):
            self._try_at(size)

    def _try_at(self, size: int) -> None:
        """Fill one picture; what is not as every generator's answer is refused. The next one is faster for it."""
        rng = np.random.default_rng(0)
        mask = self.hole_at(size)
        image, *references = rng.random((1 + (self.facts.references or 1), *mask.shape, 3), np.float32)
        feeds = self._feeds(image[None], mask[None], np.stack(references)[None])
        (filled,) = runtime.first_run(self.session, feeds, str(self.path), self._wanted(size))
        kept = ~mask
        if filled.shape != image[None].shape:
            problem = f"of shape {filled.shape}, not {image[None].shape}"
        elif not np.isfinite(filled).all():
            problem = "not finite"
        elif filled.min() < -TOLERANCE or filled.max() > 1 + TOLERANCE:
            problem = f"from {filled.min():.3g} to {filled.max():.3g}, not within [0, 1]"
        elif np.abs(filled[0][kept] - image[kept]).max() > TOLERANCE:
            problem = "changed outside the hole"
        else:
            return
        raise TwoFaceError(f"{self.path}: its fill of a picture is {problem}; get the file anew, or export again")

    def hole_at(self, size: int) -> np.ndarray:
        """The default mask, bool (size, size)."""
        mask = self.default_mask.astype(np.uint8)
        return cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) > 0

    def _wanted(self, size: int) -> list[str]:
        """The output to ask for: at the generator's own size its fill needs no more."""
        return [OWN_SIZE_OUTPUT if self.facts.any_size and size == self.image_size else OUTPUT]

    def _feeds(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
        holes = masks.astype(np.float32)[..., None]
        return dict(zip(GENERATOR_INPUTS, (images * (1 - holes), holes, references), strict=True))

    def fill(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Fill a batch. A photo in grey, or in one tone, stays so, whatever colours its references have.

        Args:
            images: float32 (N, S, S, 3) in [0, 1], S of :meth:`fitting_size`; what is in the hole does not matter.
            masks: bool or float32 (N, S, S), 1 = hole.
            references: float32 (N, R, S, S, 3) in [0, 1], or (N, S, S, 3) for one of each.

        Returns:
            float32 (N, S, S, 3) in [0, 1]; outside the hole just ``images``.

        Raises:
            TwoFaceError: a number of references that this model cannot take.
            FillError: it fails, for want of memory above all, or its fill is not finite.
        """
        if references.ndim == 4:
            references = references[:, None]
        self.check_references(references.shape[1])
        try:
            feeds = self._feeds(images, masks, references)
            (filled,) = self.session.run(self._wanted(images.shape[1]), feeds, runtime.run_options())
        except Exception as error:  # onnxruntime raises classes of its own, with no common base
            raise FillError(f"{self.path}: cannot fill these pictures: {first_line(error)}") from None
        if not np.isfinite(filled).all():
            raise FillError(f"{self.path}: its fill of these pictures is not finite; this model cannot fill them")
        return np.where(masks[..., None] > 0, filled, images)  # a mask may blend
