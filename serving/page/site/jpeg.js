// JPEG files, as a canvas writes them, with what is to be said beside the pixels.

import { Failure } from "./failure.js";
import { MARK, exifOf } from "./metadata.js";

const QUALITY = 0.95;
const HEAD = 262_144; // bytes of a PNG of ours, in which its EXIF stands
const MOST = 65_535; // bytes of a segment, with the two that say so

/**
 * A segment APP1; none where a JPEG has no place for so much.
 * @param {string} name what its content is.
 * @param {Uint8Array} content
 */
function segment(name, content) {
  const start = new TextEncoder().encode(`${name}\0`);
  const length = 2 + start.length + content.length;
  return length > MOST ? [] : [Uint8Array.of(0xff, 0xe1, length >> 8, length & 0xff), start, content];
}

/**
 * A JPEG with EXIF and the mark of a model, directly after its head.
 * @param {Uint8Array} jpeg without either.
 * @param {Uint8Array | null} exif
 * @returns {Blob}
 */
export function withMetadata(jpeg, exif) {
  const head = jpeg[3] === 0xe0 ? 4 + (jpeg[4] << 8) + jpeg[5] : 2; // JFIF's segment comes first
  const mark = segment("http://ns.adobe.com/xap/1.0/", new TextEncoder().encode(MARK));
  const parts = [...(exif ? segment("Exif\0", exif) : []), ...mark];
  return new Blob(/** @type {BlobPart[]} */ ([jpeg.subarray(0, head), ...parts, jpeg.subarray(head)]), { type: "image/jpeg" });
}

/**
 * A picture encoded anew: smaller, and no pixel just as it was.
 * @param {Blob} png with the EXIF that it takes along.
 * @returns {Promise<Blob>}
 */
export async function asJpeg(png) {
  const bitmap = await createImageBitmap(png);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Failure("browser_failed", { said: "canvas" });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return withMetadata(new Uint8Array(await jpeg.arrayBuffer()), exifOf(new Uint8Array(await png.slice(0, HEAD).arrayBuffer())));
}
