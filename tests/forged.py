"""Files that are made to harm."""

import struct
import zlib


def huge_png() -> bytes:
    """A picture of 40,000 x 40,000 pixels, by its header."""
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    parts = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (chunk, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
