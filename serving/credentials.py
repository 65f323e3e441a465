"""Content Credentials (C2PA 2.x): seen in a photo, and signed into a result as the last step, offline."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.origin import SYSTEM
from twoface_pl.faces.reading import check_file, first_line
from twoface_pl.faces.xmp import SOURCE_TYPE

if TYPE_CHECKING:
    import c2pa

MARK = b"jumdc2pa"  # of a manifest store's box: its kind, in any format
TYPES = {  # by Pillow's names
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff",
    "AVIF": "image/avif", "HEIF": "image/heic",
}  # fmt: skip
# A thumbnail would show what was in the photo; nothing is asked of a network.
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
ADVICE = "give a certificate chain and its private key as PEM: `sign` chain.pem,key.pem"


def has_credentials(content: bytes) -> bool:
    """Whether a picture's file carries Content Credentials."""
    return MARK in content


def check_kind(kind: str, name: str) -> None:
    """Refuse a format that cannot carry credentials, nor be the original of what does; ``kind`` is Pillow's name.

    Raises:
        TwoFaceError: says so.
    """
    require(kind in TYPES, f"{name}: a {kind} carries no Content Credentials; save it as PNG, or leave `sign` out")


def _read(path: Path, what: str) -> bytes:
    check_file(path, what, ADVICE)
    try:
        return path.read_bytes()
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None


def _algorithm(certificates: bytes, key: bytes, names: str) -> str:
    """C2PA's name of how a key signs.

    Raises:
        TwoFaceError: no certificate or key, or one that is not the other's.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate(certificates)
        private = load_pem_private_key(key, None)
    except TypeError:
        raise TwoFaceError(f"{names}: the key is locked with a passphrase; give one without") from None
    except Exception as error:  # ValueError, and the package's own
        raise TwoFaceError(f"{names}: {first_line(error)}; {ADVICE}") from None
    until = certificate.not_valid_after_utc
    require(datetime.now(UTC) <= until, f"{names}: the certificate is no longer valid (until {until:%d %B %Y})")
    require(private.public_key() == certificate.public_key(), f"{names}: the key is not the certificate's; {ADVICE}")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES:
        return CURVES[private.curve.name]
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    require(isinstance(private, ed25519.Ed25519PrivateKey), f"{names}: a key of a kind that C2PA does not know")
    return "ed25519"


class Signer:
    """Signs filled photos.

    Args:
        certificates: PEM file of the signer's certificate and those that vouch for it.
        key: PEM file of its private key.

    Raises:
        TwoFaceError: the package is missing, a file is, or they cannot sign.
    """

    def __init__(self, certificates: Path, key: Path) -> None:
        try:
            import c2pa
        except ImportError:
            raise TwoFaceError("to sign, pip install 'twoface-pl[sign]'") from None
        self._c2pa, self._names = c2pa, f"`sign` {certificates},{key}"
        chain, private = _read(certificates, "certificate"), _read(key, "private key")
        algorithm = _algorithm(chain, private, self._names)
        try:
            self._signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, private, None))
            self._context = c2pa.Context(c2pa.Settings.from_dict(SETTINGS))
        except Exception as error:  # the package's, of many classes
            raise TwoFaceError(f"{self._names}: {first_line(error)}; {ADVICE}") from None

    def _builder(self, title: str, kind: str) -> c2pa.Builder:
        agent = {"name": SYSTEM, "version": __version__}
        edited = {"action": "c2pa.edited", "softwareAgent": agent, "digitalSourceType": SOURCE_TYPE}
        manifest: dict[str, Any] = {
            "claim_generator_info": [agent],
            "title": title,
            "format": kind,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [edited]}}],
        }
        return self._c2pa.Builder.from_json(manifest, self._context)

    def sign(self, content: bytes, kind: str, title: str, original: bytes, original_kind: str, name: str) -> bytes:
        """A filled photo's file with a manifest: an edit, of which the original is the parent.

        Args:
            content: the file as it would be written; nothing may be changed in it afterwards.
            kind: of it, by Pillow's name.
            title: its name.
            original: the photo's own file, whose credentials stay as the parent's.
            original_kind, name: of that.

        Raises:
            TwoFaceError: it cannot be signed: an expired certificate, a damaged original.
        """
        signed = io.BytesIO()
        try:
            builder = self._builder(title, TYPES[kind])
            builder.set_intent(self._c2pa.C2paBuilderIntent.EDIT)
            parent = {"title": name, "relationship": "parentOf"}
            builder.add_ingredient(parent, TYPES[original_kind], io.BytesIO(original))
            builder.sign(self._signer, TYPES[kind], io.BytesIO(content), signed)
        except Exception as error:  # as above
            raise TwoFaceError(f"{title}: cannot be signed ({first_line(error)}); {ADVICE}") from None
        return signed.getvalue()
