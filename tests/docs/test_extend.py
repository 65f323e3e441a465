"""Parts of one's own, as docs/extend says: found by their entry points, trained with, exported, served."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from twoface_pl.masks import Drawing, MaskPolicy, build_mask_policy
from twoface_pl.masks.combined import Curriculum, Mixture
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.versions import find_model
from twoface_pl.training.own_losses import build_own_loss, value_of

PAGES = ("extend/index.md", "extend/generator.md", "extend/mask-policy.md", "extend/loss.md", "extend/masks.md")


def _declare(folder: Path, package: str, **points: dict[str, str]) -> None:
    """What `pip install` makes of a package's entry points."""
    about = folder / f"{package}-1.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    lines = [
        f"[twoface_pl.{kind}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for kind, names in points.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages' files, and in ``site`` what pip makes of it."""
    folder = tmp_path_factory.mktemp("mine")
    write_files(folder, *PAGES)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "site"), "."]
    subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture
def mine(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That folder, the package installed."""
    shutil.copytree(package, tmp_path / "mine")
    monkeypatch.syspath_prepend(str(tmp_path / "mine" / "site"))
    yield tmp_path / "mine"
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
        sys.executable, "-m", "twoface_pl", "train", "--config-dir", "my_conf", "experiment=mine",
        "identity=none", "losses.identity.weight=0", "losses.perceptual.weight=0", "augment=none",
        f"data.root={prepared}", f"image_size={SIZE}", "data.workers=0", "data.batch_size=4", "max_batches=2",
        "validate_every=2", "log_every=1", "logger=csv", "trainer=cpu", "hydra.run.dir=run",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(mine / "site")}
    done = subprocess.run(command, cwd=mine, env=environment, capture_output=True, text=True, check=False)
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


BUILDERS: dict[str, Callable[[str], object]] = {
    "generators": lambda name: build_generator({"name": name}),
    "masks": lambda name: build_mask_policy({"name": name}),
    "losses": lambda name: build_own_loss(name, {"weight": 1.0}, ("identity",)),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_parts_that_are_none(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_faces.py").write_text(
        "def nothing(**options):\n    return None\n\n\ndef broken(**options):\n    return [][3]\n"
    )
    names = {name: f"other_faces:{name}" for name in ("nothing", "gone", "broken", "twice")}
    _declare(tmp_path, "other", **{kind: names | {"gone_too": "no_such_module:x"}})
    _declare(tmp_path, "more", **{kind: {"twice": "other_faces:nothing"}})
    monkeypatch.syspath_prepend(str(tmp_path))
    build = BUILDERS[kind]
    for name, says in (
        ("nothing", "nothing"),
        ("gone", r"'gone' \(other_faces:gone of other\) cannot be imported: AttributeError: .*no attribute"),
        ("gone_too", r"cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken", r"broken.*IndexError: list index out of range \(other_faces.py, line 6\)"),
        ("twice", "'twice' is declared twice, by other_faces:[a-z]+ of (other|more) and other_faces:"),
        ("nobody", r"nobody.* is not known; there are: .*broken, gone, gone_too, nothing, twice"),
    ):
        if (kind, name) == ("generators", "broken"):
            continue  # a function is no generator
        with pytest.raises(TwoFaceError, match=says) as refused:
            build(name)
        assert "\n" not in str(refused.value)


def test_names_of_ours_are_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _declare(tmp_path, "other", masks={"center": "other_faces:nothing"})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert build_mask_policy({"name": "center", "size": HOLE}).draw(np.random.default_rng(0), SIZE).sum() == HOLE**2
    assert "mask policy 'center' is twoface-pl's own; other_faces:nothing of other needs another name" in caplog.text
    with pytest.raises(TwoFaceError, match="curves have a part of ours by that name"):
        build_own_loss("identity_truth", {"weight": 1.0}, ())


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("0.5", "losses.bad returned float, not one number"),
        ("filled.mean(dim=1)", r"losses.bad returned a tensor \[2, 4, 4\], not one number"),
        ("filled.detach().mean()", "losses.bad has no gradient"),
        ("filled @ photo.mean()", r"losses.bad: RuntimeError: .* \(bad_loss.py, line 2\)"),
    ],
)
def test_losses_that_are_no_number(returned: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_loss.py").write_text(
        f"def loss(filled, photo, references, mask):\n    return {returned}\n\n\ndef make():\n    return loss\n"
    )
    _declare(tmp_path, "other", losses={"bad": "bad_loss:make"})
    monkeypatch.syspath_prepend(str(tmp_path))
    loss = build_own_loss("bad", {"weight": 1.0}, ())
    picture = torch.rand(2, 3, 4, 4)
    with pytest.raises(TwoFaceError, match=says):
        value_of("bad", loss, picture.clone().requires_grad_(), picture, picture[:, None], picture[:, :1])
    sys.modules.pop("bad_loss")


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("masked_image[..., ::2, ::2]", r"returned a tensor \[2, 3, 32, 32\], not the whole photos \[2, 3, 64, 64\]"),
        ("(masked_image,)", "returned tuple, not the whole photos"),
        ("masked_image + 2 * mask", r"returned values outside of \[0, 1\]"),
        ("masked_image * float('nan')", "or that are no number"),
        ("masked_image / 2", "changed pixels outside the hole; return composite"),
        ("masked_image @ mask.mean()", r"generator 'bad': RuntimeError: .* \(bad_generator.py, line 8\)"),
    ],
)
def test_generators_that_fill_no_photo(
    returned: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_generator.py").write_text(
        "from twoface_pl.networks.generator import Generator\n\n\nclass Bad(Generator):\n    name = 'bad'\n\n"
        f"    def forward(self, masked_image, mask, references):\n        return {returned}\n"
    )
    _declare(tmp_path, "other", generators={"bad": "bad_generator:Bad"})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TwoFaceError, match=says):
        build_generator({"name": "bad"})
    sys.modules.pop("bad_generator")


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (None, "NoneType, not a boolean array"),
        (np.ones((8, 8)), r"float64 \[8, 8\], not a boolean array"),
        (np.ones((4, 8), bool), r"bool \[4, 8\], not a boolean array"),
        (np.zeros((8, 8), bool), "a mask without a hole"),
    ],
)
def test_policies_that_draw_no_mask(drawn: object, says: str) -> None:
    class Bad(MaskPolicy):
        name = "bad"

        def draw_for(self, at: Drawing) -> np.ndarray:
            return drawn  # type: ignore[return-value]

    for policy in (Bad(), Mixture((Bad(),), (1.0,)), Curriculum((Bad(),), ())):
        with pytest.raises(TwoFaceError, match=f"mask policy 'bad' drew {says}"):
            policy.draw(np.random.default_rng(0), 8)


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
