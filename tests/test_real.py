"""Real faces and the real FaceNet, where they are beside the project."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import GENERATOR, SHARED, losses, prepare_options, tiny_module, tiny_options

from twoface_pl.data.datamodule import DataOptions, TripleDataModule
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.export.export import export
from twoface_pl.faces.frame import Frame, FrameKind
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import list_photos
from twoface_pl.masks import CenterSquare
from twoface_pl.model_file import FILES, REPAIR
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.networks.identity import load_identity
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.training.train import train

FACENET = SHARED / "weights" / "facenet_casia_webface_fp16.pt"
VGG16 = SHARED / "weights" / "vgg16_caffe_to_relu3_3.pt"
LFW = SHARED / "faces" / "lfw"

pytestmark = pytest.mark.skipif(
    not (FACENET.is_file() and VGG16.is_file() and LFW.is_dir()),
    reason="no real faces and weights in ../shared",
)


def _facenet():
    digest = hashlib.sha256(FACENET.read_bytes()).hexdigest()
    return load_identity({"name": "facenet", "weights": str(FACENET), "sha256": digest})


def test_facenet_tells_real_people_apart() -> None:
    people = sorted(path for path in LFW.iterdir() if len(list_photos(path).paths) >= 4)[:16]
    photos = [decode_image(photo) for person in people for photo in list_photos(person).paths[:2]]
    # LFW's framing is loose; FaceNet was trained on the face alone.
    faces = np.stack([Frame.around_box((60, 60, 130, 130), *photo.shape[:2]).crop(photo, 128) for photo in photos])
    with torch.no_grad():
        embeddings = _facenet()(torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255)
    cosine = embeddings[::2] @ embeddings[1::2].T
    same = cosine.diagonal().mean()
    different = (cosine.sum() - cosine.trace()) / (len(people) * (len(people) - 1))
    assert same > 0.5
    assert different < 0.3


@pytest.mark.parametrize("name", ["ours", pytest.param("seed", marks=pytest.mark.slow)])
def test_the_whole_path_on_real_faces(name: str, tmp_path: Path) -> None:
    people = sorted(path for path in LFW.iterdir() if len(list_photos(path).paths) >= 4)[:12]
    for person in people:
        shutil.copytree(person, tmp_path / "photos" / person.name)
    frame = FrameKind("tight", 33, 54)
    prepare(prepare_options(tmp_path / "photos", tmp_path / "set", image_size=128, frame=frame))
    vgg = {"vgg_weights": str(VGG16)}
    identity = _facenet()
    module = tiny_module(
        generator={"name": "seed", **vgg} if name == "seed" else GENERATOR,
        discriminator={"name": "seed", **vgg} if name == "seed" else {"name": "conv", "width": 16},
        losses=losses(identity=0.1, perceptual={"weight": 0.1, "vgg_weights": str(VGG16)}),
        facts={"image_size": 128, "frame": frame.options(), "mask": {"name": "center", "size": 32}, "run": "real"},
        identity_network=identity,
    )
    data = TripleDataModule(DataOptions(tmp_path / "set", 128, 4, 0, 0, 4), CenterSquare(32))
    result = train(module, data, tiny_options(tmp_path / "run", max_batches=2))
    trained = load_generator(result.best)
    assert not any("identity" in key for key in torch.load(result.best, weights_only=True)["state_dict"])
    evaluation = evaluate(trained, EvaluateOptions(tmp_path / "set", "test", None, 8, 8, 0, "cpu"), identity)
    conditions = evaluation.figures["conditions"]
    assert 0.2 < conditions[evaluation.figures["opencv"]]["identity_to_truth"]["value"] < 1
    if name == "ours":
        return  # its export takes longer than all of this, and test_whole_path.py has one
    exported = export(trained, tmp_path / "models")
    session = RepairSession(exported.folder / FILES[REPAIR], "cpu")
    photo, reference = (decode_image(path) for path in list_photos(people[0]).paths[:2])
    filled = inpaint(session, photo, reference)
    assert filled.shape == photo.shape
    assert (filled != photo).any()
