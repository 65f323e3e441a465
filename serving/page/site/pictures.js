// Pictures that people give: checked by their headers, turned upright, and made small enough to work on.

import { Failure } from "./failure.js";

/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {{width: number, height: number}} Size */

export const LARGEST_SEEN = 2048; // pixels a side of what is worked on
const HALF = 127; // of a level: above it a mask's pixel is in the hole
const OPAQUE = 231; // from here on: below 255 by no more than what a lossy file makes of it
const SAME_SHAPE = 0.02; // by how much the ratio of a mask's sides may differ from the photo's
const HEAD = 262_144; // bytes, in which the size stands
const NAMES = /** @type {const} */ ({ jpeg: "image/jpeg", png: "image/png", webp: "image/webp" });

/**
 * A picture, as it is worked on.
 * @typedef {object} Picture
 * @property {string} name of its file.
 * @property {string} kind of its content: jpeg, png, ...
 * @property {Blob} file as it was given.
 * @property {number} width upright, at its full size.
 * @property {number} height
 * @property {HTMLCanvasElement} seen at most 2,048 pixels a side.
 * @property {number} factor from the full size to the seen one, 1 or less.
 * @property {Uint8Array | null} clear of the seen one, 1 where it is transparent; null where it is nowhere.
 * @property {import("./engines/engine.js").Found[]} faces
 * @property {Frame | null} frame at full size, of the face that is meant.
 * @property {boolean} byHand whether somebody chose it.
 * @property {boolean} looked whether faces were looked for.
 */

/**
 * The type of a file by its first bytes, whatever its name says.
 * @param {Uint8Array} bytes
 * @returns {keyof typeof NAMES | "heic" | "avif" | "tiff" | "other"}
 */
export function kindOf(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 32));
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return "tiff";
  if (text.slice(4, 8) !== "ftyp") return "other";
  return /avif|avis/.test(text) ? "avif" : /hei[cxms]|hev[cx]|mif1|msf1/.test(text) ? "heic" : "other";
}

/**
 * Width and height by the header alone; null where it does not say.
 * @param {Uint8Array} bytes
 * @returns {Size | null}
 */
export function sizeOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = kindOf(bytes);
  if (kind === "png" && bytes.length >= 24) return { width: view.getUint32(16), height: view.getUint32(20) };
  if (kind === "webp" && bytes.length >= 30) return webpSize(view);
  return kind === "jpeg" ? jpegSize(view) : null;
}

/**
 * @param {DataView} view
 * @returns {Size | null}
 */
function webpSize(view) {
  const type = String.fromCharCode(view.getUint8(12), view.getUint8(13), view.getUint8(14), view.getUint8(15));
  if (type === "VP8 ") return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (type === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  const three = (/** @type {number} */ at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16) + 1;
  return type === "VP8X" ? { width: three(24), height: three(27) } : null;
}

/**
 * @param {DataView} view
 * @returns {Size | null}
 */
function jpegSize(view) {
  let at = 2;
  while (at + 9 < view.byteLength) {
    const [mark, code] = [view.getUint8(at), view.getUint8(at + 1)];
    if (mark !== 0xff) return null;
    if (code === 0xff) at += 1; // padding
    else if (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    } else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/**
 * @param {Blob} file
 * @param {{body: number, pixels: number}} limits
 */
async function check(file, limits) {
  if (!file.size) throw new Failure("empty_file");
  if (file.size > limits.body) throw new Failure("file_too_large", { most: Math.round(limits.body / 1e6) });
  const head = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const kind = kindOf(head);
  if (kind === "tiff") throw new Failure("cannot_show", { kind: "TIFF" });
  if (kind === "other") throw new Failure("no_picture");
  const size = sizeOf(head);
  if (size && size.width * size.height > limits.pixels) {
    throw new Failure("picture_too_large", { ...size, most: Math.round(limits.pixels / 1e6) });
  }
  return kind;
}

/**
 * @param {Blob} file
 * @param {string} kind
 */
async function decoded(file, kind) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw kind === "heic" ? new Failure("cannot_show", { kind: "HEIC" }) : new Failure("broken_picture");
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Size} size
 * @returns {Uint8Array | null}
 */
function clearPart(context, { width, height }) {
  const { data } = context.getImageData(0, 0, width, height);
  const clear = new Uint8Array(width * height);
  for (let at = 0; at < clear.length; at += 1) if (data[4 * at + 3] < OPAQUE) clear[at] = 1;
  return clear.includes(1) ? clear : null;
}

/**
 * @param {File} file
 * @param {{body: number, pixels: number}} limits
 * @returns {Promise<Picture>}
 * @throws {Failure} what cannot be shown, or is too large.
 */
export async function openPicture(file, limits) {
  const kind = await check(file, limits);
  const bitmap = await decoded(file, kind);
  const { width, height } = bitmap;
  if (width * height > limits.pixels) {
    bitmap.close();
    throw new Failure("picture_too_large", { width, height, most: Math.round(limits.pixels / 1e6) });
  }
  const factor = Math.min(1, LARGEST_SEEN / Math.max(width, height));
  const seen = document.createElement("canvas");
  Object.assign(seen, { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) });
  const context = /** @type {CanvasRenderingContext2D} */ (seen.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, seen.width, seen.height);
  bitmap.close();
  const clear = kind === "jpeg" ? null : clearPart(context, seen);
  return { name: file.name, kind, file, width, height, seen, factor, clear, faces: [], frame: null, byHand: false, looked: false };
}

/**
 * A mask from a file, at a size: white, or any colour at its brightest, is the hole, as for the server.
 * @param {File} file
 * @param {Size} size
 * @param {{body: number, pixels: number}} limits
 * @returns {Promise<Uint8Array>} 1 = hole.
 * @throws {Failure} no picture, or of another shape.
 */
export async function openMask(file, { width, height }, limits) {
  const bitmap = await decoded(file, await check(file, limits));
  const off = Math.abs(bitmap.width / bitmap.height / (width / height) - 1);
  if (off > SAME_SHAPE) {
    const size = { width: bitmap.width, height: bitmap.height };
    bitmap.close();
    throw new Failure("mask_shape", size);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = bitmap.width > width;
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const mask = new Uint8Array(width * height);
  for (let at = 0, from = 0; at < mask.length; at += 1, from += 4) {
    const brightest = Math.max(data[from], data[from + 1], data[from + 2]);
    if (brightest * data[from + 3] > HALF * 255) mask[at] = 1;
  }
  return mask;
}

/**
 * A file's name without what says its kind.
 * @param {string} name
 */
export const stem = (name) => name.replace(/\.[^.]*$/, "") || "photo";

/**
 * A picture as it is looked for faces in: the file, or a smaller one where it is large.
 * @param {Picture} picture
 * @returns {Promise<Blob>}
 */
export async function seenFile({ file, factor, seen }) {
  if (factor === 1) return file;
  return new Promise((resolve, reject) => {
    seen.toBlob((blob) => (blob ? resolve(blob) : reject(new Failure("broken_picture"))), NAMES.jpeg, 0.95);
  });
}
