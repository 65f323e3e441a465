"""Identity networks: their files, their input, what they know."""

import hashlib
from pathlib import Path

import pytest
import torch

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.identity import load_identity


def _facenet_file(path: Path, with_logits: bool) -> Path:
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    network = InceptionResnetV1(pretrained=None, classify=with_logits, num_classes=5 if with_logits else None)
    torch.save(network.state_dict(), path)
    return path


def test_facenet_files_load_with_and_without_the_classifier(tmp_path: Path) -> None:
    faces = torch.rand(2, 3, 80, 80)
    embeddings = []
    for with_logits in (False, True):
        path = _facenet_file(tmp_path / f"{with_logits}.pt", with_logits)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        network = load_identity({"name": "facenet", "weights": str(path), "sha256": digest})
        embeddings.append(network(faces))
    assert embeddings[0].shape == (2, 512)
    assert torch.allclose(embeddings[0].norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(embeddings[0], embeddings[1], atol=1e-5)


def test_facenet_gets_its_own_input_range(tmp_path: Path) -> None:
    network = load_identity({"name": "facenet", "weights": str(_facenet_file(tmp_path / "f.pt", False))})
    faces = torch.rand(1, 3, 80, 80)
    direct = network.network((faces * 255 - 127.5) / 128)
    assert torch.allclose(network(faces), direct, atol=1e-5)
    with pytest.raises(ValueError, match=r"wants faces in \[0, 1\]"):
        load_identity({"name": "facenet", "weights": str(tmp_path / "f.pt")})(faces * 255)


def test_identity_buffers_never_move_and_gradients_reach_the_face(tmp_path: Path) -> None:
    network = load_identity({"name": "facenet", "weights": str(_facenet_file(tmp_path / "f.pt", False))})
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    faces = torch.rand(2, 3, 80, 80, requires_grad=True)
    network(faces)[:, 0].sum().backward()
    assert faces.grad is not None
    assert faces.grad.abs().sum() > 0
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())
    assert all(weight.grad is None for weight in network.parameters())


def test_bad_identity_weights(tmp_path: Path) -> None:
    path = _facenet_file(tmp_path / "f.pt", False)
    with pytest.raises(TwoFaceError, match=r"sha256 is .* not 00"):
        load_identity({"name": "facenet", "weights": str(path), "sha256": "00"})
    with pytest.raises(TwoFaceError, match=r"no file .*gone\.pt"):
        load_identity({"name": "facenet", "weights": str(tmp_path / "gone.pt")})
    torch.save({"conv": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(TwoFaceError, match=r"other\.pt: not FaceNet"):
        load_identity({"name": "facenet", "weights": str(tmp_path / "other.pt")})
    (tmp_path / "text.pt").write_text("not weights")
    with pytest.raises(TwoFaceError, match=r"text\.pt: not a file of FaceNet weights"):
        load_identity({"name": "facenet", "weights": str(tmp_path / "text.pt")})
    with pytest.raises(TwoFaceError, match="'arcface' is not known"):
        load_identity({"name": "arcface"})


def test_offline_one_sentence_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import facenet_pytorch.models.inception_resnet_v1 as facenet

    def refuse(*_: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(facenet, "download_url_to_file", refuse)
    with pytest.raises(
        TwoFaceError, match=r"FaceNet .*could not be downloaded.*identity\.weights=/path.*without it: identity=none"
    ):
        load_identity({"name": "facenet", "weights": None})


def test_the_fitted_network_knows_unseen_synthetic_people(identity_file: Path) -> None:
    import numpy as np

    from twoface_pl.faces.synthetic import synthetic_photo

    network = load_identity({"name": "synthetic", "weights": str(identity_file)})
    faces = np.stack([synthetic_photo(person, photo, 64) for photo in range(2) for person in range(30)])
    embeddings = network(torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255)
    cosine = embeddings[:30] @ embeddings[30:].T
    same = cosine.diagonal().mean()
    different = (cosine.sum() - cosine.trace()) / (30 * 29)
    assert same > different + 0.25
