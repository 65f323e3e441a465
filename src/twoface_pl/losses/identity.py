"""Identity: the filled face should be the person of the reference."""

from __future__ import annotations

from torch import Tensor

from twoface_pl.errors import TwoFaceError

KINDS = ("cosine", "norm_2018")


def identity_loss(filled: Tensor, target: Tensor, kind: str = "cosine") -> Tensor:
    """Distance between identity embeddings.

    Args:
        filled: (N, D), unit embeddings of the filled faces.
        target: (N, D), unit embeddings of the reference or of the truth.
        kind: ``cosine``: 1 - cosine, averaged; ``norm_2018``: the norm of the whole batch's
            difference, as in the 2018 system.

    Raises:
        TwoFaceError: no such kind.
    """
    if kind == "cosine":
        return (1 - (filled * target).sum(dim=1)).mean()
    if kind == "norm_2018":
        return (filled - target).norm()
    raise TwoFaceError(f"losses.identity.kind={kind} is not one of {', '.join(KINDS)}")
