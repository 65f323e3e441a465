// Where a face is although a hole hides part of it: windows about the hole, refined by the placement network.
// As the server's `faces/placer.py`, less what it makes of the detector's landmarks.

import { fitFrame, fromUnit } from "../geometry.js";
import { cut, knife } from "./cut.js";

/** @typedef {import("../geometry.js").Point} Point */
/** @typedef {import("../geometry.js").Frame} Frame */
/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {{landmarks: Point[], scales: number[], off: number, there: number, seen: number, worth: number}} Guess */
/** @typedef {{points: Float32Array, scales: Float32Array, there: Float32Array}} Told */
/** @typedef {(windows: Uint8Array, count: number) => Promise<Told>} Network */

export const SIZE = 64; // pixels a side of a window
const GREY = 128; // in place of what cannot be seen
const [HOLE, SEEN] = [255, 128]; // the fourth channel; 0 outside of the picture
const [OPAQUE, LEVELS] = [0xff000000, 0x00010101]; // four bytes of a pixel, of which three are one level
const [EYE_DISTANCE, EYE_LINE] = [0.2, 0.4]; // of a face that lies as it should, in shares of the window
/** @type {Point[]} landmarks of a mean frontal face, in eye distances from between the eyes */
const MEAN = [[-0.5, 0], [0.5, 0], [0, 0.59], [-0.445, 1.09], [0.445, 1.09]];
const LANDMARKS = MEAN.map(([x, y]) => /** @type {Point} */ ([0.5 + EYE_DISTANCE * x, EYE_LINE + EYE_DISTANCE * y]));
const HOLES_BY_WINDOW = [1.7, 2.9, 4.9]; // sides of first windows, over the hole's longer side
const ASIDE = 0.22; // of a window: how far others lie beside the hole's middle
const AROUND = [[0, 0], [0, -1], [0, 1], [-1, 0], [1, 0]];
const [PURSUED, ROUNDS] = [4, 3]; // first guesses that are refined, and how often
const [GLANCES, BESIDE] = [[1, 0.92, 1.08, 0.96, 1.04], 0.05]; // of settling: sizes of windows, and how far aside
const SURE = 4; // logit of a face from which on only its place matters
const [SURELY_THERE, SURELY_OFF, LEAST_SEEN] = [3, 0.12, 0.1];
const TURNS = [[0], [90, 180, 270]];

const windowOf = (/** @type {Point[]} */ landmarks) => fitFrame(LANDMARKS, landmarks);
const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A picture that windows are cut from; what its hole shows is never seen. */
export class Windows {
  /**
   * @param {ImageBitmap} bitmap
   * @param {Uint8Array} mask of its size, 1 = hole.
   */
  constructor(bitmap, mask) {
    const { width, height } = bitmap;
    const [states, cover] = [new ImageData(width, height), new ImageData(width, height)];
    const [state, grey] = [new Uint32Array(states.data.buffer), new Uint32Array(cover.data.buffer)];
    for (let at = 0; at < mask.length; at += 1) {
      state[at] = OPAQUE | (LEVELS * (mask[at] ? HOLE : SEEN));
      if (mask[at]) grey[at] = OPAQUE | (LEVELS * GREY);
    }
    const canvas = (/** @type {ImageData} */ image) => {
      const made = new OffscreenCanvas(width, height);
      made.getContext("2d")?.putImageData(image, 0, 0);
      return made;
    };
    this.states = canvas(states);
    this.seen = new OffscreenCanvas(width, height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (this.seen.getContext("2d"));
    context.drawImage(bitmap, 0, 0);
    context.drawImage(canvas(cover), 0, 0);
    this.small = knife(SIZE);
  }

  /**
   * Red, green and blue, and which is hole, seen or outside: (SIZE, SIZE, 4).
   * @param {Frame} window
   */
  look(window) {
    const look = new Uint8Array(cut(this.small, this.seen, window, `rgb(${GREY} ${GREY} ${GREY})`));
    const states = cut(this.small, this.states, window, "#000");
    for (let at = 3; at < look.length; at += 4) look[at] = states[at - 3];
    return look;
  }
}

/**
 * @param {Point} middle
 * @param {number} side
 * @param {number} angle
 * @returns {Frame[]}
 */
function around([x, y], side, angle) {
  return AROUND.map(([right, down]) => ({ x: x + ASIDE * side * right, y: y + ASIDE * side * down, side, angle }));
}

/**
 * @param {Network} network
 * @param {Windows} views
 * @param {Frame[]} windows
 * @returns {Promise<Guess[]>}
 */
async function look(network, views, windows) {
  if (!windows.length) return [];
  const looks = new Uint8Array(windows.length * SIZE * SIZE * 4);
  windows.forEach((window, number) => looks.set(views.look(window), number * SIZE * SIZE * 4));
  const told = await network(looks, windows.length);
  return windows.flatMap((window, number) => {
    const landmarks = MEAN.map((_, at) => {
      const from = 10 * number + 2 * at;
      return fromUnit(window, [told.points[from], told.points[from + 1]]);
    });
    const eyes = (windowOf(landmarks).side * EYE_DISTANCE) / window.side; // apart, in windows
    if (!(eyes > 1e-3)) return []; // all in one point: no face
    const scales = Array.from(told.scales.subarray(5 * number, 5 * number + 5), (log) => Math.exp(log) / eyes);
    const own = looks.subarray(number * SIZE * SIZE * 4, (number + 1) * SIZE * SIZE * 4);
    let seen = 0;
    for (let at = 3; at < own.length; at += 4) seen += own[at] === SEEN ? 1 : 0;
    const [off, there] = [mean(scales), told.there[number]];
    const worth = Math.min(there, SURE) - 2 * Math.log(off);
    return [{ landmarks, scales, off, there, seen: seen / SIZE ** 2, worth }];
  });
}

/**
 * The mean of what several windows about a guess show, each by how sure it is.
 * @param {Network} network
 * @param {Windows} views
 * @param {Guess} guess
 * @returns {Promise<Point[]>}
 */
async function settle(network, views, guess) {
  const window = windowOf(guess.landmarks);
  const glances = await look(network, views, AROUND.map(([right, down], number) => ({
    ...window,
    x: window.x + BESIDE * window.side * right,
    y: window.y + BESIDE * window.side * down,
    side: window.side * GLANCES[number],
  })));
  if (!glances.length) return guess.landmarks;
  return MEAN.map((_, at) => {
    const weights = glances.map(({ scales }) => scales[at] ** -2);
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    const along = (/** @type {0 | 1} */ axis) =>
      glances.reduce((sum, { landmarks }, number) => sum + (weights[number] / all) * landmarks[at][axis], 0);
    return /** @type {Point} */ ([along(0), along(1)]);
  });
}

/**
 * The landmarks of the face that a hole hides in part; null where nothing is sure.
 * @param {Network} network uint8 (N, 64, 64, 4) to landmarks (N, 5, 2) in shares of the window, logarithms of how far
 *   each is off (N, 5), and logits of a face (N,).
 * @param {Windows} views
 * @param {Box} hole about it.
 * @returns {Promise<Point[] | null>}
 */
export async function placeUnderHole(network, views, hole) {
  const middle = /** @type {Point} */ ([(hole.left + hole.right) / 2, (hole.top + hole.bottom) / 2]);
  const longer = Math.max(hole.right - hole.left, hole.bottom - hole.top);
  for (const turns of TURNS) {
    const first = turns.flatMap((turn) => HOLES_BY_WINDOW.flatMap((by) => around(middle, by * longer, turn)));
    let guesses = (await look(network, views, first)).sort((one, other) => other.worth - one.worth).slice(0, PURSUED);
    for (let round = 0; round < ROUNDS; round += 1) {
      guesses = await look(network, views, guesses.map(({ landmarks }) => windowOf(landmarks)));
    }
    const sure = guesses.filter((one) => one.off <= SURELY_OFF && one.there >= SURELY_THERE && one.seen >= LEAST_SEEN);
    const best = sure.sort((one, other) => other.worth - one.worth)[0];
    if (best) return settle(network, views, best);
  }
  return null;
}
