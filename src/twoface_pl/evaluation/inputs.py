"""What other systems need to make their pictures for a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from twoface_pl.data.samplers import EvaluationKeys
from twoface_pl.data.triples import Triples
from twoface_pl.errors import require
from twoface_pl.evaluation.compared import ComparedPictures
from twoface_pl.evaluation.occlusion import Occluder
from twoface_pl.faces.image import write_image


def write_inputs(triples: Triples, folder: Path, count: int) -> int:
    """What any system fills from, as PNG: photos with grey in the hole, masks, and references of three kinds.

    Args:
        triples: of an evaluation.
        folder: gets ``photo``, ``mask`` (white is the hole), ``reference``, ``wrong_reference`` (where there is
            somebody else) and, of a list of trials, ``occluded_reference``, each as ``<person>/<photo>.png``, named
            after the photo.
        count: of the photos; 0: all.

    Returns:
        how many photos there are.

    Raises:
        TwoFaceError: the folder holds something, which would be taken for these photos' later.
    """
    is_free = not folder.exists() or not any(folder.iterdir())
    require(is_free, f"{folder} holds something already; give another inputs=")
    occlude = Occluder(triples.source, triples.split) if triples.options.trials is not None else None
    keys = list(EvaluationKeys(min(count or len(triples), len(triples))))
    for key in tqdm(keys, desc=f"writing {folder.name}", unit="photo", mininterval=1):
        target = triples.targets[key[1]]
        triple = triples[key]
        photo, mask = triple["photo"].numpy(), triple["mask"].numpy()
        reference = triple["references"][0].numpy()
        person, files = target.partition("/")[0], triples.evaluation_references(target)
        pictures = {
            "photo": np.where(mask[..., None], np.uint8(128), photo),
            "mask": np.repeat(mask[..., None] * np.uint8(255), 3, axis=2),
            "reference": reference,
        }
        if occlude is not None:
            pictures["occluded_reference"] = occlude(f"{person}/{files[0]}", reference)
        if "wrong_references" in triple:
            pictures["wrong_reference"] = triple["wrong_references"][0].numpy()
        for name, pixels in pictures.items():
            write_image(folder / name / ComparedPictures.name_of(target), pixels)
    return len(keys)
