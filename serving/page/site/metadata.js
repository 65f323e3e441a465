// What a photo's file says beside its pixels: EXIF, taken along into another file; and that a model completed it.

import { kindOf } from "./pictures.js";

/** XMP, with IPTC's digital source type. */
export const MARK =
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
  '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:' +
  'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"/>' +
  "</rdf:RDF></x:xmpmeta>";

const ORIENTATION = 0x0112;
const THUMBNAIL = 0x0201;
const THUMBNAIL_LENGTH = 0x0202;
const SHORT = 3;

/**
 * @param {DataView} view
 * @param {number} at
 * @param {number} length
 */
const textAt = (view, at, length) =>
  at + length <= view.byteLength ? String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length)) : "";

/**
 * @param {DataView} view
 * @returns {[number, number] | null} where it begins and ends.
 */
function inJpeg(view) {
  let at = 2;
  while (at + 4 <= view.byteLength && view.getUint8(at) === 0xff) {
    const code = view.getUint8(at + 1);
    const length = view.getUint16(at + 2);
    if (code === 0xda) return null; // the pixels begin
    if (code === 0xe1 && textAt(view, at + 4, 6) === "Exif\0\0") return [at + 10, at + 2 + length];
    at += 2 + length;
  }
  return null;
}

/**
 * @param {DataView} view
 * @returns {[number, number] | null}
 */
function inPng(view) {
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    if (textAt(view, at + 4, 4) === "eXIf") return [at + 8, at + 8 + view.getUint32(at)];
  }
  return null;
}

/**
 * @param {DataView} view
 * @returns {[number, number] | null}
 */
function inWebp(view) {
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const length = view.getUint32(at + 4, true);
    if (textAt(view, at, 4) === "EXIF") return [at + 8 + (textAt(view, at + 8, 6) === "Exif\0\0" ? 6 : 0), at + 8 + length];
    at += 8 + length + (length % 2);
  }
  return null;
}

/**
 * Take EXIF's small picture away, which shows what was in the hole.
 * @param {DataView} view of a block whose first directory ends at a place.
 * @param {number} end of that directory, where the next one's place stands.
 * @param {boolean} little whether its numbers begin with the least.
 */
function withoutThumbnail(view, end, little) {
  const start = view.getUint32(end, little);
  view.setUint32(end, 0, little);
  if (!start) return;
  /** @type {Record<number, number>} */
  const said = {};
  const count = view.getUint16(start, little);
  for (let entry = start + 2; entry < start + 2 + 12 * count; entry += 12) {
    said[view.getUint16(entry, little)] = view.getUint32(entry + 8, little);
  }
  const [from, length] = [said[THUMBNAIL] ?? 0, said[THUMBNAIL_LENGTH] ?? 0];
  for (let at = from; at < Math.min(from + length, view.byteLength); at += 1) view.setUint8(at, 0);
}

/**
 * Say of EXIF's picture that it stands upright, and take the small one away.
 * @param {Uint8Array} exif
 */
function stand(exif) {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const little = textAt(view, 0, 2) === "II";
  const start = view.getUint32(4, little);
  const count = view.getUint16(start, little);
  for (let entry = start + 2; entry < start + 2 + 12 * count; entry += 12) {
    const isOne = view.getUint16(entry, little) === ORIENTATION && view.getUint16(entry + 2, little) === SHORT;
    if (isOne) view.setUint16(entry + 8, 1, little);
  }
  withoutThumbnail(view, start + 2 + 12 * count, little);
}

/**
 * A photo's EXIF, whose pixels were turned upright; null where there is none, or it is broken.
 * @param {Uint8Array} bytes of a JPEG, PNG or WebP file.
 * @returns {Uint8Array | null}
 */
export function exifOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** @type {Record<string, (view: DataView) => [number, number] | null>} */
  const readers = { jpeg: inJpeg, png: inPng, webp: inWebp };
  try {
    const found = readers[kindOf(bytes)]?.(view);
    if (!found || found[1] > bytes.length) return null;
    const exif = bytes.slice(...found);
    stand(exif);
    return exif;
  } catch (error) {
    if (error instanceof RangeError) return null; // it points beyond its end
    throw error;
  }
}
