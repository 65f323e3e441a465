// Parts of a face as holes: outlines about its landmarks, those of the training's mask policy `face_parts`.

import { fromUnit } from "./geometry.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Frame} Frame */

export const PARTS = /** @type {const} */ (["eyes", "nose", "mouth", "lower_half", "square"]);
/** @typedef {typeof PARTS[number]} Part */

const EYES_TO_MOUTH = 1.09; // of a mean frontal face, in eye distances
const STEPS = 96; // points of an outline

/**
 * @param {Point} middle
 * @param {number} width half of it
 * @param {number} height
 * @param {number} power 2: an ellipse; large: a rectangle
 * @returns {Point[]}
 */
function rounded([x, y], width, height, power = 4) {
  const bent = (/** @type {number} */ value) => Math.sign(value) * Math.abs(value) ** (2 / power);
  return Array.from({ length: STEPS }, (_, step) => {
    const turn = (2 * Math.PI * step) / STEPS;
    return /** @type {Point} */ ([x + width * bent(Math.cos(turn)), y + height * bent(Math.sin(turn))]);
  });
}

/**
 * What an outline encloses below a height.
 * @param {Point[]} points
 * @param {number} height
 * @returns {Point[]}
 */
function below(points, height) {
  return points.map(([x, y]) => [x, Math.max(y, height)]);
}

const between = (/** @type {Point} */ a, /** @type {Point} */ b, share = 0.5) =>
  /** @type {Point} */ ([a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])]);

/**
 * @param {Part} part
 * @param {Point[]} landmarks of a mean face, in shares of the frame: eyes, nose, mouth corners.
 * @param {number[]} square the model's own hole: left, top, right, bottom.
 * @returns {Point[]} in shares of the frame.
 */
function outline(part, [leftEye, rightEye, nose, leftMouth, rightMouth], [left, top, right, bottom]) {
  const [eyes, mouth] = [between(leftEye, rightEye), between(leftMouth, rightMouth)];
  const unit = Math.hypot(mouth[0] - eyes[0], mouth[1] - eyes[1]) / EYES_TO_MOUTH;
  switch (part) {
    case "eyes": {
      const reach = Math.abs(rightEye[0] - leftEye[0]) / 2 + 0.42 * unit;
      return rounded([eyes[0], eyes[1] - 0.08 * unit], reach, 0.38 * unit);
    }
    case "nose": {
      const bridge = /** @type {Point} */ ([eyes[0], eyes[1] + 0.1 * unit]);
      const middle = between(bridge, nose);
      return rounded([middle[0], middle[1] + 0.1 * unit], 0.38 * unit, Math.abs(nose[1] - bridge[1]) / 2 + 0.12 * unit);
    }
    case "mouth":
      return rounded(mouth, Math.abs(rightMouth[0] - leftMouth[0]) / 2 + 0.22 * unit, 0.36 * unit);
    case "lower_half":
      return below(rounded(between(eyes, mouth, 0.55), 1.02 * unit, 1.5 * unit, 2), (eyes[1] + nose[1]) / 2);
    case "square":
      return [[left, top], [right, top], [right, bottom], [left, bottom]];
  }
}

/**
 * A part of a face in a picture.
 * @param {Part} part
 * @param {Frame} frame of the face.
 * @param {{landmarks: Point[], hole: number[]}} model
 * @returns {Point[]}
 */
export function partOutline(part, frame, model) {
  return outline(part, model.landmarks, model.hole).map((share) => fromUnit(frame, share));
}
