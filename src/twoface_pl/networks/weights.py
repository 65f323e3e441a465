"""Reading files of weights, with errors that say what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twoface_pl.errors import TwoFaceError


def load_torch_file(path: Path, what: str) -> dict[str, Any]:
    """The dictionary that torch saved to a file; never runs code from it.

    Raises:
        TwoFaceError: not such a file.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes of any other origin make the unpickler fail in any way
        raise TwoFaceError(
            f"{path}: not a file of {what} ({(str(error) or repr(error)).splitlines()[0][:200]})"
        ) from None
    if not isinstance(content, dict):
        raise TwoFaceError(f"{path}: not a file of {what} (it holds no dictionary)")
    return content


def load_state(path: Path, what: str, sha256: str | None = None) -> dict[str, Tensor]:
    """A state dict from a local file; never runs code from it.

    Args:
        path: the file.
        what: the network's name, for errors.
        sha256: checked when given.

    Raises:
        TwoFaceError: missing, of another checksum, or not a file of weights.
    """
    path = path.expanduser()
    if not path.is_file():
        raise TwoFaceError(f"{what} weights: no file {path}; correct the path")
    if sha256 is not None:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256.lower():
            raise TwoFaceError(f"{path}: sha256 is {found}, not {sha256}; get the file anew")
    return load_torch_file(path, f"{what} weights")


def offline_error(what: str, key: str, error: Exception) -> TwoFaceError:
    """The sentence for a download that failed."""
    return TwoFaceError(
        f"{what} weights could not be downloaded ({type(error).__name__}); "
        f"put the file on this machine and give its path: {key}=/path/to/file.pt"
    )
