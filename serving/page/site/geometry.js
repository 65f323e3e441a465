// Frames: which square of a picture the model sees. Points are [x, y] in the picture's pixels.

/** @typedef {[number, number]} Point */
/** @typedef {{x: number, y: number, side: number, angle: number}} Frame Its middle, its side, degrees clockwise. */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box Whole pixels; the last ones not included. */

const RADIAN = Math.PI / 180;

/**
 * A point of the frame, in shares of its sides from its upper left, in the picture.
 * @param {Frame} frame
 * @param {Point} share
 * @returns {Point}
 */
export function fromUnit(frame, [u, v]) {
  const cosine = frame.side * Math.cos(frame.angle * RADIAN);
  const sine = frame.side * Math.sin(frame.angle * RADIAN);
  const [across, along] = [u - 0.5, v - 0.5];
  return [frame.x + cosine * across - sine * along, frame.y + sine * across + cosine * along];
}

/**
 * A point of the picture, in shares of the frame's sides.
 * @param {Frame} frame
 * @param {Point} point
 * @returns {Point}
 */
export function toUnit(frame, [x, y]) {
  const cosine = Math.cos(frame.angle * RADIAN) / frame.side;
  const sine = Math.sin(frame.angle * RADIAN) / frame.side;
  const [right, down] = [x - frame.x, y - frame.y];
  return [cosine * right + sine * down + 0.5, cosine * down - sine * right + 0.5];
}

/**
 * From the upper left on, clockwise.
 * @param {Frame} frame
 * @returns {Point[]}
 */
export function corners(frame) {
  return [fromUnit(frame, [0, 0]), fromUnit(frame, [1, 0]), fromUnit(frame, [1, 1]), fromUnit(frame, [0, 1])];
}

/**
 * The frame in which a face's landmarks lie nearest to where they should: a similarity by least squares.
 * @param {Point[]} canonical where they should lie, in shares of the frame.
 * @param {Point[]} landmarks where they lie in the picture.
 * @returns {Frame}
 */
export function fitFrame(canonical, landmarks) {
  const mean = (/** @type {Point[]} */ points, /** @type {0 | 1} */ axis) =>
    points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [u, v, x, y] = [mean(canonical, 0), mean(canonical, 1), mean(landmarks, 0), mean(landmarks, 1)];
  let [spread, along, across] = [0, 0, 0];
  canonical.forEach((share, number) => {
    const [a, b] = [share[0] - u, share[1] - v];
    const [c, d] = [landmarks[number][0] - x, landmarks[number][1] - y];
    spread += a * a + b * b;
    along += a * c + b * d;
    across += a * d - b * c;
  });
  along /= spread;
  across /= spread;
  const frame = { x: 0, y: 0, side: Math.hypot(along, across), angle: Math.atan2(across, along) / RADIAN };
  const [right, down] = fromUnit(frame, [u, v]);
  return { ...frame, x: x - right, y: y - down };
}

/**
 * A frame that is the same in words and in numbers, wherever it is computed with.
 * @param {Frame} frame
 * @returns {Frame}
 */
export function rounded({ x, y, side, angle }) {
  const [to, turn] = [(/** @type {number} */ value) => Math.round(value * 100) / 100, ((((angle + 180) % 360) + 360) % 360) - 180];
  return { x: to(x), y: to(y), side: Math.max(1, to(side)), angle: to(turn) };
}

/**
 * As the server's form takes it.
 * @param {Frame} frame
 */
export function frameText(frame) {
  const { x, y, side, angle } = rounded(frame);
  return [x, y, side, angle].join(",");
}

/**
 * The same frame in the same picture of another size.
 * @param {Frame} frame
 * @param {number} factor
 * @returns {Frame}
 */
export function scaled({ x, y, side, angle }, factor) {
  return { x: x * factor, y: y * factor, side: side * factor, angle };
}

/**
 * A frame where nothing was found: in the middle.
 * @param {number} width
 * @param {number} height
 * @returns {Frame}
 */
export function middleFrame(width, height) {
  return { x: width / 2, y: height / 2, side: Math.min(width, height) / 2, angle: 0 };
}

/**
 * Whether a frame has a part of the picture in it, and could be a face's.
 * @param {Frame} frame
 * @param {number} width
 * @param {number} height
 */
export function touches(frame, width, height) {
  const points = corners(frame);
  const [x, y] = [points.map((point) => point[0]), points.map((point) => point[1])];
  return Math.max(...x) > 0 && Math.max(...y) > 0 && Math.min(...x) < width && Math.min(...y) < height;
}

const SPARE = 2; // pixels about a frame
const ABOUT_HOLE = 0.25; // of a hole's longer side, what is kept about it

/**
 * The part of a picture that a repair needs; what is cut away changes nothing.
 * @param {Frame} frame
 * @param {number} width
 * @param {number} height
 * @param {Box} [hole]
 * @returns {Box}
 */
export function surroundings(frame, width, height, hole) {
  const points = corners(frame);
  const [x, y] = [points.map((point) => point[0]), points.map((point) => point[1])];
  let [left, top] = [Math.floor(Math.min(...x)) - SPARE, Math.floor(Math.min(...y)) - SPARE];
  let [right, bottom] = [Math.ceil(Math.max(...x)) + SPARE, Math.ceil(Math.max(...y)) + SPARE];
  if (hole) {
    const more = ABOUT_HOLE * Math.max(hole.bottom - hole.top, hole.right - hole.left) + SPARE;
    left = Math.min(left, Math.floor(hole.left - more));
    top = Math.min(top, Math.floor(hole.top - more));
    right = Math.max(right, Math.ceil(hole.right + more));
    bottom = Math.max(bottom, Math.ceil(hole.bottom + more));
  }
  const within = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.min(Math.max(value, low), high);
  left = within(left, 0, width - 1);
  top = within(top, 0, height - 1);
  return { left, top, right: within(right, left + 1, width), bottom: within(bottom, top + 1, height) };
}
