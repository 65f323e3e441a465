"""Parts of one's own, as docs/extend says: found by their entry points, trained with, exported, served."""

import base64
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
import yaml
from conftest import HOLE, SIZE
from pages import write_files
from served import free_port

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.export import export
from twoface_pl.faces.image import write_image
from twoface_pl.faces.sample import Tear, draw_sample
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.versions import find_model
from twoface_pl.training.own_losses import build_own_loss

PAGES = ("extend/index.md", "extend/generator.md", "extend/mask-policy.md", "extend/loss.md", "extend/masks.md")


def _declare(folder: Path, **points: dict[str, str]) -> None:
    """What `pip install` makes of a package's entry points."""
    about = folder / "my_faces-1.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-faces\nVersion: 1\n")
    lines = [
        f"[twoface_pl.{kind}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for kind, names in points.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the pages' files, as an installed package."""
    write_files(tmp_path, *PAGES)
    declared = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["entry-points"]
    _declare(tmp_path, **{group.removeprefix("twoface_pl."): names for group, names in declared.items()})
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("my_faces", None)


def test_each_part_is_found_by_its_name(mine: Path) -> None:
    generator = build_generator({"name": "blend", "width": 4})
    image, mask = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:6] = 1
    for references in (torch.rand(2, 3, 3, 8, 8), torch.rand(2, 0, 3, 8, 8)):
        filled = generator(image * (1 - mask), mask, references)
        assert torch.equal(filled * (1 - mask), image * (1 - mask))
    hole = build_mask_policy({"name": "bar", "height": 0.25}).draw(np.random.default_rng(0), 40)
    assert hole.sum() == 10 * 40
    loss = build_own_loss("colour", {"weight": 1.0, "power": 2.0}, ())
    white, black = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert loss(white / 2, black, references, torch.ones(1, 1, 4, 4)).item() == 0.25


def test_a_training_with_parts_of_ones_own_is_exported(mine: Path, prepared: Path) -> None:
    command = [
        sys.executable, "-m", "twoface_pl.cli", "train", "--config-dir", "my_conf", "generator=blend", "mask=bar",
        "losses=with_colour", "identity=none", "losses.identity.weight=0", "losses.perceptual.weight=0", "augment=none",
        f"data.root={prepared}", f"image_size={SIZE}", "data.workers=0", "data.batch_size=4", "max_batches=2",
        "validate_every=2", "log_every=1", "logger=csv", "trainer=cpu", "hydra.run.dir=run",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=mine, env={**os.environ, "PYTHONPATH": str(mine)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (figures,) = (mine / "run").rglob("metrics.csv")
    assert "generator/colour" in figures.read_text().splitlines()[0]
    trained = load_generator(mine / "run" / "best.ckpt")
    assert (trained.generator.name, trained.mask["name"]) == ("blend", "bar")
    path = export(trained, mine / "model").path
    session = FillSession(find_model(path), "cpu")
    pictures = np.random.default_rng(0).random((2, SIZE, SIZE, 3), np.float32)
    hole = np.broadcast_to(session.default_mask, (2, SIZE, SIZE))
    filled = session.fill(pictures, hole, pictures[:, None, ::-1])
    assert np.abs(filled - pictures)[~hole].max() < 1e-6 < np.abs(filled - pictures)[hole].mean()


def test_a_mixture_of_ones_own_masks(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hole = np.zeros((90, 90, 3), np.uint8)
    hole[30:60] = 255
    for name, pixels in (("none", hole * 0), ("bar", hole)):
        write_image(mine / "my_masks" / f"{name}.png", pixels)
    monkeypatch.chdir(mine)
    policy = build_mask_policy(yaml.safe_load((mine / "my_conf" / "mask" / "damage.yaml").read_text()))
    drawn = [policy.draw(np.random.default_rng(seed), 180) for seed in range(40)]
    scanned = [
        np.array_equal(np.flatnonzero(mask.any(axis=1)), np.arange(60, 120)) and mask[60:120].all() for mask in drawn
    ]
    assert 20 <= sum(scanned) <= 37  # three of four


def test_parts_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_faces.py").write_text("def nothing(**options):\n    return None\n")
    names = {"nothing": "my_faces:nothing", "gone": "my_faces:gone"}
    _declare(tmp_path, generators=names, masks=names, losses=names)
    monkeypatch.syspath_prepend(str(tmp_path))
    options = {"weight": 1.0}
    for build in (
        lambda name: build_generator({"name": name}),
        lambda name: build_mask_policy({"name": name}),
        lambda name: build_own_loss(name, options, ()),
    ):
        with pytest.raises(TwoFaceError, match="nothing"):
            build("nothing")
        with pytest.raises(TwoFaceError, match=r"'gone' \(my_faces:gone\) cannot be imported: .*no attribute"):
            build("gone")
        with pytest.raises(TwoFaceError, match=r"nobody.* is not known; there are: .*gone, nothing"):
            build("nobody")
    _declare(tmp_path, masks={"center": "my_faces:nothing"})
    with pytest.raises(TwoFaceError, match="calls itself masks 'center', which is a name of twoface-pl"):
        build_mask_policy({"name": "mine"})
    assert build_mask_policy({"name": "center", "size": HOLE}).draw(np.random.default_rng(0), SIZE).sum() == HOLE**2


def test_a_protocol_of_ones_own(tmp_path: Path) -> None:
    write_files(tmp_path, "extend/protocol.md")
    sample = draw_sample(person=11, photo=4, reference=1, tear=Tear(1, 0.3, 0.3), size=256)
    files = {}
    pictures = {"photo": sample.photo, "mask": np.repeat(sample.hole[..., None] * np.uint8(255), 3, 2)}
    for name, pixels in {**pictures, "reference": sample.reference}.items():
        write_image(tmp_path / f"{name}.png", pixels)
        files[name] = base64.b64encode((tmp_path / f"{name}.png").read_bytes()).decode()
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "serve.py", str(port)], cwd=tmp_path, stdout=log, stderr=log)
        try:
            transport = httpx.HTTPTransport(retries=8)  # with growing pauses: until it listens
            with httpx.Client(transport=transport, timeout=60) as client:
                answer = client.post(f"http://127.0.0.1:{port}/gallery", content=json.dumps(files))
        finally:
            server.terminate()
            server.wait(60)
    assert answer.status_code == 200, (answer.text, (tmp_path / "log").read_text())
    assert answer.headers["content-type"] == "image/png"
