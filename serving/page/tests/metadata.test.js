import assert from "node:assert/strict";
import { test } from "node:test";

import { withMetadata } from "../site/jpeg.js";
import { MARK, exifOf } from "../site/metadata.js";
import { encodePng } from "../site/png.js";

// Little-endian, one entry: orientation 6.
const EXIF = Uint8Array.from([0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
const UPRIGHT = EXIF.with(18, 1);
const letters = (text) => Array.from(text, (letter) => letter.charCodeAt(0));

test("EXIF of each kind of file is found, and its picture stands upright", async () => {
  const inJpeg = [0xff, 0xe1, 0, 2 + 6 + EXIF.length, ...letters("Exif\0\0"), ...EXIF];
  const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, ...inJpeg, 0xff, 0xda, 0, 2]);
  assert.deepEqual(exifOf(jpeg), UPRIGHT);
  const png = new Uint8Array(await (await encodePng(2, 2, new Uint8Array(4), [["eXIf", EXIF]])).arrayBuffer());
  assert.deepEqual(exifOf(png), UPRIGHT);
  const webp = Uint8Array.from([...letters("RIFF....WEBPVP8X"), 1, 0, 0, 0, 9, 0, ...letters("EXIF"), EXIF.length, 0, 0, 0, ...EXIF]);
  assert.deepEqual(exifOf(webp), UPRIGHT);
});

test("a file without EXIF, or with a broken one, has none", async () => {
  const png = new Uint8Array(await (await encodePng(2, 2, new Uint8Array(4))).arrayBuffer());
  assert.equal(exifOf(png), null);
  assert.equal(exifOf(new Uint8Array(3)), null);
  const broken = new Uint8Array(await (await encodePng(2, 2, new Uint8Array(4), [["eXIf", EXIF.subarray(0, 12)]])).arrayBuffer());
  assert.equal(exifOf(broken), null);
  assert.equal(exifOf(Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, 1])), null);
});

test("a JPEG gets EXIF and the mark behind its head, and none of what is too long for it", async () => {
  const head = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0];
  const bare = Uint8Array.from([...head, 0xff, 0xda, 0, 2]);
  const bytes = async (exif) => new Uint8Array(await withMetadata(bare, exif).arrayBuffer());
  const whole = await bytes(EXIF);
  assert.deepEqual([...whole.subarray(0, head.length)], head);
  assert.deepEqual([...whole.subarray(-4)], [0xff, 0xda, 0, 2]);
  assert.deepEqual(exifOf(whole), UPRIGHT);
  assert.ok(new TextDecoder().decode(whole).includes(`http://ns.adobe.com/xap/1.0/\0${MARK}`));
  const marked = await bytes(null);
  assert.equal(exifOf(marked), null);
  assert.deepEqual(await bytes(new Uint8Array(65_530)), marked);
  const headless = new Uint8Array(await withMetadata(bare.subarray(6).with(0, 0xff).with(1, 0xd8), EXIF).arrayBuffer());
  assert.deepEqual([...headless.subarray(0, 4)], [0xff, 0xd8, 0xff, 0xe1]);
});
