"""Another generator, from whose fills a training learns: knowledge distillation (Hinton et al. 2015)."""

from __future__ import annotations

from typing import Any

import torch

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.masks import MaskPolicy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.generator import Generator

TEACHER = "losses.distillation.teacher"


def teacher_of(
    trained: TrainedGenerator, facts: dict[str, Any], policy: MaskPolicy, most: int, without: float
) -> Generator:
    """The generator of a trained one, if it can fill whatever a student is to fill.

    Args:
        facts: of the student's training, as :class:`InpaintingModule` takes them.
        policy: draws the student's holes.
        most, without: references it is given at the most, and the share of batches without any.

    Raises:
        TwoFaceError: the teacher works at another size, in another frame, on other holes or with another number of
            references.
    """
    teacher, size = trained.generator, facts["image_size"]
    theirs, ours = (trained.image_size, trained.frame.options()), (size, facts["frame"])
    told = f"{TEACHER} fills photos of {theirs[0]} px in frame {theirs[1]}, this training has {size} in {ours[1]}"
    require(theirs == ours, f"{told}; choose a teacher of the same")
    try:
        teacher.check(size, policy)
    except TwoFaceError as error:
        raise TwoFaceError(f"{TEACHER}: {error}") from None
    only = teacher.only_references
    takes = only is None or (most == only == 1 and without == 0)
    require(takes, f"{TEACHER} takes {only} reference, always; set references.most={only} references.none=0")
    return teacher.to(memory_format=torch.channels_last)
