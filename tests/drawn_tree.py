"""Folders of drawn photos, and of other files."""

from pathlib import Path

from PIL import Image

from twoface_pl.faces.synthetic import synthetic_photo

SIZE = 64


def drawn_tree(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(synthetic_photo(1, number, SIZE))
        if path.suffix.lower() in (".txt", ".ini", ".db"):
            path.write_text("x")
        else:
            image.save(path, {".jfif": "JPEG", ".jpe": "JPEG", ".heic": "PNG"}.get(path.suffix.lower()))
