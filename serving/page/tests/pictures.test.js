import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { test } from "node:test";

import { boundingBox, resized } from "../site/hole.js";
import { PARTS, partOutline } from "../site/parts.js";
import { kindOf, sizeOf } from "../site/pictures.js";
import { encodePng, xmpChunk } from "../site/png.js";

const bytes = (text, length = 64) => Uint8Array.from({ length }, (_, at) => (at < text.length ? text.charCodeAt(at) : 0));

test("a file is what its first bytes say", () => {
  assert.equal(kindOf(bytes("\xff\xd8\xff\xe0")), "jpeg");
  assert.equal(kindOf(bytes("\x89PNG\r\n\x1a\n")), "png");
  assert.equal(kindOf(bytes("RIFF....WEBPVP8 ")), "webp");
  assert.equal(kindOf(bytes("....ftypheic")), "heic");
  assert.equal(kindOf(bytes("....ftypavif")), "avif");
  assert.equal(kindOf(bytes("II*\0")), "tiff");
  assert.equal(kindOf(bytes("<svg>")), "other");
  assert.equal(kindOf(new Uint8Array()), "other");
});

test("a picture's size is known before it is decoded", async () => {
  const png = new Uint8Array(await (await encodePng(7, 5, new Uint8Array(35))).arrayBuffer());
  assert.deepEqual(sizeOf(png), { width: 7, height: 5 });
  const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc2, 0, 11, 8, 0x12, 0x34, 0x56, 0x78, 3, 0, 0]);
  assert.deepEqual(sizeOf(jpeg), { width: 0x5678, height: 0x1234 });
  const webp = bytes("RIFF....WEBPVP8X", 40);
  webp.set([9, 1, 0, 4, 0, 0], 24);
  assert.deepEqual(sizeOf(webp), { width: 266, height: 5 });
  assert.equal(sizeOf(jpeg.subarray(0, 9)), null);
});

/** Rows of a PNG that only this page writes: one IDAT, each row by the pixel before. */
function decoded(file, row, channels) {
  const view = new DataView(file.buffer);
  const chunks = {};
  for (let at = 8; at < file.length; at += 12 + view.getUint32(at)) {
    chunks[String.fromCharCode(...file.subarray(at + 4, at + 8))] = file.subarray(at + 8, at + 8 + view.getUint32(at));
  }
  const packed = inflateSync(chunks.IDAT);
  const pixels = [];
  for (let start = 0; start < packed.length; start += row + 1) {
    assert.equal(packed[start], 1);
    for (let at = 0; at < row; at += 1) {
      pixels.push((packed[start + 1 + at] + (at < channels ? 0 : pixels[pixels.length - channels])) & 255);
    }
  }
  return { pixels: Uint8Array.from(pixels), chunks };
}

for (const channels of [1, 3, 4]) {
  test(`a PNG of ${channels} channels holds its pixels`, async () => {
    const [width, height] = [37, 300];
    const pixels = Uint8Array.from({ length: width * height * channels }, (_, at) => (at * at * 31) >> 3);
    const file = new Uint8Array(await (await encodePng(width, height, pixels, [xmpChunk("<x/>")])).arrayBuffer());
    const read = decoded(file, width * channels, channels);
    assert.deepEqual(read.pixels, pixels);
    assert.equal(new TextDecoder().decode(read.chunks.iTXt), "XML:com.adobe.xmp\0\0\0\0\0<x/>");
  });
}

test("a hole has a box, and other sizes", () => {
  const mask = new Uint8Array(20);
  mask.set([1, 1], 6);
  mask.set([1], 12);
  assert.deepEqual(boundingBox(mask, 5), { left: 1, top: 1, right: 3, bottom: 3 });
  assert.equal(boundingBox(new Uint8Array(20), 5), null);
  const large = resized(mask, 5, 10, 8, 255);
  assert.equal(large.reduce((sum, value) => sum + value, 0), 4 * 3 * 255);
  assert.deepEqual(resized(large.map((value) => value / 255), 10, 5, 4, 1), mask);
});

test("parts of a face lie where the face has them", () => {
  const landmarks = [[0.37, 0.42], [0.63, 0.42], [0.5, 0.57], [0.39, 0.7], [0.61, 0.7]];
  const frame = { x: 100, y: 100, side: 200, angle: 0 };
  const model = { landmarks, hole: [0.25, 0.25, 0.75, 0.75] };
  const middle = (points, axis) => (Math.min(...points.map((p) => p[axis])) + Math.max(...points.map((p) => p[axis]))) / 2;
  for (const part of PARTS) {
    const points = partOutline(part, frame, model);
    assert.ok(Math.abs(middle(points, 0) - 100) < 1, part);
    assert.ok(points.length >= 4);
  }
  assert.ok(middle(partOutline("eyes", frame, model), 1) < middle(partOutline("nose", frame, model), 1));
  assert.ok(middle(partOutline("nose", frame, model), 1) < middle(partOutline("mouth", frame, model), 1));
  assert.deepEqual(partOutline("square", frame, model)[0], [50, 50]);
});
