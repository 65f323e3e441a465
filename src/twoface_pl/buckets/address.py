"""Addresses of files elsewhere, and what goes wrong with them in words."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl.errors import TwoFaceError, require

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MARK = "://"
EXTRAS = {"s3": "s3", "s3a": "s3"}  # of this package, by protocol
MOST_SAID = 300  # characters of a library's error


class BucketError(TwoFaceError):
    """Something at an address cannot be read or written."""


def is_address(value: object) -> bool:
    """Whether a value is an fsspec address, not a path."""
    return MARK in str(value)


def require_here(key: str, value: object) -> None:
    """Refuse an address where a path is meant; it would become a folder of that name.

    Raises:
        TwoFaceError: names the key.
    """
    require(not is_address(value), f"{key}={value}: give a path on this machine; copy to or from the bucket yourself")


def cache_folder() -> Path:
    """Where what is fetched is kept: ``TWOFACE_CACHE``, else ``~/.cache/twoface``."""
    return Path(os.environ.get("TWOFACE_CACHE") or Path.home() / ".cache" / "twoface")


def kept_at(kind: str, address: str) -> Path:
    """A folder of the cache for an address."""
    return cache_folder() / kind / hashlib.sha256(address.encode()).hexdigest()[:16]


def open_address(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and the path in it.

    Raises:
        BucketError: fsspec does not know it, or the package that it needs is missing.
    """
    protocol = address.partition(MARK)[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise BucketError(f"{address} needs fsspec: pip install 'twoface-pl[s3]'") from None
    with said(address):
        try:
            system, path = url_to_fs(address, skip_instance_cache=True, use_listings_cache=False)
            return system, str(path)
        except ImportError as error:
            package = EXTRAS.get(protocol)
            how = f"pip install 'twoface-pl[{package}]'" if package else str(error)
            raise BucketError(f"{address} needs a package: {how}") from None
        except ValueError as error:
            raise BucketError(f"{address}: {error}") from None


@contextmanager
def said(address: str) -> Iterator[None]:
    """Says what goes wrong within; the libraries below raise errors of many kinds.

    Raises:
        BucketError: for any of them.
    """
    try:
        yield
    except TwoFaceError:
        raise
    except FileNotFoundError:
        raise BucketError(f"{address}: there is no such file or bucket") from None
    except PermissionError as error:
        raise BucketError(f"{address}: no right to it ({_short(error)}); check the credentials") from None
    except Exception as error:
        if type(error).__name__ == "NoCredentialsError":
            raise BucketError(
                f"{address}: no credentials; give those of its provider (for S3 AWS_ACCESS_KEY_ID...)"
            ) from None
        raise BucketError(f"{address}: {type(error).__name__}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:MOST_SAID]


def token(info: dict[str, Any]) -> str:
    """What changes when a file does: its size, and what its store says of its version."""
    versions = [info.get(key) for key in ("ETag", "etag", "generation", "blob_id")]
    # Times only where there is nothing better: some servers give them more exactly in a listing than of one file.
    times = [] if any(versions) else [info.get(key) for key in ("mtime", "LastModified")]
    parts = [info.get("size"), *versions, *times]
    return hashlib.sha256(repr([str(part) for part in parts]).encode()).hexdigest()
