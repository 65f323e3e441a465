// PNG files, written without a canvas: a canvas changes what is half transparent, and has four bytes for a mask's one.

const SIGNATURE = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** @type {Record<number, number>} */
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 };
const ROWS_AT_ONCE = 256;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array[]} parts */
function checksum(...parts) {
  let value = 0xffffffff;
  for (const part of parts) for (const byte of part) value = CRC[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {number} value */
function big(value) {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

/**
 * One chunk, whole.
 * @param {string} type four letters.
 * @param {Uint8Array} content
 * @returns {Uint8Array[]}
 */
function chunk(type, content) {
  const name = new TextEncoder().encode(type);
  return [big(content.length), name, content, big(checksum(name, content))];
}

/**
 * Rows as PNG stores them: each byte less that of the pixel before it, which packs better.
 * @param {Uint8Array | Uint8ClampedArray} pixels
 * @param {number} row bytes
 * @param {number} channels
 */
function* filtered(pixels, row, channels) {
  const height = pixels.length / row;
  for (let first = 0; first < height; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, height - first);
    const out = new Uint8Array(count * (row + 1));
    for (let line = 0; line < count; line += 1) {
      const [from, to] = [(first + line) * row, line * (row + 1)];
      out[to] = 1;
      for (let at = 0; at < row; at += 1) {
        out[to + 1 + at] = pixels[from + at] - (at < channels ? 0 : pixels[from + at - channels]);
      }
    }
    yield out;
  }
}

/**
 * Text that programs read, of the picture's origin (XMP).
 * @param {string} xmp
 * @returns {[string, Uint8Array]}
 */
export function xmpChunk(xmp) {
  return ["iTXt", new TextEncoder().encode(`XML:com.adobe.xmp\0\0\0\0\0${xmp}`)];
}

/**
 * @param {Uint8Array} exif
 * @returns {[string, Uint8Array]}
 */
export function exifChunk(exif) {
  return ["eXIf", exif];
}

/**
 * A PNG file.
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array | Uint8ClampedArray} pixels 8 bits; rows of grey, of red, green and blue, or of these with alpha.
 * @param {[string, Uint8Array][]} [more] chunks, by type.
 * @returns {Promise<Blob>}
 */
export async function encodePng(width, height, pixels, more = []) {
  const channels = pixels.length / (width * height);
  const stream = new CompressionStream("deflate");
  const packed = new Response(stream.readable).arrayBuffer();
  const writer = stream.writable.getWriter();
  for (const rows of filtered(pixels, width * channels, channels)) await writer.write(rows);
  await writer.close();
  const head = new Uint8Array(13);
  head.set(big(width), 0);
  head.set(big(height), 4);
  head.set([8, COLOUR_TYPES[channels], 0, 0, 0], 8);
  const parts = [SIGNATURE, ...chunk("IHDR", head), ...more.flatMap(([type, content]) => chunk(type, content))];
  parts.push(...chunk("IDAT", new Uint8Array(await packed)), ...chunk("IEND", new Uint8Array()));
  return new Blob(/** @type {BlobPart[]} */ (parts), { type: "image/png" });
}
