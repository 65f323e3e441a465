// Lines over a picture.

/** @typedef {import("./geometry.js").Point} Point */

/**
 * A line that is seen on light and on dark.
 * @param {CanvasRenderingContext2D} context
 * @param {Point[]} points
 * @param {number} scale
 * @param {number[]} dashes screen pixels.
 */
export function outline(context, points, scale, dashes) {
  context.beginPath();
  points.forEach(([x, y], number) => context[number ? "lineTo" : "moveTo"](x, y));
  if (points.length > 2) context.closePath();
  context.setLineDash(dashes.map((dash) => dash / scale));
  for (const [width, colour] of /** @type {const} */ ([[4, "rgb(0 0 0 / 45%)"], [2, "#fff"]])) {
    context.lineWidth = width / scale;
    context.strokeStyle = colour;
    context.stroke();
  }
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} middle
 * @param {number} radius
 * @param {number} scale
 */
export function ring(context, [x, y], radius, scale) {
  const turns = Array.from({ length: 48 }, (_, step) => (2 * Math.PI * step) / 48);
  outline(context, turns.map((turn) => [x + radius * Math.cos(turn), y + radius * Math.sin(turn)]), scale, []);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} point
 * @param {number} scale
 */
export function cross(context, [x, y], scale) {
  const arm = 12 / scale;
  outline(context, [[x - arm, y], [x + arm, y]], scale, []);
  outline(context, [[x, y - arm], [x, y + arm]], scale, []);
}
