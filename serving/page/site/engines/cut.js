// Squares cut out of a picture, turned upright and resized.

/** @typedef {import("../geometry.js").Frame} Frame */

/**
 * A canvas to cut with.
 * @param {number} size pixels a side.
 */
export function knife(size) {
  const canvas = new OffscreenCanvas(size, size);
  return /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
}

/**
 * What lies in a frame: red, green, blue and alpha, (size, size, 4).
 * @param {OffscreenCanvasRenderingContext2D} context from {@link knife}.
 * @param {CanvasImageSource} source
 * @param {Frame} frame
 * @param {string} beyond the colour outside of the picture.
 */
export function cut(context, source, { x, y, side, angle }, beyond) {
  const size = context.canvas.width;
  context.resetTransform();
  context.fillStyle = beyond;
  context.fillRect(0, 0, size, size);
  context.translate(size / 2, size / 2);
  context.rotate((-angle * Math.PI) / 180);
  context.scale(size / side, size / side);
  context.translate(-x, -y);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, size, size).data;
}
