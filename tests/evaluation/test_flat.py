"""The benchmark's pictures for programs that read flat folders."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import ROOT

from twoface_pl.faces.image import decode_image, write_image

FLAT = [sys.executable, str(ROOT / "benchmarks" / "flat.py")]


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLAT, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_there_and_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["Ann_B/Ann_B_0002.png", "Ann_B/Ann_B_0001.png", "Cy/1.png"]
    pictures = {name: np.full((16, 16, 3), rng.integers(0, 256, 3), np.uint8) for name in names}
    for name, pixels in pictures.items():
        write_image(tmp_path / "given" / "photo" / name, pixels)
        write_image(tmp_path / "given" / "wrong_reference" / name, 255 - pixels)
        write_image(
            tmp_path / "given" / "mask" / name,
            np.kron(np.eye(2), np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8) * 255,
        )
    done = _run(tmp_path, "out", "given", "flat", "--size", "32", "--reference", "wrong_reference")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "made"
    for path in sorted((tmp_path / "flat" / "photo").iterdir()):
        number = path.name.partition("_")[0]
        photo, reference = decode_image(path), decode_image(tmp_path / "flat" / "reference" / f"{number}_reference.png")
        assert photo.shape == (32, 32, 3)
        assert np.array_equal(reference, 255 - photo)
        mask = decode_image(tmp_path / "flat" / "mask" / f"{number}_mask.png")
        assert set(np.unique(mask)) == {0, 255}
        write_image(made / f"{number}_0_inpaint.png", photo)
    done = _run(tmp_path, "back", "flat", "made", "theirs", "--made", "{}_0_inpaint.png")
    assert done.returncode == 0, done.stderr
    for name, pixels in pictures.items():
        assert (decode_image(tmp_path / "theirs" / name) == pixels[0, 0]).all()
    (made / "0001_0_inpaint.png").unlink()
    done = _run(tmp_path, "back", "flat", "made", "more", "--made", "{}_0_inpaint.png")
    assert done.returncode == 1
    assert "1 of 3 pictures are not there: made/0001_0_inpaint.png" in done.stderr
    assert "inputs=<folder>" in _run(tmp_path, "out", "nowhere", "flat").stderr
