"""From plain options to a generator, ours or another package's."""

from __future__ import annotations

from typing import Any

import torch

from twoface_pl.errors import call_with_options, name_and_options, require
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.ours import AttentionGenerator
from twoface_pl.networks.seed import SeedGenerator
from twoface_pl.plugins import call_plugin, load_plugin, unknown

PLURAL = "generators"
TRIED_SIZE = 64  # pixels a side, at least, of the pictures that another package's generator is tried with
OWN: dict[str, type[Generator]] = {kind.name: kind for kind in (AttentionGenerator, SeedGenerator)}


def build_generator(options: dict[str, Any]) -> Generator:
    """A generator from ``{"name": "ours" or "seed", **options}``, or by a name that an installed package declares.

    Raises:
        TwoFaceError: no such generator or option, or weights that cannot be had.
    """
    name, arguments = name_and_options("generator", options)
    kind = (load_plugin(PLURAL, name, OWN) or OWN.get(name)) if isinstance(name, str) else None
    if kind is None:
        raise unknown(PLURAL, name, OWN)
    is_generator = isinstance(kind, type) and issubclass(kind, Generator)
    require(is_generator, f"generator '{name}': {kind} is no subclass of twoface_pl.networks.generator.Generator")
    if name not in OWN:
        generator = call_plugin(f"generator '{name}'", kind, **arguments)
        if not torch.empty(0).is_meta:  # else only the shapes of its weights are wanted, to look at a checkpoint's
            check_fill(generator)
        return generator
    return call_with_options(f"generator '{name}'", kind, arguments)


def check_fill(generator: Generator) -> None:
    """Hold a generator to what :class:`Generator` promises, by one fill of noise.

    Raises:
        TwoFaceError: it fails, or returns something else than a whole picture, composited, in [0, 1].
    """
    size = generator.only_size or generator.size_step * -(-TRIED_SIZE // generator.size_step)
    what = f"generator '{generator.name}'"
    was_training = generator.training
    generator.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        photo, mask = torch.rand(2, 3, size, size), torch.zeros(2, 1, size, size)
        side = (generator.only_hole.size if generator.only_hole is not None else size // 4) // 2
        mask[..., size // 2 - side : size // 2 + side, size // 2 - side : size // 2 + side] = 1
        masked, references = photo * (1 - mask), torch.rand(2, generator.only_references or 2, 3, size, size)
        filled: object = call_plugin(what, generator, masked, mask, references)
    generator.train(was_training)
    found = f"a tensor {list(filled.shape)}" if isinstance(filled, torch.Tensor) else type(filled).__name__
    whole = isinstance(filled, torch.Tensor) and filled.shape == photo.shape
    require(whole, f"{what} returned {found}, not the whole photos {list(photo.shape)}")
    assert isinstance(filled, torch.Tensor)
    within = bool((filled >= 0).all()) and bool((filled <= 1).all())
    require(within, f"{what} returned values outside of [0, 1], or that are no number; clamp its fill")
    kept = torch.equal(filled * (1 - mask), masked)
    require(kept, f"{what} changed pixels outside the hole; return composite(masked_image, fill, mask)")
