"""XMP of a photo that a model completed: what was there, and that it was (IPTC Photo Metadata 2025.1)."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

log = logging.getLogger(__name__)

META, RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
ORIENTATION = "{http://ns.adobe.com/tiff/1.0/}Orientation"
XMP = "http://ns.adobe.com/xap/1.0/"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
BY_A_MODEL = b"rainedAlgorithmicMedia"  # ends the kinds of a picture that a model has made, whole or in part
EMPTY = f'<x:xmpmeta xmlns:x="{META}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
# Other pictures of the photo as it was: a preview, and what phones and extended XMP hold.
PICTURES = (
    f"{{{XMP}}}Thumbnails",
    "{http://ns.google.com/photos/1.0/image/}Data",
    "{http://ns.google.com/photos/1.0/depthmap/}Data",
    "{http://ns.adobe.com/xmp/note/}HasExtendedXMP",
)
LARGEST = 4_000_000  # bytes; phones hold previews in it
MOST_SPACES = 200  # editors use some twenty
_writing = threading.Lock()
START = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'.encode()
END = b'<?xpacket end="w"?>'


@contextmanager
def _own_prefixes() -> Iterator[None]:
    """The writer knows prefixes for the whole process: a photo's are forgotten again."""
    with _writing:
        known = ElementTree._namespace_map  # type: ignore[attr-defined]
        before = dict(known)
        try:
            yield
        finally:
            known.clear()
            known.update(before)


def _parse(packet: bytes) -> ElementTree.Element:
    """A packet's root, with its own prefixes kept for writing.

    Raises:
        ValueError: a packet of a size, or with more namespaces, than any program writes.
    """
    if len(packet) > LARGEST:
        raise ValueError("too large")
    element: ElementTree.Element | None = None
    spaces = 0
    for event, found in ElementTree.iterparse(io.BytesIO(packet), ["start-ns", "end"]):
        spaces += event == "start-ns"
        if spaces > MOST_SPACES:
            raise ValueError("too many namespaces")
        if event == "end":
            element = found
        elif found[0] and not found[0].startswith("ns"):  # those are the writer's own
            ElementTree.register_namespace(*found)
    assert element is not None  # the last one that ends is the root
    return element


def _rdf(packet: bytes) -> tuple[ElementTree.Element, ElementTree.Element]:
    root = _parse(packet)
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    if rdf is None:
        raise ElementTree.ParseError("no RDF")
    return root, rdf


def says_made(packet: bytes, system: str) -> bool:
    """Whether a packet says that a model has made the picture, or a part of it, or that a program has drawn it."""
    return BY_A_MODEL in packet or f"CreatorTool>{system}<".encode() in packet


def drawn(system: str) -> bytes:
    """A packet that says which program has drawn the picture."""
    about = f'<rdf:Description rdf:about="" xmlns:xmp="{XMP}"><xmp:CreatorTool>{system}</xmp:CreatorTool>'
    packet = f'<x:xmpmeta xmlns:x="{META}"><rdf:RDF xmlns:rdf="{RDF}">{about}</rdf:Description></rdf:RDF></x:xmpmeta>'
    return START + packet.encode() + END


def marked(packet: bytes, system: str, version: str, orientation: int = 1) -> bytes:
    """A packet that says that the picture was completed by a model; what it said else stays, but for pictures.

    Args:
        packet: XMP as the photo had it; nothing where there was none.
        system, version: of what completed it.
        orientation: that its pixels are stored in now, by EXIF's count.
    """
    with _own_prefixes():
        return _marked(packet, system, version, orientation)


def _marked(packet: bytes, system: str, version: str, orientation: int) -> bytes:
    try:
        root, rdf = _rdf(packet.strip(b"\0 \r\n\t") or EMPTY)
    except (ElementTree.ParseError, ValueError):
        log.warning("the photo's XMP is damaged and not kept")
        root, rdf = _rdf(EMPTY)
    for each in rdf.iter():
        if each.tag == ORIENTATION:
            each.text = str(orientation)
        elif ORIENTATION in each.attrib:
            each.set(ORIENTATION, str(orientation))
    said = {"DigitalSourceType": SOURCE_TYPE, "AISystemUsed": system, "AISystemVersionUsed": version}
    for each in rdf.findall(f"{{{RDF}}}Description"):
        for name in (*PICTURES, *(f"{{{IPTC}}}{name}" for name in said)):
            each.attrib.pop(name, None)
            for child in each.findall(name):
                each.remove(child)
    ElementTree.register_namespace("rdf", RDF)
    ElementTree.register_namespace("Iptc4xmpExt", IPTC)
    ElementTree.register_namespace("x", META)
    about = rdf.find(f"{{{RDF}}}Description")
    if about is None:
        about = ElementTree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    for name, value in said.items():
        ElementTree.SubElement(about, f"{{{IPTC}}}{name}").text = value
    return START + ElementTree.tostring(root, encoding="utf-8") + END
