"""Content Credentials: signed offline with a certificate made here, seen in photos that have some."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.xmp import SOURCE_TYPE
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.credentials import Signer, has_credentials
from twoface_pl.serving.jobs import JobOptions, run_job
from twoface_pl.serving.plan import Job
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed")
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tiff": "image/tiff"}
KEYS = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def _certificate(key, issuer_key, name: str, issuer: str, days: int = 30, authority: bool = False) -> bytes:
    def named(what: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, what), x509.NameAttribute(NameOID.ORGANIZATION_NAME, what)]
        )

    usage = {"digital_signature": True, "key_cert_sign": authority, "crl_sign": authority}
    others = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    start = datetime.now(UTC) - timedelta(days=40)
    builder = (
        x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(start + timedelta(days=40 + days))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False)), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )  # fmt: skip
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _files(folder: Path, kind: str = "ec", days: int = 30, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate chain and its key, as PEM files."""
    root, key = KEYS["ec"](), KEYS[kind]()
    chain = _certificate(key, root, "signer", "root", days) + _certificate(root, root, "root", "root", authority=True)
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    )
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def session(model: Path) -> RepairSession:
    return RepairSession(find_model(model, REPAIR), "cpu")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(*_files(tmp_path))


def _job(folder: Path, suffix: str, after: str) -> Job:
    photo = folder / f"photo{suffix}"
    if not photo.exists():
        Image.fromarray(synthetic_photo(1, 0, 96)).save(photo)
    write_image(folder / "reference.png", synthetic_photo(1, 1, 96))
    return Job(photo, (folder / "reference.png",), folder / f"out{after}")


def _manifests(path: Path) -> tuple[dict, dict, str]:
    """The active manifest, its actions, and whether all of it holds."""
    reader = c2pa.Reader(TYPES[path.suffix], io.BytesIO(path.read_bytes()))
    active = reader.get_active_manifest()
    (actions,) = (each["data"]["actions"] for each in active["assertions"] if each["label"].startswith("c2pa.actions"))
    return active, {each["action"]: each for each in actions}, reader.get_validation_state()


@pytest.mark.parametrize("suffix", TYPES)
def test_a_result_is_signed_as_an_edit_of_its_photo(
    session: RepairSession, signer: Signer, suffix: str, tmp_path: Path
) -> None:
    job = _job(tmp_path, suffix, suffix)
    run_job(session, job, JobOptions(signer=signer))
    active, actions, state = _manifests(job.output)
    assert state == "Valid"
    assert list(actions) == ["c2pa.opened", "c2pa.edited"]
    assert actions["c2pa.edited"]["digitalSourceType"] == SOURCE_TYPE
    assert active["title"] == f"out{suffix}"
    (parent,) = active["ingredients"]
    assert (parent["title"], parent["relationship"]) == (job.photo.name, "parentOf")
    content = job.output.read_bytes()
    assert b"c2pa.thumbnail" not in content  # it would show what was in the photo
    assert SOURCE_TYPE.encode() in content
    assert len(content) < len(job.photo.read_bytes()) * 2 + 30_000
    plain = Job(job.photo, job.references, tmp_path / f"plain{suffix}")
    run_job(session, plain, JobOptions())
    assert np.array_equal(decode_image(job.output), decode_image(plain.output))
    assert not has_credentials(plain.output.read_bytes())


def test_one_changed_byte_and_it_no_longer_holds(session: RepairSession, signer: Signer, tmp_path: Path) -> None:
    job = _job(tmp_path, ".png", ".png")
    run_job(session, job, JobOptions(signer=signer))
    content = bytearray(job.output.read_bytes())
    content[-30] ^= 1
    job.output.write_bytes(content)
    assert _manifests(job.output)[2] == "Invalid"


@pytest.mark.parametrize("suffix", TYPES)
def test_credentials_of_the_photo_are_said_and_stay_its_own(
    session: RepairSession, signer: Signer, suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = _job(tmp_path, suffix, suffix)
    run_job(session, first, JobOptions(signer=signer))
    again = Job(first.output, first.references, tmp_path / f"again{suffix}")
    with caplog.at_level(logging.WARNING):
        run_job(session, again, JobOptions())
    assert "carries Content Credentials, which do not hold for a changed picture" in caplog.text
    assert not has_credentials(again.output.read_bytes())
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run_job(session, again, JobOptions(signer=signer, force=True))
    assert "stay with it as the original of the result" in caplog.text
    active, _, state = _manifests(again.output)
    assert state == "Valid"
    assert active["ingredients"][0]["active_manifest"]


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind_sign(kind: str, session: RepairSession, tmp_path: Path) -> None:
    job = _job(tmp_path, ".png", ".png")
    run_job(session, job, JobOptions(signer=Signer(*_files(tmp_path, kind))))
    assert _manifests(job.output)[2] == "Valid"


def test_what_has_no_name_is_called_what_it_is(
    session: RepairSession, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    job = _job(tmp_path, ".png", ".png")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(job.photo.read_bytes())))
    run_job(session, Job(Path("-"), job.references, Path("-")), JobOptions(signer=signer))
    job.output.write_bytes(capsysbinary.readouterr().out)
    active, _, state = _manifests(job.output)
    assert state == "Valid"
    assert (active["title"], active["ingredients"][0]["title"]) == ("filled photo", "photo")


def test_what_cannot_be_signed_is_refused_before_it_is_filled(
    session: RepairSession, signer: Signer, tmp_path: Path
) -> None:
    for before, after in ((".bmp", ".png"), (".png", ".bmp")):
        job = _job(tmp_path, before, after)
        with pytest.raises(TwoFaceError, match="carries no Content Credentials; save it as PNG, or leave `sign` out"):
            run_job(session, job, JobOptions(signer=signer))
        assert not job.output.exists()


def test_a_key_that_cannot_sign_is_a_sentence(tmp_path: Path) -> None:
    chain, key = _files(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = _files(other)
    with pytest.raises(TwoFaceError, match="the key is not the certificate's"):
        Signer(chain, other_key)
    with pytest.raises(TwoFaceError, match="give a certificate chain and its private key as PEM"):
        Signer(key, chain)
    with pytest.raises(TwoFaceError, match="no private key"):
        Signer(chain, tmp_path / "missing.pem")
    with pytest.raises(TwoFaceError, match="locked with a passphrase"):
        Signer(*_files(other, password=b"secret"))
    with pytest.raises(TwoFaceError, match="no longer valid"):
        Signer(*_files(other, days=-1))


def test_the_command_signs(model: Path, twoface: Run, tmp_path: Path) -> None:
    chain, key = _files(tmp_path)
    job = _job(tmp_path, ".jpg", ".jpg")
    common = ["inpaint", "--image", job.photo, "--reference", *job.references, "--model", model, "--output", job.output]
    done = twoface(*common, "--sign", f"{chain},{key}")
    assert done.returncode == 0, done.stderr
    assert _manifests(job.output)[2] == "Valid"
    done = twoface(*common, "--force", "--sign", chain)
    assert done.returncode == 2
    assert "is not two files, as chain.pem,key.pem" in done.stderr
