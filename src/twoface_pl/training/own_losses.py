"""Losses of other packages, beside ours."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor, nn

from twoface_pl.errors import require
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.plugins import call_plugin, load_plugin, unknown

OURS = ("weight", "start")  # of its options; the others are its own
# What ours are called in the curves, beside their names in configs.
PARTS = ("adversarial_global", "adversarial_local", "identity_truth", "identity_reference", "total")


class OwnLoss(Protocol):
    """A loss of the generator. Where it is a module, its weights stay as they are."""

    def __call__(self, filled: Tensor, photo: Tensor, references: Tensor, mask: Tensor) -> Tensor:
        """How bad a fill is.

        Args:
            filled, photo: (N, 3, H, W) in [0, 1], alike outside the hole.
            references: (N, R, 3, H, W) in [0, 1]; R may be 0.
            mask: (N, 1, H, W), 1 = hole.

        Returns:
            a number, to be minimised.
        """


def require_start(name: str, value: object) -> None:
    """Refuse what is neither a batch's number nor a share of the training, from which on a loss counts.

    Raises:
        TwoFaceError: names the option.
    """
    if isinstance(value, float):
        require(0 <= value < 1, f"{name}={value} is no share of the training, below 1; of batches give a whole number")
    else:
        require_whole(name, value, 0)


def build_own_loss(name: str, options: dict[str, Any], known: tuple[str, ...]) -> OwnLoss:
    """A loss that an installed package declares as ``twoface_pl.losses``.

    Args:
        name: of the entry point.
        options: ``weight``, and ``start`` if it begins to count later; the rest is what it is called with.
        known: the losses that are ours.

    Raises:
        TwoFaceError: no such loss, or options that it does not take.
    """
    require(name not in PARTS, f"losses.{name}: curves have a part of ours by that name; give yours another")
    make = load_plugin("losses", name, known)
    if make is None:
        raise unknown("losses", name, known)
    require("weight" in options, f"losses.{name}.weight is missing")
    require_number(f"losses.{name}.weight", options["weight"], 0)
    require_start(f"losses.{name}.start", options.get("start", 0))
    own = {key: value for key, value in options.items() if key not in OURS}
    loss: Any = call_plugin(f"losses.{name}", cast(Any, make), **own)
    require(callable(loss), f"losses.{name}: {make} makes nothing that can be called")
    if isinstance(loss, nn.Module):
        loss.eval().requires_grad_(False)
    return cast(OwnLoss, loss)


def value_of(name: str, loss: OwnLoss, filled: Tensor, photo: Tensor, references: Tensor, mask: Tensor) -> Tensor:
    """A loss's one number; arguments as :class:`OwnLoss` has them.

    Raises:
        TwoFaceError: it raised something, or returned no number.
    """
    value: object = call_plugin(f"losses.{name}", loss, filled, photo, references, mask)
    one = isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point()
    shape = list(value.shape) if isinstance(value, Tensor) else None
    require(one, f"losses.{name} returned {f'a tensor {shape}' if shape else type(value).__name__}, not one number")
    number = cast(Tensor, value).reshape(())
    learns = number.requires_grad or not filled.requires_grad
    require(
        learns, f"losses.{name} has no gradient, so nothing would be learnt from it; compute it from the fill itself"
    )
    return number
