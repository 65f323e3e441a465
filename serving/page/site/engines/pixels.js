// Pictures as bytes, as the model's graphs take them.

/** @typedef {import("../geometry.js").Box} Box */

/** @param {Uint8ClampedArray} colours */
export function isOpaque(colours) {
  for (let at = 3; at < colours.length; at += 4) if (colours[at] < 255) return false;
  return true;
}

/** @param {Uint8ClampedArray} colours red, green, blue and alpha. */
export function withoutAlpha(colours) {
  const pixels = new Uint8Array((colours.length / 4) * 3);
  for (let at = 0, from = 0; at < pixels.length; at += 3, from += 4) {
    pixels[at] = colours[from];
    pixels[at + 1] = colours[from + 1];
    pixels[at + 2] = colours[from + 2];
  }
  return pixels;
}

/**
 * A part of a picture: red, green, blue and alpha, 8 bits.
 * @param {ImageBitmap} bitmap
 * @param {Box} box
 */
export function coloursOf(bitmap, { left, top, right, bottom }) {
  const [width, height] = [right - left, bottom - top];
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(bitmap, -left, -top);
  return context.getImageData(0, 0, width, height).data;
}

/**
 * The same, red, green and blue alone.
 * @param {ImageBitmap} bitmap
 * @param {Box} box
 */
export function pixelsOf(bitmap, box) {
  return { pixels: withoutAlpha(coloursOf(bitmap, box)), width: box.right - box.left, height: box.bottom - box.top };
}

/**
 * What a hole shows does not count: it gets the mean colour of what is about it.
 * @param {Uint8Array} pixels
 * @param {Uint8Array} mask
 * @param {number} width
 */
export function flattened(pixels, mask, width) {
  const mean = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < mask.length; at += 1) {
    const isRim = !mask[at] && (mask[at - 1] || mask[at + 1] || mask[at - width] || mask[at + width]);
    if (!isRim) continue;
    count += 1;
    for (let colour = 0; colour < 3; colour += 1) mean[colour] += pixels[3 * at + colour];
  }
  if (!count) return;
  for (let at = 0; at < mask.length; at += 1) if (mask[at]) pixels.set(mean.map((sum) => sum / count), 3 * at);
}
