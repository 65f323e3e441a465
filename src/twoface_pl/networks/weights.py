"""Reading files of weights, with errors that say what to do."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import sha256_of
from twoface_pl.faces.reading import check_file, first_line

ZIP_START = b"PK\x03\x04"


def _check_stored(path: Path, what: str) -> None:
    """Refuse a file that unpacks to more than it is: torch stores, it never compresses."""
    with path.open("rb") as file:
        if file.read(len(ZIP_START)) != ZIP_START:  # of a torch before 1.6
            return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if (
        any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        or sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise TwoFaceError(f"{path}: not a file of {what} (it is compressed, as torch's never are)")


def load_torch_file(path: Path, what: str) -> dict[str, Any]:
    """The dictionary by name that torch saved to a file (see :func:`check_file` first); never runs code from it.

    Raises:
        TwoFaceError: not such a file, or too little memory for it.
    """
    try:
        _check_stored(path, what)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (TwoFaceError, MemoryError):
        raise
    except Exception as error:  # bytes of any other origin make the unpickler fail in any way
        if "allocate memory" in str(error):
            raise TwoFaceError(f"{path}: too little memory to read it ({first_line(error)})") from None
        damaged = isinstance(error, pickle.UnpicklingError)  # torch's words for it advise to run code from the file
        reason = "damaged, or it holds more than tensors and plain values" if damaged else first_line(error)
        raise TwoFaceError(f"{path}: not a file of {what} ({reason})") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise TwoFaceError(f"{path}: not a file of {what} (it holds no dictionary by names)")
    return content


def is_weight(value: object) -> bool:
    """Whether it is a tensor with all its values, no view that claims more of them than there are."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def check_weights(weights: Mapping[str, object], name: str) -> None:
    """Refuse what is no weight, and weights that are not finite.

    Args:
        weights: by name.
        name: of the file, for errors.

    Raises:
        TwoFaceError: names the first.
    """
    for key, value in weights.items():
        if not is_weight(value):
            raise TwoFaceError(f"{name}: its {key[:100]} is no weight ({type(value).__name__})")
        assert isinstance(value, Tensor)
        if not torch.isfinite(value).all():
            raise TwoFaceError(
                f"{name}: its {key[:100]} is not finite (NaN or infinite); its training went wrong: take an earlier one"
            )


def load_state(path: Path, what: str, sha256: str | None = None) -> dict[str, Tensor]:
    """A state dict from a local file; never runs code from it.

    Args:
        path: the file.
        what: the network's name, for errors.
        sha256: checked when given.

    Raises:
        TwoFaceError: missing, of another checksum, not a file of weights, or weights that are not finite.
    """
    path = path.expanduser()
    check_file(path, f"file of {what} weights", "correct the path")
    if sha256 is not None:
        found = sha256_of(path)
        if found != sha256.lower():
            raise TwoFaceError(f"{path}: sha256 is {found}, not {sha256}; get the file anew")
    state = load_torch_file(path, f"{what} weights")
    check_weights(state, str(path))
    return state


def offline_error(what: str, key: str, without: str, error: Exception) -> TwoFaceError:
    """The sentence for a download that failed."""
    return TwoFaceError(
        f"{what} weights could not be downloaded ({type(error).__name__}); "
        f"put the file on this machine and give its path: {key}=/path/to/file.pt; or go without it: {without}"
    )
