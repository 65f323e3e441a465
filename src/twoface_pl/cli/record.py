"""What a training was made of, beside what it made: its resolved config, the code, the packages, the data."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl import __version__

if TYPE_CHECKING:
    from twoface_pl.data.source import Source

RECORD = "record.yaml"
PACKAGES = ("torch", "torchvision", "pytorch-lightning", "numpy", "albumentations")


def _commit() -> str | None:
    """The checkout's commit that this code is of, with ``+`` where it was changed; None of an installed wheel."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", here, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def data_checksum(source: Source) -> str:
    """SHA-256 of what a prepared data set says that it holds: its facts and every split's lists."""
    from twoface_pl.data.index import FACTS_FILE, INDEX_FILES
    from twoface_pl.data.source import SPLITS

    names = [FACTS_FILE, *(f"{split}/{file}" for split in SPLITS for file in INDEX_FILES.values())]
    digest = hashlib.sha256()
    for name in names:
        content = source.read(name) if source.has(name) else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def write_record(config: dict[str, Any], source: Source, folder: Path) -> None:
    """Add a start of a training to the record in its folder; a resume is another start."""
    from omegaconf import OmegaConf

    told = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "twoface": __version__,
        "commit": _commit(),
        "packages": {name: version(name) for name in PACKAGES},
        "data_sha256": data_checksum(source),
        "config": config,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RECORD).open("a", encoding="utf-8") as file:
        file.write("---\n" + OmegaConf.to_yaml(OmegaConf.create(told)))
