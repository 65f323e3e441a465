"""What a hole's figures were made from, so that a benchmark goes on with none that were made from something else."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.compared import Compared, weights_digest
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.evaluation.report import FIGURES_FILE
from twoface_pl.faces.files import sha256_of
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import IdentityNetwork

MADE_FROM = "made_from"  # in the figures' file
# What measures and fills; one that is installed later measures more.
PACKAGES = (
    "numpy", "onnxruntime-gpu", "opencv-python-headless", "pypatchmatch", "scikit-image", "scikit-learn",
    "stlpips-pytorch", "torch", "torch-fidelity",
)  # fmt: skip


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _file(path: object) -> str:
    """A file's checksum."""
    if not path:
        return "none"
    try:
        return sha256_of(Path(str(path)))
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None


def made_from(
    trained: TrainedGenerator,
    options: EvaluateOptions,
    network: IdentityNetwork | None,
    against: Compared | None,
    photos: str,
) -> dict[str, str]:
    """All that figures follow from, in checksums.

    Args:
        trained: the generator.
        options: of the evaluation, with a list of trials.
        network: the identity network, where there is one.
        against: what is compared.
        photos: checksum of the framed photos.

    Raises:
        TwoFaceError: a file of weights that is not there.
    """
    assert options.trials is not None
    identity = f"{network.name} {weights_digest(network)}" if network is not None else "none"
    return {
        "version": __version__,
        "packages": ", ".join(f"{name} {_package(name)}" for name in PACKAGES),
        "generator": weights_digest(trained.generator),
        "compared": against.digest(list(options.trials.by_target)) if against is not None else "none",
        "photos": photos,
        "trials": f"the first {len(options.trials.by_target)} of {options.trials.sha256}",
        "hole": json.dumps(options.mask, sort_keys=True),
        "identity": identity,
        "recogniser": f"{options.recogniser['name']} {_file(options.recogniser.get('weights'))}",
        **{name: _file(getattr(options, name)) for name in ("lpips", "vgg", "inception")},
    }


def done_before(folder: Path, wanted: dict[str, str]) -> tuple[dict[str, Any] | None, list[str]]:
    """A hole's figures that are there.

    Returns:
        the figures, or None where there are none that can be read; and in what they were made from something else
        than ``wanted``.
    """
    try:
        figures: dict[str, Any] = json.loads((folder / FIGURES_FILE).read_text("utf-8"))
        there: dict[str, str] = figures[MADE_FROM]
    except (OSError, ValueError, KeyError, TypeError):
        return None, []
    return figures, [name for name, value in wanted.items() if there.get(name) != value]
